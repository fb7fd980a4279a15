/** What images say of themselves: qemu-img's keys with qemu-img's values, notes, and VHD's two sizes. */

import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { convert, imageInfo, openImage } from '../../src/index.ts';
import { memorySource } from '../../src/io/memory.ts';
import { fixtureBytes, fixtureNamed, fixtures } from '../support/fixtures.ts';
import { describeWith, qemuFormat, qemuInfo } from '../support/native-tools.ts';
import { sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

const openFixture = (name: string, options = {}) => {
  const fixture = fixtureNamed(name);
  return openImage(memorySource(fixtureBytes(fixture), fixture.file.replace(/\.gz$/, '')), options);
};

describeWith(['qemu-img'], 'info is what qemu-img info says, key by key', () => {
  /** qemu-img takes a fixed VHD for raw unless told, refuses two damaged ones, and sees another size in others. */
  const skipped = (file: string) => /damaged-first/.test(file);
  const common = fixtures.filter(
    ({ expect, format, file }) =>
      expect === 'readable' && ['raw', 'qcow2', 'vhd'].includes(format) && !skipped(file),
  );

  test.each(common)('$file', async (fixture) => {
    const path = temp(fixture.file.replace(/\.gz$/, '').replace('/', '-'));
    writeFileSync(path, fixtureBytes(fixture));
    const theirs = await qemuInfo(qemuFormat(fixture.format), path);
    await using image = await openImage(path);
    const ours = imageInfo(image) as unknown as Record<string, unknown>;

    for (const [key, value] of Object.entries(theirs)) {
      if (key === 'format') expect(qemuFormat(ours.format as string)).toBe(value);
      else if (key === 'format-specific') expectSpecific(ours[key], value);
      else if (key === 'snapshots') expect(ours[key]).toEqual(withoutReplayCount(value));
      else if (key === 'virtual-size') expect(fixture.asQemuSees?.virtualSize ?? ours[key]).toBe(value);
      else expect({ [key]: ours[key] }).toEqual({ [key]: value });
    }
  });

  interface Specific {
    readonly type: string;
    readonly data: Record<string, unknown>;
  }

  function expectSpecific(ours: unknown, theirs: unknown): void {
    const { type, data } = theirs as Specific;
    // qemu-img lists the bitmaps; we count them.
    const { bitmaps, ...rest } = data;
    expect(ours).toMatchObject({ type, data: rest });
    if (bitmaps) expect((ours as Specific).data['bitmap-count']).toBe((bitmaps as unknown[]).length);
  }

  /** `icount` belongs to record and replay of a machine, and has nothing to do with the disk. */
  const withoutReplayCount = (snapshots: unknown) =>
    (snapshots as Record<string, unknown>[]).map(({ icount: _, ...rest }) => rest);
});

describe('info of formats that qemu-img does not describe', () => {
  test('VHD tells its three sizes, and which of them the guest sees', async () => {
    await using image = await openFixture('vhd/creator-vpc');
    expect(imageInfo(image)).toMatchObject({
      'virtual-size': 4_874_240,
      'cluster-size': 2_097_152,
      'format-specific': {
        type: 'vhd',
        data: {
          subformat: 'dynamic',
          creator: 'vpc',
          'current-size': 5_000_192,
          'chs-size': 4_874_240,
          'size-rule': 'chs',
          geometry: { cylinders: 140, heads: 4, 'sectors-per-track': 17 },
          uuid: '6469736b-696d-4720-8000-0123456789ab',
          'time-stamp': 946_684_800,
        },
      },
    });
  });

  test.each([
    ['zvhd/odd-size', { 'original-size': 5_243_392, 'compression-type': 'zlib' }],
    ['zvhd2/odd-size.zlib', { 'original-size': 5_243_392, 'compression-type': 'zlib', 'stored-blocks': 3 }],
    ['zvhd2/odd-size.zstd', { 'original-size': 5_243_392, 'compression-type': 'zstd', 'total-blocks': 3 }],
  ])('%s tells the original size', async (name, data) => {
    await using image = await openFixture(name);
    expect(imageInfo(image)).toMatchObject({
      'virtual-size': 2 ** 30,
      compressed: true,
      'format-specific': {
        data: { ...data, 'current-size': 2 ** 30, 'block-size': 2 ** 21, 'creator-version': '1.4' },
      },
    });
  });
});

describe('notes', () => {
  test.each([
    ['qcow2/dirty', 'dirty', /not closed cleanly/],
    ['qcow2/snapshots', 'snapshots', /2 internal snapshots.*only the active state/],
    ['qcow2/snapshots-v2', 'snapshots', /2 internal snapshots/],
    ['qcow2/snapshots-resized', 'snapshots', /1 internal snapshot /],
    ['vhd/damaged-end-footer', 'spare-footer', /end is damaged; its copy at the start was used/],
    ['vhd/damaged-first-footer', 'spare-footer', /copy of the footer at the start is damaged/],
    ['vhd/damaged-first-cookie', 'spare-footer', /copy of the footer at the start is damaged/],
  ])('%s: %s', async (name, code, message) => {
    await using image = await openFixture(name);
    expect(image.notes).toEqual([{ code, message: expect.stringMatching(message) }]);
    expect(imageInfo(image).notes).toEqual(image.notes);
    const report = await convert(fixtureBytes(fixtureNamed(name)), temp('noted.raw'), { format: 'raw' });
    expect(report.notes).toEqual(image.notes);
  });

  test.each([
    'qcow2/v3',
    'qcow2/unknown-compatible',
    'vhd/dynamic',
    'vhd/short-end-footer',
    'zvhd2/small.zstd',
  ])('%s: none', async (name) => {
    await using image = await openFixture(name);
    expect(image.notes).toEqual([]);
    expect(imageInfo(image)).not.toHaveProperty('notes');
  });
});

describe('VHD, open option size', () => {
  /** Geometry 140/4/17, current size 5000192; the creators differ. */
  test.each([
    ['vhd/creator-vpc', undefined, 4_874_240],
    ['vhd/creator-vpc', 'current', 5_000_192],
    ['vhd/creator-win', undefined, 5_000_192],
    ['vhd/creator-win', 'chs', 4_874_240],
    ['vhd/creator-vpc-max-geometry', undefined, 5_000_192],
  ] as const)('%s, size=%s: %i bytes', async (name, size, virtualSize) => {
    const input = { format: 'vhd', options: { size } } as const;
    await using image = await openFixture(name, input);
    expect(image.virtualSize).toBe(virtualSize);
    const guest = new Uint8Array(virtualSize);
    await image.read(guest, 0);
    const sameView = fixtures.find(
      (fixture) => fixture.file.startsWith('vhd/creator-') && fixture.virtualSize === virtualSize,
    );
    expect(sha256(guest)).toBe(sameView?.guestSha256);
  });

  test('a geometry of more than the table describes is refused', async () => {
    const input = { format: 'vhd', options: { size: 'chs' } } as const;
    await expect(openFixture('vhd/creator-vpc-max-geometry', input)).rejects.toMatchObject({
      code: 'bad-table',
    });
  });
});
