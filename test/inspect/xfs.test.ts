/** xfs as `mkfs.xfs -p` makes it, of every kind that a reader can meet, one that Linux wrote, and broken ones. */

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { type FileNode, type FileTree, fileTree } from '../../src/inspect/file-tree.ts';
import type { Volume } from '../../src/inspect/volume.ts';
import { openXfs } from '../../src/inspect/xfs/index.ts';
import { fixtureBytes } from '../support/fixtures.ts';
import { describeWith, run } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { type CountedVolume, fileVolume, memoryVolume } from '../support/volumes.ts';

const temp = tempFolder();

const BIG = Uint8Array.from({ length: 700_001 }, (_, index) => (index * 31 + (index >> 8)) % 251);
/** Too long for an inode of 256 bytes. mkfs.xfs 6.1 leaves the headers out of longer ones, with version 5. */
const LONG_LINK = `${'x/../'.repeat(40)}etc/os-release`;
/** Directories of one block, of several, of so many that their extents fill a tree, and with gaps of all sizes. */
const DIRECTORIES = { few: 20, some: 300, many: 1300, mixed: 900 } as const;
const nameIn = (directory: string, index: number): string =>
  `${directory}-${'n'.repeat(directory === 'mixed' ? (index * index) % 61 : 180)}-${index}`;

/** The description of a filesystem that mkfs.xfs takes (its manual page, "-p"). */
function prototype(): string {
  const folder = temp('files');
  mkdirSync(folder);
  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(`${folder}/${name}`, content);
    return `${folder}/${name}`;
  };
  const small = file('small', 'small');
  const directories = Object.entries(DIRECTORIES).flatMap(([name, count]) => [
    `${name} d--755 0 0`,
    ...Array.from({ length: count }, (_, index) => `${nameIn(name, index)} ---644 0 0 ${small}`),
    '$',
  ]);
  const lines = [
    '/boot',
    '0 0',
    'd--755 0 0',
    'etc d--755 0 0',
    'os-release l--777 0 0 ../usr/lib/os-release',
    `nothing ---644 0 0 ${file('nothing', '')}`,
    '$',
    'usr d--755 0 0',
    'lib d--755 0 0',
    `os-release ---644 0 0 ${file('os-release', 'ID=debian\n')}`,
    '$',
    '$',
    'lib l--777 0 0 usr/lib',
    `long l--777 0 0 ${LONG_LINK}`,
    'x d--755 0 0',
    '$',
    `big ---644 0 0 ${file('big', BIG)}`,
    ...directories,
    '$',
  ];
  return file('prototype', `${lines.join('\n')}\n`);
}

const sha = (bytes: Uint8Array | undefined) =>
  createHash('sha256')
    .update(bytes ?? 'none')
    .digest('hex');
const text = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

async function expectTree(tree: FileTree): Promise<void> {
  expect(await tree.list('/')).toEqual([
    'big',
    'etc',
    'few',
    'lib',
    'long',
    'many',
    'mixed',
    'some',
    'usr',
    'x',
  ]);
  expect(text(await tree.readFile('/etc/os-release', 1000))).toBe('ID=debian\n');
  expect(text(await tree.readFile('/lib/os-release', 5))).toBe('ID=de');
  expect(text(await tree.readFile('/long', 9))).toBe('ID=debian');
  expect(text(await tree.readFile('/etc/nothing', 10))).toBe('');
  expect(await tree.list('/x')).toEqual([]);
  expect(sha(await tree.readFile('/big', 1_000_000))).toBe(sha(BIG));
  for (const [name, count] of Object.entries(DIRECTORIES)) {
    expect(await tree.list(`/${name}`)).toEqual(
      Array.from({ length: count }, (_, i) => nameIn(name, i)).sort(),
    );
    expect(text(await tree.readFile(`/${name}/${nameIn(name, count - 1)}`, 10))).toBe('small');
    expect(await tree.find(`/${name}/${nameIn(name, count)}`)).toBeUndefined();
  }
}

const variants: Readonly<Record<string, readonly string[]>> = {
  'version 5': [],
  'version 5 with many features': ['-m', 'rmapbt=1,bigtime=1,inobtcount=1', '-i', 'nrext64=1'],
  'version 5 with blocks of 1 KiB': ['-b', 'size=1024'],
  'version 5 with directories of 16 KiB and inodes of 2 KiB': ['-n', 'size=16384', '-i', 'size=2048'],
  'version 5 with sectors of 4 KiB': ['-s', 'size=4096'],
  'version 4': ['-m', 'crc=0'],
  'version 4 without kinds of files, with small blocks': [
    '-m',
    'crc=0',
    '-n',
    'ftype=0',
    '-b',
    'size=512',
    '-i',
    'size=256',
  ],
};

/** The same bytes, but for some. */
function poked(volume: Volume, pokes: ReadonlyMap<number, number>): CountedVolume {
  let readBytes = 0;
  let reads = 0;
  return {
    size: volume.size,
    get readBytes() {
      return readBytes;
    },
    get reads() {
      return reads;
    },
    async read(offset, length) {
      reads++;
      readBytes += length;
      const bytes = await volume.read(offset, length);
      for (const [at, value] of pokes) if (at >= offset && at < offset + length) bytes[at - offset] = value;
      return bytes;
    },
  };
}

describeWith(['mkfs.xfs', 'xfs_db'], 'xfs', () => {
  let description: string | undefined;
  const make = async (name: string, args: readonly string[]): Promise<string> => {
    description ??= prototype();
    const path = temp(`${name.replaceAll(/[ ,]/g, '-')}.img`);
    await run('mkfs.xfs', ['-q', ...args, '-p', description, '-d', `file,name=${path},size=320m`]);
    return path;
  };
  const query = (path: string, commands: readonly string[]): Promise<string> =>
    run('xfs_db', ['-r', ...commands.flatMap((command) => ['-c', command]), path]);

  for (const [name, args] of Object.entries(variants)) {
    it(`reads ${name}`, async () => {
      const path = await make(name, args);
      const { root, needsRecovery } = await openXfs(fileVolume(path, 64 * 1024 * 1024));
      expect(needsRecovery).toBe(false);
      await expectTree(fileTree(root, []));
      const format = await query(path, ['path /many', 'p core.format']);
      expect(format).toContain(args.includes('size=2048') ? 'extents' : 'btree');
    });
  }

  it('notices every wrong byte of what has a checksum', async () => {
    const path = await make('sealed', []);
    const address = async (where: string): Promise<number> => {
      const match = /byte offset (\d+)/.exec(await query(path, [where, 'stack']));
      return Number(match?.[1] ?? Number.NaN);
    };
    const inodeAt = await address('path /usr/lib');
    const blockAt = Number((await query(path, ['path /few', 'dblock 0', 'daddr'])).match(/\d+/)?.[0]) * 512;
    const treeAt =
      Number((await query(path, ['path /many', 'addr u3.bmbt.ptrs[1]', 'daddr'])).match(/\d+/)?.[0]) * 512;
    const cases = [
      [100, '/usr/lib'],
      [inodeAt + 20, '/usr/lib'],
      [inodeAt + 0xb0, '/usr/lib'],
      [blockAt + 100, '/few'],
      [treeAt + 80, '/many'],
    ] as const;
    const volume = fileVolume(path, 64 * 1024 * 1024);
    for (const [at, directory] of cases) {
      const [byte] = await volume.read(at, 1);
      const other = poked(volume, new Map([[at, (byte as number) ^ 1]]));
      const tried = openXfs(other).then(({ root }) => fileTree(root, []).list(directory));
      await expect(tried, `${directory} ${at}`).rejects.toMatchObject({ code: 'bad-checksum' });
    }
  });

  it('refuses what it does not know, by name', async () => {
    const volume = fileVolume(await make('unknown', []));
    await expect(openXfs(poked(volume, new Map([[218, 1]])))).rejects.toMatchObject({
      code: 'unsupported-feature',
      message: expect.stringContaining('metadir'),
    });
    await expect(openXfs(poked(volume, new Map([[101, 0xb3]])))).rejects.toMatchObject({
      code: 'unsupported-version',
    });
    await expect(openXfs(poked(volume, new Map([[126, 1]])))).rejects.toMatchObject({ code: 'bad-header' });
    await expect(openXfs(memoryVolume(new Uint8Array(4096)))).rejects.toMatchObject({ code: 'bad-header' });
  });

  it('reads mutated metadata to the end, or throws an error of its own', async () => {
    const path = await make('mutated', ['-m', 'crc=0']);
    const volume = fileVolume(path, Number.POSITIVE_INFINITY);
    const places: number[] = [0];
    for (const name of [
      '/',
      '/etc',
      '/usr/lib',
      '/usr/lib/os-release',
      '/long',
      '/big',
      '/few',
      '/some',
      '/many',
    ]) {
      const inode = await query(path, [
        name === '/' ? 'sb 0' : `path ${name}`,
        ...(name === '/' ? ['addr rootino'] : []),
        'stack',
      ]);
      places.push(Number(/byte offset (\d+)/.exec(inode)?.[1]));
    }
    for (const where of [
      ['path /few', 'dblock 0'],
      ['path /some', 'dblock 1'],
      ['path /many', 'addr u.bmbt.ptrs[1]'],
    ])
      places.push(Number((await query(path, [...where, 'daddr'])).match(/\d+/)?.[0]) * 512);
    expect(places.every((place) => Number.isSafeInteger(place))).toBe(true);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...places), fc.nat(300), fc.nat(255)), {
          minLength: 1,
          maxLength: 8,
        }),
        async (pokes) => {
          const other = poked(
            volume,
            new Map(pokes.map(([place, offset, value]) => [place + offset, value])),
          );
          await survive(other);
        },
      ),
      { numRuns: 120 },
    );
  });
});

async function survive(volume: CountedVolume): Promise<void> {
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
    }
  };
  await attempt(async () => {
    const tree = fileTree((await openXfs(volume)).root, []);
    for (const path of ['/', '/few', '/some', '/many', '/usr/lib']) await attempt(() => tree.list(path));
    for (const path of ['/etc/os-release', '/long', '/big'])
      await attempt(() => tree.readFile(path, 1_000_000));
  });
  expect(volume.readBytes).toBeLessThan(32 * 1024 * 1024);
}

describe('an xfs that Linux wrote', () => {
  const image = fixtureBytes({ file: 'xfs/fragmented.img.gz' });
  const tree = async (): Promise<FileTree> => fileTree((await openXfs(memoryVolume(image))).root, []);

  it('has files with holes, whose extents fill a tree', async () => {
    const holes = (await (await tree()).find('/holes')) as FileNode;
    expect(holes.size).toBe(5_000_000);
    const whole = await holes.read(0, 5_000_000);
    const expected = new Uint8Array(5_000_000);
    for (let i = 0; i < 500; i++)
      expected.set(new TextEncoder().encode(String(i).padStart(4, '0')), i * 8192);
    expect(sha(whole)).toBe(sha(expected));
    expect(text(await holes.read(499 * 8192, 4))).toBe('0499');
    expect(await holes.read(4_999_999, 10)).toEqual(new Uint8Array(1));
  });

  it('has blocks that were never written, and shared ones', async () => {
    const reserved = await (await tree()).readFile('/reserved', 100_000);
    expect(reserved).toHaveLength(65536);
    expect(text(reserved?.subarray(0, 7))).toBe('written');
    expect(reserved?.subarray(7).every((byte) => byte === 0)).toBe(true);
    const shared = await (await tree()).find('/shared');
    expect(text(await shared?.read(16384, 6))).toBe('SHARED');
    expect(text(await shared?.read(8192, 4))).toBe('0001');
    expect(text(await (await tree()).readFile('/etc/os-release', 100))).toBe('ID=fragmented\n');
  });

  it('was unmounted cleanly; without that record, its log would have to be replayed', async () => {
    const bytes = image.slice();
    expect((await openXfs(memoryVolume(bytes))).needsRecovery).toBe(false);
    // Records of one operation, of which the flags stand at byte 9 of the block behind the header.
    const buffer = Buffer.from(bytes.buffer);
    let unmounts = 0;
    for (
      let at = buffer.indexOf('feedbabe', 0, 'hex');
      at > 0;
      at = buffer.indexOf('feedbabe', at + 512, 'hex')
    ) {
      if (buffer.readUInt32BE(at + 40) !== 1 || buffer[at + 512 + 9] !== 0x20) continue;
      buffer[at + 512 + 9] = 0;
      unmounts++;
    }
    expect(unmounts).toBeGreaterThan(0);
    expect((await openXfs(memoryVolume(bytes))).needsRecovery).toBe(true);
  });

  it('has a link that stands outside of its inode, with a checksum', async () => {
    expect((await (await tree()).find('/'))?.kind).toBe('directory');
    expect(text(await (await tree()).readFile('/long', 100))).toBe('ID=fragmented\n');
    const bytes = image.slice();
    const at = Buffer.from(bytes).indexOf('XSLM');
    bytes[at + 200] = (bytes[at + 200] as number) ^ 1;
    const other = fileTree((await openXfs(memoryVolume(bytes))).root, []);
    await expect(other.find('/long')).rejects.toMatchObject({ code: 'bad-checksum' });
  });
});
