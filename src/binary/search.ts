/** Searching in sorted lists. */

/** The first index whose value is at least `wanted`, in an ascending list; its length when there is none. */
export function lowerBound(list: readonly number[], wanted: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] as number) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
