/** Finding zeros: in blocks that are zero, in blocks that are not, and in steps. */

import { KiB, MiB } from '../../src/binary/align.ts';
import { dataRuns, isZero } from '../../src/io/zeros.ts';
import { contentStream, GRANULE } from '../content.ts';
import { measure } from '../timing.ts';

const zeros = new Uint8Array(4 * MiB);
const data = new Uint8Array(4 * MiB);
contentStream(1).fill(data);
const half = data.slice();
for (let at = 0; at < half.length; at += 2 * GRANULE) half.fill(0, at, at + GRANULE);

const work = { amount: zeros.length, unit: 'B' };

/** Asks for each block of 64 KiB, as a conversion to qcow2 does. */
function countZeroBlocks(bytes: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at += GRANULE) {
    if (isZero(bytes.subarray(at, at + GRANULE))) count += 1;
  }
  return count;
}

await measure('isZero, 4 MiB of zeros', work, () => isZero(zeros));
await measure('isZero, blocks of 64 KiB, all zero', work, () => countZeroBlocks(zeros));
await measure('isZero, blocks of 64 KiB, half of them zero', work, () => countZeroBlocks(half));
await measure('isZero, blocks of 64 KiB, none zero', work, () => countZeroBlocks(data));
for (const step of [512, 4 * KiB, 64 * KiB]) {
  await measure(`dataRuns in steps of ${step}, all zero`, work, () => [...dataRuns(zeros, step)]);
  await measure(`dataRuns in steps of ${step}, half zero`, work, () => [...dataRuns(half, step)]);
}
