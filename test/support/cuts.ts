/** Where images are cut: half a download can end anywhere. */

/**
 * Lengths to cut an image of `length` bytes to, ascending, all shorter than it: none of it, all but a byte, every edge
 * and a byte beside it, and `count` places by chance.
 */
export function cutsOf(
  length: number,
  edges: readonly number[],
  count: number,
  random: () => number,
): number[] {
  const cuts = [
    0,
    length - 1,
    ...edges.flatMap((edge) => [edge - 1, edge, edge + 1]),
    ...Array.from({ length: count }, () => random() % length),
  ];
  const inside = cuts.filter((cut) => cut >= 0 && cut < length);
  return [...new Set(inside)].sort((a, b) => a - b);
}
