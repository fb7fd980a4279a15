/** Logical volumes of LVM2, on physical ones that lvm2 made, and on broken ones. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import type { Findings } from '../../src/inspect/findings.ts';
import { openLogicalVolumes } from '../../src/inspect/lvm/index.ts';
import { openPhysicalVolume } from '../../src/inspect/lvm/label.ts';
import { parseMetadata } from '../../src/inspect/lvm/metadata-text.ts';
import { EXTENT, FIRST_EXTENT, physicalVolume } from '../support/lvm-disk.ts';
import { memoryVolume } from '../support/volumes.ts';

const noFindings = (): Findings => ({ notes: [], notLookedAt: [] });
const pv0 = physicalVolume('pv0');
const pv1 = physicalVolume('pv1');
/** Every extent begins with its volume and number. */
for (const [number, bytes] of [pv0, pv1].entries())
  for (let extent = 0; extent < 15; extent++) bytes.set([number, extent], FIRST_EXTENT + extent * EXTENT);

describe('volumes of LVM2', () => {
  it('are found, and mapped over their physical ones', async () => {
    const findings = noFindings();
    const volumes = [pv1, pv0].map((bytes) => memoryVolume(bytes));
    const [root, swap, ...others] = await openLogicalVolumes(volumes, findings);
    expect(others).toEqual([]);
    expect(root).toMatchObject({ name: 'vg-0/root', volume: { size: 16 * EXTENT }, first: volumes[1] });
    expect(swap).toMatchObject({ name: 'vg-0/swap', volume: { size: 2 * EXTENT } });
    for (const [extent, expected] of [
      [0, [0, 0]],
      [9, [0, 9]],
      [10, [1, 0]],
      [15, [1, 5]],
    ] as const)
      expect(await root?.volume.read(extent * EXTENT, 2)).toEqual(new Uint8Array(expected));
    expect(await swap?.volume.read(EXTENT, 2)).toEqual(new Uint8Array([0, 11]));
    const across = await root?.volume.read(10 * EXTENT - 3, 5);
    expect([...(across ?? [])]).toEqual([0, 0, 0, 1, 0]);
    await expect(root?.volume.read(16 * EXTENT - 1, 2)).rejects.toMatchObject({ code: 'bad-reference' });
    expect(findings.notes).toEqual([]);
    expect(findings.notLookedAt).toEqual([
      {
        what: 'the logical volume vg-0/wide',
        why: 'It is not linear, but of the type "striped" with 2 stripes.',
      },
    ]);
  });

  it('are not all there when a physical one is not', async () => {
    const findings = noFindings();
    const found = await openLogicalVolumes([memoryVolume(pv0)], findings);
    expect(found.map(({ name }) => name)).toEqual(['vg-0/swap']);
    expect(findings.notLookedAt[0]).toEqual({
      what: 'the logical volume vg-0/root',
      why: 'Its physical volume "pv1" is not on this disk.',
    });
  });

  it('read little', async () => {
    const volumes = [memoryVolume(pv0), memoryVolume(pv1)];
    await openLogicalVolumes(volumes, noFindings());
    expect(volumes.reduce((sum, { readBytes }) => sum + readBytes, 0)).toBeLessThan(32 * 1024);
  });

  it('notice every wrong byte of the label and the metadata', async () => {
    const text = (await openPhysicalVolume(memoryVolume(pv0))).text ?? '';
    expect(text).toContain('vg-0 {');
    const textAt = Buffer.from(pv0).indexOf(text);
    for (const at of [512 + 30, 512 + 40, 4096 + 30, 4096 + 44, textAt + 3, textAt + text.length - 2]) {
      const bytes = pv0.slice();
      bytes[at] = (bytes[at] as number) ^ 4;
      await expect(openPhysicalVolume(memoryVolume(bytes))).rejects.toBeInstanceOf(ImageError);
    }
    await expect(openPhysicalVolume(memoryVolume(new Uint8Array(2048)))).rejects.toMatchObject({
      code: 'bad-header',
    });
  });
});

describe('metadata as text', () => {
  it('has values, lists and sections', () => {
    const parsed = parseMetadata(
      '# comment\na = 1 b="x \\"y\\" # no" c = ["p", 2, []]\nd { e { f = -3 } }\n\0garbage "',
    );
    expect(Object.fromEntries(parsed.values)).toEqual({ a: 1, b: 'x "y" # no', c: ['p', 2, []] });
    expect(parsed.sections.get('d')?.sections.get('e')?.values.get('f')).toBe(-3);
  });

  it('that is broken is an error', () => {
    for (const text of [
      'a',
      'a =',
      'a = [1',
      'a {',
      '}',
      'a = {',
      '= 1',
      'a = "x',
      'a { b { ] } }',
      'a = ]',
      '\x01',
      'a{'.repeat(50),
      `a = ${'['.repeat(50)}`,
    ])
      expect(() => parseMetadata(text), text).toThrow(expect.objectContaining({ code: 'bad-table' }));
  });

  it('of any kind ends', () => {
    const pieces = fc.array(
      fc.constantFrom('a', ' = ', '{', '}', '[', ']', ',', '"', '1', '\n', '#', '\\', 'seg'),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        try {
          parseMetadata(parts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
        }
      }),
    );
  });

  it('that contradicts itself makes no volume', async () => {
    const changes: readonly (readonly [RegExp, string])[] = [
      [/segment_count = 2/, 'segment_count = 9'],
      [/start_extent = 10/, 'start_extent = 11'],
      [/extent_count = 10/, 'extent_count = 90'],
      [/"pv0", 0\n/, '"pv7", 0\n'],
      [/extent_size = 8192/, 'extent_size = "a"'],
      [/pe_start = 2048/g, 'pe_start = -208'],
    ];
    const original = (await openPhysicalVolume(memoryVolume(pv0))).text ?? '';
    for (const [pattern, by] of changes) {
      const text = original.replace(pattern, by);
      expect(text).not.toBe(original);
      const findings = noFindings();
      const found = await openLogicalVolumes(
        [withText(pv0, text), withText(pv1, text)].map((b) => memoryVolume(b)),
        findings,
      );
      expect(found.map(({ name }) => name)).not.toContain('vg-0/root');
      expect(findings.notes[0], by).toMatchObject({ code: 'damaged-content', severity: 'error' });
    }
  });
});

/** The same volume with another text, as if lvm2 had written it. */
function withText(volume: Uint8Array, text: string): Uint8Array {
  const bytes = volume.slice();
  const encoded = new TextEncoder().encode(text);
  const view = new DataView(bytes.buffer);
  bytes.set(encoded, 4096 + 512);
  view.setBigUint64(4096 + 40, 512n, true);
  view.setBigUint64(4096 + 48, BigInt(encoded.length), true);
  view.setUint32(4096 + 56, lvmCrc(encoded), true);
  view.setUint32(4096, lvmCrc(bytes.subarray(4096 + 4, 4096 + 512)), true);
  return bytes;
}

/** Bit by bit, as a judge of the table that the reader has. */
function lvmCrc(bytes: Uint8Array): number {
  let crc = 0xf597a6cf;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return crc >>> 0;
}
