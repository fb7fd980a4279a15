/** New images: empty disks of every format, overlays, and what other tools say of them. */

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { alignUp, GiB, KiB, MiB } from '../src/binary/align.ts';
import { onesComplementSum } from '../src/binary/checksum.ts';
import {
  type CreateImageOptions,
  convert,
  createImage,
  imageInfo,
  type OutputFormat,
  openImage,
} from '../src/index.ts';
import { variations } from './contracts/variations.ts';
import { readGuest, TIMESTAMP, writeImage } from './support/memory-images.ts';
import {
  describeWith,
  qemuFormat,
  qemuImg,
  qemuInfo,
  qemuIo,
  vhdInfo,
  vhdMediaSize,
  vhdSha256,
} from './support/native-tools.ts';
import { seededGuest } from './support/seeded-guest.ts';
import { tempFolder } from './support/temp-folder.ts';

const temp = tempFolder();
const SIZE = 5 * MiB + 1536;
const reproducible = { timestamp: TIMESTAMP };

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe.each(variations)('an empty $name', (variation) => {
  const { format, options } = variation;
  const path = temp(`empty ${variation.name}`);
  const wanted = { format: format.name, options, size: SIZE } as CreateImageOptions;

  it('is a disk of zeros, and the file that a conversion of zeros would be', async () => {
    const report = await createImage(path, { ...wanted, reproducible });
    expect(report).toEqual({
      filename: path,
      format: format.name,
      virtualSize: SIZE,
      fileSize: statSync(path).size,
      notes: [],
    });
    await using image = await openImage(path, { format: format.name });
    expect(image.details.originalSize ?? image.virtualSize).toBe(SIZE);
    expect((await readGuest(image, 0, SIZE)).every((byte) => byte === 0)).toBe(true);
    const { bytes } = await writeImage(variation, new Uint8Array(SIZE));
    expect(sha256(readFileSync(path))).toBe(sha256(bytes));
  });

  it('takes no room for its data', async () => {
    await createImage(path, { ...wanted, size: GiB });
    expect(statSync(path).blocks * 512).toBeLessThan(16 * MiB);
  });

  it('replaces a file, and leaves it when it cannot', async () => {
    writeFileSync(path, 'before');
    await expect(createImage(path, { ...wanted, size: -1 })).rejects.toMatchObject({ code: 'bad-size' });
    expect(readFileSync(path, 'utf8')).toBe('before');
    await createImage(path, wanted);
    expect(statSync(path).size).not.toBe(6);
    expect(readdirSync(temp('.')).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });
});

describe('sizes', () => {
  test('are rounded up where the format must, and noted', async () => {
    const { virtualSize, notes } = await createImage(temp('odd.qcow2'), { format: 'qcow2', size: 1000 });
    expect(virtualSize).toBe(1024);
    expect(notes).toMatchObject([{ code: 'rounded-size' }]);
    expect((await createImage(temp('odd.raw'), { format: 'raw', size: 1000 })).virtualSize).toBe(1000);
  });

  test('must be given', async () => {
    await expect(createImage(temp('a.raw'), { format: 'raw' })).rejects.toMatchObject({ code: 'bad-size' });
  });
});

/** A base of each format that can be one, in a folder of its own. */
const guest = seededGuest(SIZE, 21);
async function makeBase(name: string, output: OutputFormat): Promise<string> {
  mkdirSync(temp('bases'), { recursive: true });
  await convert(guest, temp(`bases/${name}`), { ...output, input: { format: 'raw' } });
  return `bases/${name}`;
}

describe('a qcow2 overlay', () => {
  test.each([
    ['raw', {}],
    ['qcow2', {}],
    ['qcow2', { clusterSize: 512 }],
    ['qcow2', { compat: '0.10' }],
    ['vhd', { clusterSize: 4 * KiB }],
    ['zvhd2', {}],
  ] as const)('over %s with %o shows it', async (format, options) => {
    const base = await makeBase(`base.${format}`, { format });
    const path = temp('overlay.qcow2');
    const backing = { file: base, format };
    const report = await createImage(path, { format: 'qcow2', options, backing });
    expect(report).toMatchObject({ backingFile: base, fileSize: statSync(path).size });
    await using image = await openImage(path, { allowPaths: [temp('bases')] });
    expect(image.details).toMatchObject({ backingFile: base });
    const read = await readGuest(image, 0, SIZE);
    expect(Buffer.compare(read, guest)).toBe(0);
    expect(image.virtualSize).toBe(report.virtualSize);
  });

  test('may be larger or smaller than its base, and rounds up to whole sectors', async () => {
    const file = await makeBase('base.raw', { format: 'raw' });
    for (const size of [MiB, 8 * MiB + 100]) {
      const path = temp('sized.qcow2');
      await createImage(path, { format: 'qcow2', size, backing: { file, format: 'raw' } });
      await using image = await openImage(path, { allowPaths: [temp('bases')] });
      expect(image.virtualSize).toBe(alignUp(size, 512));
      const part = Math.min(size, guest.length);
      expect(Buffer.compare(await readGuest(image, 0, part), guest.subarray(0, part))).toBe(0);
    }
  });

  test('over a file that need not exist wants a size', async () => {
    const backing = { file: '/no/such.raw', format: 'raw', unchecked: true } as const;
    const path = temp('unsafe.qcow2');
    await expect(createImage(path, { format: 'qcow2', backing })).rejects.toMatchObject({ code: 'bad-size' });
    await createImage(path, { format: 'qcow2', backing, size: MiB });
    await using image = await openImage(path, { metadataOnly: true });
    expect(imageInfo(image)).toMatchObject({
      'virtual-size': MiB,
      'backing-filename': '/no/such.raw',
      'backing-filename-format': 'raw',
    });
  });

  test.each([
    ['a base that is not there', { file: 'none.raw', format: 'raw' }, {}, 'not-found'],
    ['a base of another format', { file: 'bases/base.raw', format: 'qcow2' }, {}, 'wrong-format'],
    ['a protocol', { file: 'nbd://host/disk', format: 'raw' }, {}, 'bad-option'],
    ['json:', { file: 'json:{"driver":"raw"}', format: 'raw' }, {}, 'bad-option'],
    ['itself', { file: 'self.qcow2', format: 'qcow2' }, {}, 'same-file'],
    [
      'a name that does not fit',
      { file: `${'../'.repeat(140)}x`, format: 'raw', unchecked: true },
      { options: { clusterSize: 512 }, size: MiB },
      'bad-option',
    ],
    ['an empty name', { file: '', format: 'raw', unchecked: true }, { size: MiB }, 'bad-option'],
  ] as const)('is refused over %s', async (_, backing, rest, code) => {
    await makeBase('base.raw', { format: 'raw' });
    await createImage(temp('self.qcow2'), { format: 'qcow2', size: MiB });
    const attempt = createImage(temp('self.qcow2'), { format: 'qcow2', backing, ...rest });
    await expect(attempt).rejects.toMatchObject({ code, hint: expect.any(String) });
  });

  test.each(['raw', 'zvhd', 'zvhd2'] as const)('is not one of %s', async (format) => {
    const backing = { file: await makeBase('base.raw', { format: 'raw' }), format: 'raw' } as const;
    await expect(createImage(temp('x'), { format, backing })).rejects.toMatchObject({ code: 'bad-option' });
  });
});

describe('a differencing VHD', () => {
  const child = temp('child.vhd');
  const make = async (subformat: 'dynamic' | 'fixed') => {
    const file = await makeBase(`parent ${subformat}.vhd`, { format: 'vhd', options: { subformat } });
    await createImage(child, { format: 'vhd', backing: { file, format: 'vhd' } });
    return file;
  };

  test.each(['dynamic', 'fixed'] as const)('over a %s one shows it', async (subformat) => {
    await make(subformat);
    await using image = await openImage(child, { allowPaths: [temp('bases')] });
    expect(image.virtualSize).toBe(SIZE);
    expect(Buffer.compare(await readGuest(image, 0, SIZE), guest)).toBe(0);
  });

  test('has checksums that hold, and names its parent by path, name, UUID and time', async () => {
    const file = await make('dynamic');
    const bytes = readFileSync(child);
    const copy = bytes.subarray(0, 512);
    const header = bytes.subarray(512, 1536);
    expect(bytes.subarray(-512).equals(copy)).toBe(true);
    expect(copy.readUInt32BE(60)).toBe(4);
    expect(onesComplementSum(copy, 64)).toBe(copy.readUInt32BE(64));
    expect(onesComplementSum(header, 36)).toBe(header.readUInt32BE(36));
    const parent = readFileSync(temp(file));
    expect(header.subarray(40, 56).equals(parent.subarray(68, 84))).toBe(true);
    const modified = Math.floor(statSync(temp(file)).mtimeMs / 1000);
    expect(header.readUInt32BE(56) + Date.UTC(2000, 0) / 1000).toBe(modified);
    expect(
      Buffer.from(header.subarray(64, 64 + 36))
        .swap16()
        .toString('utf16le'),
    ).toBe('parent dynamic.vhd');
    expect(header.toString('latin1', 576, 580)).toBe('W2ru');
    const [length, offset] = [header.readUInt32BE(584), Number(header.readBigUInt64BE(592))];
    expect(bytes.toString('utf16le', offset, offset + length)).toBe('.\\bases\\parent dynamic.vhd');
    expect(bytes.length % 512).toBe(0);
  });

  test('with an absolute path has that alone', async () => {
    const file = temp(await makeBase('parent.vhd', { format: 'vhd' }));
    await createImage(child, { format: 'vhd', backing: { file, format: 'vhd' } });
    const bytes = readFileSync(child);
    expect(bytes.toString('latin1', 512 + 576, 512 + 580)).toBe('W2ku');
    await using image = await openImage(child, { allowPaths: [temp('bases')] });
    expect(Buffer.compare(await readGuest(image, 0, SIZE), guest)).toBe(0);
  });

  test.each([
    ['over another format', { file: 'bases/base.raw', format: 'raw' }, {}, 'bad-option'],
    [
      'over a parent that was not opened',
      { file: 'p.vhd', format: 'vhd', unchecked: true },
      {},
      'bad-option',
    ],
    ['of another size', { file: 'bases/parent.vhd', format: 'vhd' }, { size: 8 * MiB }, 'bad-size'],
    [
      'that is fixed',
      { file: 'bases/parent.vhd', format: 'vhd' },
      { options: { subformat: 'fixed' } },
      'bad-option',
    ],
  ] as const)('is refused %s', async (_, backing, rest, code) => {
    await makeBase('base.raw', { format: 'raw' });
    await makeBase('parent.vhd', { format: 'vhd' });
    const attempt = createImage(temp('x.vhd'), { format: 'vhd', size: SIZE, backing, ...rest });
    await expect(attempt).rejects.toMatchObject({ code });
  });
});

const forQemu = variations.filter(({ format }) => ['raw', 'qcow2', 'vhd'].includes(format.name));

describeWith(['qemu-img', 'qemu-io'], 'by qemu-img', () => {
  test.each(forQemu)('an empty $name is sound', async ({ name, format, options }) => {
    const path = temp(`qemu ${name}`);
    await createImage(path, { format: format.name, options, size: SIZE } as CreateImageOptions);
    expect((await qemuInfo(qemuFormat(format.name), path))['virtual-size']).toBe(SIZE);
    if (format.name === 'qcow2') await qemuImg(['check', '-q', path]);
    await qemuIo(qemuFormat(format.name), path, ['read -P 0 0 5M', 'write -P 7 1M 4k', 'read -P 7 1M 4k']);
    await using image = await openImage(path, { format: format.name });
    expect((await readGuest(image, MiB, MiB + 4 * KiB)).every((byte) => byte === 7)).toBe(true);
  });

  test.each([
    ['raw', '1.1', 64 * KiB],
    ['qcow2', '0.10', 512],
    ['vhd', '1.1', 4 * KiB],
  ] as const)('an overlay over %s, compat=%s', async (format, compat, clusterSize) => {
    const file = await makeBase(`base.${format}`, { format });
    const path = temp('over.qcow2');
    const options = { compat, clusterSize };
    await createImage(path, { format: 'qcow2', options, backing: { file, format } });
    await qemuImg(['check', '-q', path]);
    expect(await qemuInfo('qcow2', path)).toMatchObject({
      'virtual-size': alignUp(SIZE, 512),
      'backing-filename': file,
      'full-backing-filename': temp(file),
      'backing-filename-format': qemuFormat(format),
    });
    const compared = ['compare', '-f', 'qcow2', '-F', qemuFormat(format), path, temp(file)];
    expect(await qemuImg(compared)).toContain('identical');
    await qemuIo('qcow2', path, ['write -P 9 100k 3k']);
    await qemuImg(['check', '-q', path]);
  });

  test('knows a differencing VHD as one of its size', async () => {
    const file = await makeBase('parent.vhd', { format: 'vhd' });
    await createImage(temp('diff.vhd'), { format: 'vhd', backing: { file, format: 'vhd' } });
    expect(await qemuInfo('vpc', temp('diff.vhd'))).toMatchObject({ 'virtual-size': SIZE });
  });
});

describeWith(['vhdiinfo', 'pyvhdi'], 'by libvhdi', () => {
  test.each(['dynamic', 'fixed'] as const)('an empty %s VHD is zeros', async (subformat) => {
    const path = temp(`libvhdi ${subformat}.vhd`);
    await createImage(path, { format: 'vhd', options: { subformat }, size: SIZE });
    expect(await vhdMediaSize(path)).toBe(SIZE);
    expect(await vhdSha256(path)).toBe(sha256(new Uint8Array(SIZE)));
  });

  test('a child names its parent, and shows it', async () => {
    const file = await makeBase('parent.vhd', { format: 'vhd' });
    const path = temp('libvhdi child.vhd');
    await createImage(path, { format: 'vhd', backing: { file, format: 'vhd' } });
    const info = await vhdInfo(path);
    expect(info).toMatch(/Disk type\s*: Differential/);
    expect(info).toMatch(/Parent filename\s*: .*parent\.vhd/);
    const parent = await vhdInfo(temp(file));
    const identifier = /\tIdentifier\s*: ([0-9a-f-]+)/.exec(parent)?.[1];
    expect(info).toMatch(new RegExp(`Parent identifier\\s*: ${identifier}`));
    expect(await vhdSha256(path, temp(file))).toBe(sha256(guest));
  });
});
