/** Synthetic disks: filled to some part, and a very large one that is nearly empty. */

import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { GiB, KiB, MiB, TiB } from '../../src/binary/align.ts';
import { contentStream, GRANULE, randomStream } from '../content.ts';

/** Bytes that are made and written at a time. */
const CHUNK = 4 * MiB;

/**
 * A raw disk of which `percent` of the granules hold data, the others zeros. The zeros are written too: finding
 * them takes reading them.
 */
export function writeFill(path: string, size: number, percent: number, seed: number): void {
  const content = contentStream(seed);
  const chance = randomStream(seed + 1);
  const chunk = new Uint8Array(CHUNK);
  withNewFile(path, (fd) => {
    for (let at = 0; at < size; at += CHUNK) {
      chunk.fill(0);
      for (let granule = 0; granule < CHUNK; granule += GRANULE) {
        const isFilled = chance.below(100) < percent;
        if (isFilled) content.fill(chunk.subarray(granule, granule + GRANULE));
      }
      writeSync(fd, chunk, 0, Math.min(CHUNK, size - at), at);
    }
  });
}

/** Size of the nearly empty disk, and what it holds: 50 runs of 2 MiB at multiples of 64 KiB. */
const SPARSE_SIZE = TiB;
const SPARSE_RUNS = 50;
const SPARSE_RUN = 2 * MiB;

/** A raw disk of 1 TiB with 100 MB of data scattered over it, holes between them. */
export function writeSparse(path: string, seed: number): void {
  const content = contentStream(seed);
  const chance = randomStream(seed + 1);
  const run = new Uint8Array(SPARSE_RUN);
  withNewFile(path, (fd) => {
    ftruncateSync(fd, SPARSE_SIZE);
    const stretch = SPARSE_SIZE / SPARSE_RUNS;
    for (let index = 0; index < SPARSE_RUNS; index++) {
      content.fill(run);
      const slack = Math.floor((stretch - GiB) / (64 * KiB));
      const at = Math.floor((index * stretch) / (64 * KiB) + chance.below(slack)) * 64 * KiB;
      writeSync(fd, run, 0, run.length, at);
    }
  });
}

/** Of each 64 MiB, 16 MiB in the middle hold data. */
const QUARTER_STRETCH = 64 * MiB;

/** A sparse raw disk, a quarter of it filled. */
export function writeQuarter(path: string, size: number, seed: number): void {
  const content = contentStream(seed);
  const run = new Uint8Array(QUARTER_STRETCH / 4);
  withNewFile(path, (fd) => {
    ftruncateSync(fd, size);
    for (let at = QUARTER_STRETCH / 4; at < size; at += QUARTER_STRETCH) {
      content.fill(run);
      writeSync(fd, run, 0, run.length, at);
    }
  });
}

function withNewFile(path: string, write: (fd: number) => void): void {
  const fd = openSync(path, 'w');
  try {
    write(fd);
  } finally {
    closeSync(fd);
  }
}
