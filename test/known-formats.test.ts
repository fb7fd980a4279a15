/** What is known by sight: refused by its name, or read as raw with a word on what it is. */

import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { openImage } from '../src/index.ts';

const disk = (...parts: readonly (readonly [at: number, text: string])[]): Buffer => {
  const bytes = Buffer.alloc(40_960);
  for (const [at, text] of parts) bytes.write(text, at, 'latin1');
  return bytes;
};

describe('refused by name', () => {
  it.each([
    ['Parallels', disk([0, 'WithoutFreeSpace'])],
    ['Parallels', disk([0, 'WithouFreSpacExt'])],
    ['cloop', disk([0, '#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0'])],
    ['Bochs', disk([0, 'Bochs Virtual HD Image'])],
    ['ASIF', disk([0, 'shdw'])],
    ['DMG', disk([40_960 - 512, 'koly'])],
    ['OVA', disk([0, 'machine.ovf\0'], [257, 'ustar'])], // with a header that is none of tar
  ])('%s', async (name, bytes) => {
    await expect(openImage(bytes)).rejects.toMatchObject({
      code: 'unsupported-feature',
      message: expect.stringContaining(name),
      hint: expect.stringContaining('-f raw'),
    });
    await using image = await openImage(bytes, { format: 'raw' });
    expect(image.virtualSize).toBe(bytes.length);
  });
});

describe('raw, with a word', () => {
  it('ISO', async () => {
    await using image = await openImage(disk([32_769, 'CD001']));
    expect(image).toMatchObject({ format: 'raw', notes: [{ code: 'iso' }] });
  });

  it('a tar archive of something else is the bytes of a disk', async () => {
    await using image = await openImage(disk([0, 'notes.txt\0'], [257, 'ustar']));
    expect(image).toMatchObject({ format: 'raw', notes: [] });
  });
});
