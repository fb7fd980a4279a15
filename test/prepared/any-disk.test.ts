/** Prepared outputs of any disk, cut anywhere, stopped anywhere: always the same file. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KiB } from '../../src/binary/align.ts';
import { type PrepareOptions, prepare } from '../../src/prepare.ts';
import type { FoundPart, Part } from '../../src/prepared/output.ts';
import { variations } from '../contracts/variations.ts';
import { difference, type GuestDisk, guestDisk } from '../support/guest-disks.ts';
import { TIMESTAMP } from '../support/memory-images.ts';

interface Case {
  readonly disk: GuestDisk;
  readonly options: PrepareOptions;
  readonly partSize: number;
  /** How far an earlier run has come, and which of its parts were lost. */
  readonly stop: number;
  readonly lost: ReadonlySet<number>;
}

const anyCase: fc.Arbitrary<Case> = fc
  .record({
    disk: guestDisk,
    variation: fc.constantFrom(...variations.filter(({ format }) => format.name !== 'raw')),
    partSize: fc.integer({ min: 64 * KiB, max: 700 * KiB }),
    stop: fc.nat(40),
    lost: fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { maxLength: 4 }),
    scan: fc.constantFrom('metadata' as const, 'data' as const),
  })
  .map(({ disk, variation, partSize, stop, lost, scan }) => {
    const { format, options } = variation;
    const asked = { format: format.name, options, scan, reproducible: { timestamp: TIMESTAMP } };
    return {
      disk,
      options: { ...asked, input: { format: 'raw' }, threads: 1 } as PrepareOptions,
      partSize,
      stop,
      lost: new Set(lost),
    };
  });

async function readUpTo(
  parts: AsyncIterable<Part>,
  stop: number,
): Promise<Map<number, Part & { bytes: Uint8Array }>> {
  const made = new Map<number, Part & { bytes: Uint8Array }>();
  if (stop === 0) return made;
  for await (const part of parts) {
    made.set(part.number, { ...part, bytes: await part.read() });
    if (made.size === stop) break;
  }
  return made;
}

describe('any disk', () => {
  it('is the same file in parts, as a stream, and after a restart', async () => {
    await fc.assert(
      fc.asyncProperty(anyCase, async ({ disk, options, partSize, stop, lost }) => {
        await using output = await prepare(disk.bytes, options);
        const chunks: Uint8Array[] = [];
        for await (const chunk of output.stream()) chunks.push(chunk);
        const file = Buffer.concat(chunks);

        const before = await readUpTo(output.parts(partSize), stop);
        const found: FoundPart[] = [...before.values()].map((part) => ({
          start: part.start,
          found: part.found ?? '',
        }));
        const skip = new Set([...before.keys()].filter((number) => !lost.has(number)));
        await using again = await prepare(disk.bytes, {
          plan: output.plan,
          input: { format: 'raw' },
          threads: 1,
        });
        const after = await readUpTo(again.parts(partSize, { found, skip }), Infinity);

        const all = new Map([...before, ...after]);
        expect([...all.keys()].toSorted((a, b) => a - b)).toEqual(Array.from(all, (_, index) => index + 1));
        const inOrder = [...all.values()].toSorted((a, b) => a.number - b.number);
        expect(difference(Buffer.concat(inOrder.map(({ bytes }) => bytes)), file)).toBeUndefined();
        for (const number of after.keys()) expect(skip.has(number)).toBe(false);
      }),
      { numRuns: 60 },
    );
  }, 120_000);
});
