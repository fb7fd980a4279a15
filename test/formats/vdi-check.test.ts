/** What a check finds in a VDI of which one field is wrong; and differencing images, which tell their parent by UUID only. */

import { Buffer } from 'node:buffer';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { checkImage, openImage } from '../../src/index.ts';
import { fixtureBytes, fixtureNamed, fixtures } from '../support/fixtures.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { testFindings } from './check-pokes.ts';
import { le32, type Poke } from './poke.ts';

const MAP = 512;
const entry = (block: number, place: number): Poke => le32(MAP + block * 4, place);

describe('check', () => {
  testFindings('vdi', () => fixtureBytes(fixtureNamed('vdi/any-order')), [
    ['block count', 'too few', le32(384, 12), 'corruption', 'bad-header'],
    ['image type', 'undo', le32(76, 3), 'corruption', 'bad-header'],
    ['stored blocks', 'one more', le32(388, 5), 'corruption', 'bad-table'],
    ['entry', 'past the end', entry(0, 400), 'corruption', 'past-end'],
    ['entry', 'that of another block', entry(0, 0), 'corruption', 'overlap'],
    ['disk size', 'no whole sectors', le32(368, 13 * MiB - 1), 'warning', 'bad-header'],
  ]);

  testFindings(
    'vdi',
    () => fixtureBytes(fixtureNamed('vdi/any-order')),
    [['map offset', 'in the data', le32(340, 1024), 'corruption', 'overlap']],
    { beside: ['past-end', 'bad-table'] },
  );

  it.each(fixtures.filter(({ format }) => format === 'vdi'))('$file is sound', async (fixture) => {
    const check = await checkImage(fixtureBytes(fixture), { format: 'vdi' });
    expect(check.findings).toEqual([]);
  });
});

describe('a differencing image', () => {
  const path = tempFolder();
  const parent = Buffer.from(fixtureBytes(fixtureNamed('vdi/any-order')));
  /** Its own: block 9, and zeros in place of block 12; all else is its parent's. */
  function childOf(uuid: Uint8Array): Buffer {
    const child = Buffer.from(parent.subarray(0, 1024 + MiB));
    child.fill(0xff, MAP, MAP + 13 * 4);
    child.writeUInt32LE(0, MAP + 9 * 4);
    child.writeUInt32LE(0xfffffffe, MAP + 12 * 4);
    child.writeUInt32LE(4, 76);
    child.writeUInt32LE(1, 388);
    child.set(uuid, 424);
    child.fill(7, 1024);
    return child;
  }
  const uuid = parent.subarray(392, 408);
  const open = async (child: Buffer, name = 'base.vdi') => {
    writeFileSync(path('base.vdi'), parent);
    writeFileSync(path('child.vdi'), child);
    return openImage(path('child.vdi'), {
      format: 'vdi',
      options: { parent: name },
      allowPaths: [path('.')],
    });
  };

  it('shows its parent where it has nothing', async () => {
    const disk = Buffer.alloc(13 * MiB);
    await using base = await openImage(parent);
    await base.read(disk, 0);
    disk.fill(7, 9 * MiB, 10 * MiB);
    disk.fill(0, 12 * MiB);
    await using image = await open(childOf(uuid));
    const bytes = new Uint8Array(image.virtualSize);
    await image.read(bytes, 0);
    expect(Buffer.compare(bytes, disk)).toBe(0);
  });

  it('is refused without its parent, and says which one that is', async () => {
    await expect(openImage(childOf(uuid), { format: 'vdi' })).rejects.toMatchObject({
      code: 'needs-parent',
      hint: expect.stringContaining('-o parent=FILE'),
    });
  });

  it('is refused with another parent', async () => {
    const other = Buffer.from(uuid).fill(1, 0, 4);
    await expect(open(childOf(other))).rejects.toMatchObject({ code: 'bad-chain' });
  });

  it('is refused where the folder is not allowed', async () => {
    await expect(open(childOf(uuid), '../base.vdi')).rejects.toMatchObject({ code: 'needs-parent' });
  });
});
