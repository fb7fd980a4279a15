/** VMDKs of several files: extents of every kind, the gate before them, what they build on, and a server's (COWD). */

import { Buffer } from 'node:buffer';
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { cowdHeader } from '../../src/formats/vmdk/cowd.ts';
import { checkImage, convert, imageInfo, openImage } from '../../src/index.ts';
import { describeWith, qemuImg, qemuIo } from '../support/native-tools.ts';
import { seededGuest, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const folder = temp('.');
const allowed = { input: { allowPaths: [folder] } };

const descriptor = (extents: string, parent = 'parentCID=ffffffff'): string =>
  `# Disk DescriptorFile\nversion=1\nCID=12345678\n${parent}\ncreateType="custom"\n\n${extents}\n\nddb.adapterType = "ide"\n`;

/** A server's extent with two grains of 4 sectors; the second one is stored first. */
function cowd(capacity: number, grains: readonly (readonly [grain: number, fill: number])[]): Buffer {
  const image = Buffer.alloc((4 + 1 + 32 + grains.length * 4) * 512);
  image.set(
    cowdHeader.encode({
      ...cowdHeader.decode(Buffer.alloc(2048), 0),
      magic: 'COWD',
      version: 1,
      flags: 3,
      capacity,
      grainSize: 4,
      gdOffset: 4,
      directoryEntries: 1,
      freeSector: image.length / 512,
    }),
  );
  image.writeUInt32LE(5, 4 * 512);
  grains.forEach(([grain, fill], index) => {
    const sector = 37 + index * 4;
    image.writeUInt32LE(sector, 5 * 512 + grain * 4);
    image.fill(fill, sector * 512, (sector + 4) * 512);
  });
  return image;
}

const sparseGuest = seededGuest(MiB, 31);
const flatGuest = seededGuest(MiB, 32);
/** The parts of the disk in `mixed.vmdk`, one behind the other. */
const disk = Buffer.concat([
  flatGuest.subarray(512 * 512),
  Buffer.alloc(70 * 512),
  sparseGuest,
  flatGuest.subarray(0, 512),
  Buffer.alloc(2048).fill(0),
  Buffer.alloc(2048).fill(9),
  Buffer.alloc(2048).fill(7),
]);

beforeAll(async () => {
  writeFileSync(temp('flat.bin'), flatGuest);
  writeFileSync(temp('sparse.raw'), sparseGuest);
  await convert(temp('sparse.raw'), temp('sparse.vmdk'), { format: 'vmdk' });
  writeFileSync(
    temp('cow.vmdk'),
    cowd(12, [
      [2, 7],
      [1, 9],
    ]),
  );
  const extents = [
    `RW ${MiB / 512 - 512} FLAT "flat.bin" 512`,
    'RW 70 ZERO',
    `RW ${MiB / 512} SPARSE "sparse.vmdk"`,
    'RW 1 VMFS "flat.bin"',
    'RW 12 VMFSSPARSE "cow.vmdk"',
  ];
  writeFileSync(temp('mixed.vmdk'), descriptor(extents.join('\n')));
});

describe('extents of every kind', () => {
  test.each([1, 3])('are one disk, on %i threads', async (threads) => {
    const raw = temp(`mixed-${threads}.raw`);
    await convert(temp('mixed.vmdk'), raw, { format: 'raw', threads, ...allowed });
    expect(sha256(readFileSync(raw))).toBe(sha256(disk));
  });

  test('are read from any place to any other', async () => {
    await using image = await openImage(temp('mixed.vmdk'), { allowPaths: [folder] });
    expect(image.virtualSize).toBe(disk.length);
    for (const [from, to] of [
      [0, disk.length],
      [MiB - 512 * 512 - 100, MiB - 512 * 512 + 100],
      [disk.length - 5000, disk.length],
    ] as const) {
      const bytes = new Uint8Array(to - from);
      await image.read(bytes, from);
      expect(Buffer.compare(bytes, disk.subarray(from, to))).toBe(0);
    }
  });

  test('are told, and the descriptor alone is sound', async () => {
    await using image = await openImage(temp('mixed.vmdk'), { metadataOnly: true });
    const { data } = imageInfo(image)['format-specific'];
    expect(data.extents).toHaveLength(5);
    expect(image.virtualSize).toBe(disk.length);
    await expect(image.read(new Uint8Array(1), 0)).rejects.toMatchObject({ code: 'needs-data-file' });
    expect((await checkImage(temp('mixed.vmdk'))).findings).toEqual([]);
    expect((await checkImage(temp('cow.vmdk'))).findings).toEqual([]);
  });
});

describe('what is not read', () => {
  const rows = [
    ['../outside.bin', 'RW 8 FLAT "../outside.bin" 0', 'needs-data-file'],
    ['/etc/passwd', 'RW 1 FLAT "/etc/passwd" 0', 'needs-data-file'],
    ['a protocol', 'RW 1 FLAT "nbd://localhost/x" 0', 'needs-data-file'],
    ['no such file', 'RW 8 FLAT "gone.bin" 0', 'needs-data-file'],
    ['more than the file has', `RW ${MiB / 512 + 1} FLAT "flat.bin" 0`, 'truncated'],
    ['more than the header tells', `RW ${MiB / 512 + 1} SPARSE "sparse.vmdk"`, 'bad-header'],
    ['no sparse extent', 'RW 8 SPARSE "flat.bin"', 'wrong-format'],
    ['a descriptor in place of an extent', 'RW 8 SPARSE "mixed.vmdk"', 'wrong-format'],
    ['a device', 'RW 8 VMFSRDM "flat.bin"', 'unsupported-feature'],
    ['no access', 'NOACCESS 8 FLAT "flat.bin" 0', 'unsupported-feature'],
    ['no name', 'RW 8 FLAT', 'bad-header'],
    ['no extent', '# RW 8 ZERO', 'bad-header'],
    ['more bytes than can be', 'RW 9007199254740991 ZERO', 'bad-header'],
  ] as const;
  test.each(rows)('%s', async (name, extents, code) => {
    const path = temp(`bad-${rows.findIndex(([row]) => row === name)}.vmdk`);
    writeFileSync(path, descriptor(extents));
    const error = await openImage(path, { allowPaths: [folder] }).then(
      () => undefined,
      (reason) => reason,
    );
    expect(error).toMatchObject({
      code,
      fileOffset: expect.any(Number),
      message: expect.stringMatching(/\.$/),
    });
  });

  test('an extent that is cut, and whose it is', async () => {
    mkdirSync(temp('cut'));
    for (const file of ['mixed.vmdk', 'flat.bin', 'sparse.vmdk', 'cow.vmdk'])
      copyFileSync(temp(file), temp(`cut/${file}`));
    truncateSync(temp('cut/sparse.vmdk'), 128 * 1024);
    const reading = convert(temp('cut/mixed.vmdk'), temp('cut.raw'), {
      format: 'raw',
      input: { allowPaths: [temp('cut')] },
    });
    await expect(reading).rejects.toMatchObject({
      code: 'truncated',
      message: expect.stringContaining('sparse.vmdk'),
    });
  });

  test('a part of a disk whose descriptor is elsewhere', async () => {
    const part = readFileSync(temp('sparse.vmdk'));
    await expect(openImage(part.fill(0, 28, 44))).rejects.toMatchObject({ code: 'unsupported-feature' });
  });
});

describe('COWD', () => {
  const header = (field: keyof typeof cowdHeader.fields, value: number): Buffer => {
    const image = cowd(12, [[0, 1]]);
    image.writeUInt32LE(value, cowdHeader.fields[field].at);
    return image;
  };
  test.each([
    ['version', 2, 'unsupported-version'],
    ['capacity', 0, 'bad-header'],
    ['grainSize', 3, 'bad-header'],
    ['grainSize', 0, 'bad-header'],
    ['directoryEntries', 0, 'bad-header'],
    ['gdOffset', 1, 'bad-reference'],
    ['gdOffset', 1 << 20, 'truncated'],
  ] as const)('%s %i', async (field, value, code) => {
    await expect(openImage(header(field, value))).rejects.toMatchObject({ code });
  });

  test('is a disk by itself', async () => {
    await using image = await openImage(
      cowd(12, [
        [2, 7],
        [1, 9],
      ]),
    );
    const bytes = new Uint8Array(image.virtualSize);
    await image.read(bytes, 0);
    expect(Buffer.compare(bytes, disk.subarray(-12 * 512))).toBe(0);
    expect(image.notes).toMatchObject([{ code: 'no-descriptor' }]);
  });
});

describeWith(['qemu-img', 'qemu-io'], 'as qemu-img reads and writes them', () => {
  const same = async (path: string): Promise<void> => {
    const [ours, theirs] = [`${path}.ours.raw`, `${path}.theirs.raw`];
    await convert(path, ours, { format: 'raw', ...allowed });
    await qemuImg(['convert', '-f', 'vmdk', '-O', 'raw', path, theirs]);
    expect(sha256(readFileSync(ours))).toBe(sha256(readFileSync(theirs)));
  };

  test.each(['monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat'])('%s', async (subformat) => {
    const path = temp(`${subformat}.vmdk`);
    await qemuImg(['convert', '-O', 'vmdk', '-o', `subformat=${subformat}`, temp('sparse.raw'), path]);
    await same(path);
  });

  test('the bytes on both sides of the border between two extents', async () => {
    const path = temp('large.vmdk');
    await qemuImg(['create', '-q', '-f', 'vmdk', '-o', 'subformat=twoGbMaxExtentSparse', path, '4500M']);
    await qemuIo('vmdk', path, ['write -P 5 2147400k 200k', 'write -P 6 4400M 3k']);
    await using image = await openImage(path, { allowPaths: [folder] });
    expect(image.virtualSize).toBe(4500 * MiB);
    const bytes = new Uint8Array(202 * 1024);
    await image.read(bytes, 2147399 * 1024);
    const expected = new Uint8Array(202 * 1024).fill(5, 1024, 201 * 1024);
    expect(Buffer.compare(bytes, expected)).toBe(0);
    const end = new Uint8Array(3 * 1024);
    await image.read(end, 4400 * MiB);
    expect(end.every((byte) => byte === 6)).toBe(true);
  });

  test('COWD', async () => {
    // qemu-img wants the disk to have whole tables.
    writeFileSync(
      temp('server-delta.vmdk'),
      cowd(16384, [
        [2, 7],
        [1, 9],
      ]),
    );
    const text = descriptor('RW 16384 VMFSSPARSE "server-delta.vmdk"').replace('"custom"', '"vmfsSparse"');
    writeFileSync(temp('server.vmdk'), text);
    const [ours, theirs] = [temp('server.ours.raw'), temp('server.theirs.raw')];
    await convert(temp('server.vmdk'), ours, { format: 'raw', ...allowed });
    await qemuImg(['convert', '-f', 'vmdk', '-O', 'raw', temp('server.vmdk'), theirs]);
    // qemu-img 7.2 shows the only extent of such a disk twice, one behind the other.
    const { length } = readFileSync(ours);
    expect(length).toBe(16384 * 512);
    expect(sha256(readFileSync(ours))).toBe(sha256(readFileSync(theirs).subarray(0, length)));
  });

  test('a snapshot, with the disk on which it builds, as long as that is the same', async () => {
    const [base, top] = [temp('base.vmdk'), temp('top.vmdk')];
    await qemuImg(['convert', '-O', 'vmdk', temp('sparse.raw'), base]);
    await qemuImg(['create', '-q', '-f', 'vmdk', '-F', 'vmdk', '-b', base, top]);
    await qemuIo('vmdk', top, ['write -P 5 100k 200k', 'write -P 6 900k 3k']);
    await same(top);
    await expect(openImage(top)).rejects.toMatchObject({
      code: 'needs-parent',
      message: expect.stringContaining('base.vmdk'),
    });
    // Another number of as many digits: qemu-img writes no zeros before it.
    const text = readFileSync(base, 'latin1').replace(/CID=[0-9a-f]/, (id) =>
      id === 'CID=1' ? 'CID=2' : 'CID=1',
    );
    writeFileSync(base, text, 'latin1');
    await expect(openImage(top, { allowPaths: [folder] })).rejects.toMatchObject({ code: 'bad-chain' });
  });
});
