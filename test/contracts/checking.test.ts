/** What every writer writes checks clean, and what is cut off does not. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkImage, formats } from '../../src/index.ts';
import { guestDisk } from '../support/guest-disks.ts';
import { writeImage } from '../support/memory-images.ts';
import { variations } from './variations.ts';

const runs = { seed: 20_240_604, numRuns: 8 };

it('every format has a check', () => {
  expect(formats.filter(({ check }) => check === undefined)).toEqual([]);
});

describe.each(variations)('$name', (variation) => {
  const format = variation.format.name;

  it('checks clean as it is written', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, fc.boolean(), async (disk, data) => {
        const { bytes } = await writeImage(variation, disk.bytes);
        // Noise on a raw disk may look like a partition table.
        const { findings, ...check } = await checkImage(bytes, { format, data });
        expect(findings.filter(({ severity }) => severity !== 'warning')).toEqual([]);
        if (format !== 'raw') expect(findings).toEqual([]);
        expect(check['check-errors']).toBe(0);
        expect(check['image-end-offset'] ?? 0).toBeLessThanOrEqual(
          Math.ceil(bytes.length / 2 ** 21) * 2 ** 21,
        );
      }),
      runs,
    ));

  if (format === 'raw') return; // what is left of a raw disk is one too
  it('is not clean, or no image any more, when its end is missing', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, fc.double({ min: 0, max: 0.99, noNaN: true }), async (disk, share) => {
        const { bytes } = await writeImage(variation, disk.bytes);
        const part = bytes.subarray(0, Math.floor(bytes.length * share));
        const verdict = await checkImage(part, { format }).then(
          ({ corruptions = 0 }) => (corruptions > 0 ? 'corrupt' : 'clean'),
          () => 'refused',
        );
        expect(verdict).not.toBe('clean');
      }),
      runs,
    ));
});
