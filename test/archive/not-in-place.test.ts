/** What is packed is read, and never changed or built on: the file is not the image. */

import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { KiB } from '../../src/binary/align.ts';
import { createImage, openImage, resizeImage } from '../../src/index.ts';
import { tarOf } from '../support/ova.ts';
import { seededGuest } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const disk = seededGuest(64 * KiB, 91);
const packed = ['disk.raw.gz', 'machine.ova'] as const;

beforeAll(() => {
  writeFileSync(temp('disk.raw.gz'), gzipSync(disk));
  writeFileSync(temp('machine.ova'), tarOf(temp('.'), { 'disk.raw': disk }));
});

describe.each(packed)('%s', (name) => {
  it('does not grow', async () => {
    const before = readFileSync(temp(name));
    await expect(resizeImage(temp(name), { growBy: 4096 })).rejects.toMatchObject({
      code: 'unsupported-feature',
      message: expect.stringContaining('cannot be changed in place'),
    });
    expect(readFileSync(temp(name)).equals(before)).toBe(true);
  });

  it('is no backing file', async () => {
    const backing = { file: name, format: 'raw' } as const;
    await expect(createImage(temp('overlay.qcow2'), { format: 'qcow2', backing })).rejects.toMatchObject({
      code: 'unsupported-feature',
      message: expect.stringContaining('cannot be built on'),
    });
  });
});

it('a backing file that turns out to be an OVA is refused, not read as raw', async () => {
  writeFileSync(temp('base'), tarOf(temp('.'), { 'm.ovf': '<Envelope/>', 'disk.raw': disk }));
  await createImage(temp('above.qcow2'), {
    format: 'qcow2',
    size: disk.length,
    backing: { file: 'base', format: 'qcow2', unchecked: true },
  });
  const bytes = readFileSync(temp('above.qcow2'));
  // Without the name of its format, the backing file's bytes tell.
  const at = bytes.indexOf('qcow2', 104, 'latin1');
  bytes.writeUInt32BE(0, at - 4);
  bytes.writeUInt32BE(0, at - 8);
  writeFileSync(temp('above.qcow2'), bytes);
  await expect(openImage(temp('above.qcow2'), { allowPaths: [temp('.')] })).rejects.toMatchObject({
    code: 'unsupported-feature',
    message: expect.stringContaining('OVA'),
  });
});
