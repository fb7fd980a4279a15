/** Choices that are the same for the same seed, everywhere. */

export interface Random {
  /** 32 bits. */
  next(): number;
  /** 0 to `count` - 1. */
  below(count: number): number;
  /** True once in `count` times. */
  oneIn(count: number): boolean;
  pick<T>(list: readonly T[]): T;
}

/** @param seeds numbers that tell this sequence from all others */
export function randomOf(...seeds: readonly number[]): Random {
  let state = 0x9e3779b9;
  for (const seed of seeds) {
    state = mixed(state ^ (seed >>> 0));
    state = mixed(state ^ Math.floor(seed / 2 ** 32));
  }
  // mulberry32: every state follows every other, so that no seed is a bad one.
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return (word ^ (word >>> 14)) >>> 0;
  };
  const below = (count: number): number => Math.floor((next() / 2 ** 32) * count);
  return {
    next,
    below,
    oneIn: (count) => below(count) === 0,
    pick<T>(list: readonly T[]): T {
      if (list.length === 0) throw new RangeError('nothing to pick from');
      return list[below(list.length)] as T;
    },
  };
}

function mixed(word: number): number {
  let mix = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return mix ^ (mix >>> 16);
}
