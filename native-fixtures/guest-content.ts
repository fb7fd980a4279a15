// Writes seeded guest bytes to stdout: runs of zeros, text, a repeated pattern and random bytes, none of
// them aligned. The same size and seed give the same bytes on every machine.
//
//   node guest-content.ts <size> <seed> [<solid offset> <solid length>]
//
// The solid part is random throughout, for clusters that must not get smaller when compressed.

import { writeSync } from 'node:fs';

type Random = () => number;

const mulberry32 = (seed: number): Random => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
};

const hashOfText = (text: string): number => {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
};

const between = (random: Random, low: number, high: number): number => low + (random() % (high - low));

const fillRandom = (into: Buffer, random: Random): void => {
  for (let at = 0; at < into.length; at += 1) into[at] = random() >>> 24;
};

const fillText = (into: Buffer, random: Random): void => {
  for (let at = 0, line = random() % 1000; at < into.length; line += 1) {
    at += into.write(`line ${line}: a disk is a long row of small rooms\n`, at);
  }
};

const fillPattern = (into: Buffer, random: Random): void => {
  const pattern = Buffer.alloc(between(random, 1, 8));
  fillRandom(pattern, random);
  into.fill(pattern);
};

const fillZeros = (into: Buffer): void => {
  into.fill(0);
};

interface Run {
  shortest: number;
  longest: number;
  fill: (into: Buffer, random: Random) => void;
}

// Random runs are short: they are what makes the stored fixtures large.
const runs = {
  zeros: { shortest: 4_000, longest: 200_000, fill: fillZeros },
  text: { shortest: 600, longest: 9_000, fill: fillText },
  pattern: { shortest: 500, longest: 20_000, fill: fillPattern },
  random: { shortest: 100, longest: 700, fill: fillRandom },
} satisfies Record<string, Run>;

const pick = (random: Random): Run => Object.values(runs)[random() % 4] ?? runs.zeros;

const guestContent = (size: number, seed: string): Buffer => {
  const random = mulberry32(hashOfText(seed));
  const guest = Buffer.alloc(size);
  // Starts with text, so that no guest begins with zeros.
  let run: Run = runs.text;
  for (let at = 0; at < size; ) {
    const end = Math.min(size, at + between(random, run.shortest, run.longest));
    run.fill(guest.subarray(at, end), random);
    at = end;
    run = pick(random);
  }
  return guest;
};

const writeAll = (bytes: Buffer): void => {
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
};

const [size = '', seed = '', solidOffset, solidLength] = process.argv.slice(2);
const guest = guestContent(Number(size), seed);
if (solidOffset !== undefined && solidLength !== undefined) {
  const start = Number(solidOffset);
  fillRandom(guest.subarray(start, start + Number(solidLength)), mulberry32(hashOfText(`${seed} solid`)));
}
writeAll(guest);
