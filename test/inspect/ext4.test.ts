/** ext2, ext3 and ext4 as `mke2fs -d` makes them, of every kind that a reader can meet, and broken ones. */

import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { openExt } from '../../src/inspect/ext4/index.ts';
import { type FileTree, fileTree } from '../../src/inspect/file-tree.ts';
import { describeWith, run } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { fileVolume, loadVolume, memoryVolume } from '../support/volumes.ts';

const temp = tempFolder();

const pattern = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) % 251);
const BIG = pattern(700_001);
const LONG_LINK = `${'x/../'.repeat(60)}etc/os-release`;

/** One file of each kind: kept inside, whole, sparse, behind links; a directory with a hash tree. */
function makeFolder(): string {
  const folder = temp('tree');
  for (const name of ['etc', 'usr', 'usr/lib', 'many', 'x', 'empty'])
    mkdirSync(`${folder}/${name}`, { recursive: true });
  writeFileSync(`${folder}/usr/lib/os-release`, 'ID=debian\nVERSION_ID="13"\n');
  writeFileSync(`${folder}/etc/tiny`, 'a');
  writeFileSync(`${folder}/etc/hundred`, 'h'.repeat(100));
  writeFileSync(`${folder}/etc/nothing`, '');
  writeFileSync(`${folder}/big`, BIG);
  symlinkSync('../usr/lib/os-release', `${folder}/etc/os-release`);
  symlinkSync(LONG_LINK, `${folder}/long`);
  symlinkSync('usr/lib', `${folder}/lib`);
  for (let i = 0; i < 700; i++) writeFileSync(`${folder}/many/a-name-of-some-length-${i}`, String(i));
  const sparse = openSync(`${folder}/sparse`, 'w');
  // Every other 64 KiB: so many runs that the extent tree has nodes of its own.
  for (let i = 0; i < 400; i++) writeSync(sparse, pattern(4096), 0, 4096, i * 131072);
  writeSync(sparse, 'end', 59_999_997);
  closeSync(sparse);
  return folder;
}

const sha = (bytes: Uint8Array | undefined) =>
  createHash('sha256')
    .update(bytes ?? 'none')
    .digest('hex');
const text = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

async function expectTree(tree: FileTree): Promise<void> {
  expect(text(await tree.readFile('/etc/os-release', 1000))).toBe('ID=debian\nVERSION_ID="13"\n');
  expect(text(await tree.readFile('/lib/os-release', 9))).toBe('ID=debian');
  expect(text(await tree.readFile('/long', 9))).toBe('ID=debian');
  expect(text(await tree.readFile('/etc/tiny', 10))).toBe('a');
  expect(text(await tree.readFile('/etc/hundred', 1000))).toBe('h'.repeat(100));
  expect(text(await tree.readFile('/etc/nothing', 10))).toBe('');
  expect(sha(await tree.readFile('/big', 1_000_000))).toBe(sha(BIG));
  expect(await tree.list('/many')).toHaveLength(700);
  expect(text(await tree.readFile('/many/a-name-of-some-length-699', 10))).toBe('699');
  expect(await tree.find('/many/a-name-of-some-length-700')).toBeUndefined();
  expect(await tree.list('/etc')).toEqual(['hundred', 'nothing', 'os-release', 'tiny']);
  expect(await tree.list('/empty')).toEqual([]);
  const sparse = await tree.find('/sparse');
  expect(sparse?.size).toBe(60_000_000);
  for (const index of [0, 1, 255, 399]) {
    const bytes = (await sparse?.read(index * 131072 - (index > 0 ? 10 : 0), 5000)) as Uint8Array;
    const expected = new Uint8Array(5000);
    expected.set(pattern(4096), index > 0 ? 10 : 0);
    expect(bytes).toEqual(expected);
  }
  expect(await sparse?.read(59_999_990, 100)).toEqual(new TextEncoder().encode('\0\0\0\0\0\0\0end'));
}

const variants: Readonly<Record<string, readonly string[]>> = {
  'ext4 as today': ['-t', 'ext4', '-b', '4096'],
  'ext4 with data in inodes': ['-t', 'ext4', '-O', 'inline_data', '-I', '512'],
  'ext4 without 64 bits and checksums': ['-t', 'ext4', '-O', '^64bit,^metadata_csum'],
  'ext4 without extents': ['-t', 'ext4', '-O', '^extents,^64bit'],
  'ext4 with blocks of 1 KiB': ['-t', 'ext4', '-b', '1024'],
  'ext4 with descriptors in their groups': [
    '-t',
    'ext4',
    '-b',
    '1024',
    '-O',
    'meta_bg,^resize_inode',
    '-g',
    '1024',
  ],
  'ext4 with few superblocks': [
    '-t',
    'ext4',
    '-b',
    '1024',
    '-O',
    'meta_bg,sparse_super2,^resize_inode',
    '-g',
    '1024',
  ],
  'ext4 with a seed of checksums': ['-t', 'ext4', '-O', 'metadata_csum_seed', '-U', 'random'],
  'ext4 with clusters of blocks': ['-t', 'ext4', '-O', 'bigalloc', '-C', '16384'],
  'ext4 with clusters of larger blocks': ['-t', 'ext4', '-b', '4096', '-O', 'bigalloc', '-C', '8192'],
  'ext4 with folded and encrypted names': ['-t', 'ext4', '-O', 'casefold,encrypt,large_dir,ea_inode'],
  ext3: ['-t', 'ext3'],
  ext2: ['-t', 'ext2', '-b', '1024'],
  'ext2 with inodes of 128 bytes': ['-t', 'ext2', '-I', '128'],
  'ext2 of the first revision': ['-t', 'ext2', '-r', '0', '-O', 'none', '-I', '128'],
};

describeWith(['mke2fs', 'debugfs'], 'ext2, ext3 and ext4', () => {
  let folder: string | undefined;
  const make = async (name: string, args: readonly string[]): Promise<string> => {
    folder ??= makeFolder();
    const path = temp(`${name.replaceAll(' ', '-')}.img`);
    await run('mke2fs', ['-q', '-F', '-d', folder, ...args, path, '40M']);
    return path;
  };

  for (const [name, args] of Object.entries(variants)) {
    it(`reads ${name}`, async () => {
      const volume = fileVolume(await make(name, args));
      const { root, needsRecovery } = await openExt(volume);
      expect(needsRecovery).toBe(false);
      await expectTree(fileTree(root, []));
    });
  }

  it('refuses what it does not know, by name', async () => {
    const bytes = loadVolume(await make('ext2', variants['ext2 with inodes of 128 bytes'] as string[]));
    bytes[1024 + 0x61] = 0x10; // dirdata
    await expect(openExt(memoryVolume(bytes))).rejects.toMatchObject({
      code: 'unsupported-feature',
      message: expect.stringContaining('dirdata'),
    });
  });

  it('tells that a journal waits', async () => {
    const path = await make('dirty', ['-t', 'ext3']);
    await run('debugfs', ['-w', '-R', 'feature needs_recovery', path]);
    expect((await openExt(fileVolume(path))).needsRecovery).toBe(true);
  });

  it('finds every flipped byte of what has a checksum', async () => {
    const path = await make('sealed', ['-t', 'ext4', '-b', '4096']);
    const good = loadVolume(path);
    const stat = await run('debugfs', ['-R', 'imap /etc', path]);
    const [, block, offset] = /block (\d+), offset (0x[0-9a-f]+)/.exec(stat) ?? [];
    const inodeAt = Number(block) * 4096 + Number(offset);
    for (const at of [1024 + 0x2c, 1024 + 0x78, 4096 + 8, inodeAt + 4, inodeAt + 0x28 + 14]) {
      const bytes = good.slice();
      bytes[at] = (bytes[at] as number) ^ 1;
      const tried = openExt(memoryVolume(bytes)).then(({ root }) => fileTree(root, []).list('/etc'));
      await expect(tried).rejects.toMatchObject({ code: 'bad-checksum' });
    }
  });

  it('reads mutated metadata to the end, or throws an error of its own', async () => {
    for (const name of ['ext2', 'ext4 without 64 bits and checksums', 'ext4 with data in inodes']) {
      const args = ['-O', '^metadata_csum', ...(variants[name] as string[])];
      const path = await make(`mutated ${name}`, args);
      const good = loadVolume(path);
      const places = await metadataOf(path);
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(places.length - 1), fc.nat(4095), fc.nat(255)), {
            minLength: 1,
            maxLength: 8,
          }),
          async (pokes) => {
            const bytes = new Map<number, number>();
            for (const [place, offset, value] of pokes) {
              const at = (places[place] as number) + (offset % 1024);
              bytes.set(at, good[at] as number);
              good[at] = value;
            }
            const volume = memoryVolume(good);
            await survive(volume);
            for (const [at, value] of bytes) good[at] = value;
          },
        ),
        { numRuns: 80 },
      );
    }
  });
});

/** Where superblock, descriptors, inodes, directories and extent nodes stand. */
async function metadataOf(path: string): Promise<number[]> {
  const stats = await run('debugfs', ['-R', 'stats', path]);
  const blockSize = Number(/Block size:\s+(\d+)/.exec(stats)?.[1]);
  const places = [1024, blockSize === 1024 ? 2048 : blockSize];
  for (const name of ['/', '/etc', '/usr/lib/os-release', '/long', '/big', '/sparse', '/many']) {
    const [, block, offset] =
      /block (\d+), offset (0x[0-9a-f]+)/.exec(await run('debugfs', ['-R', `imap ${name}`, path])) ?? [];
    places.push(Number(block) * blockSize + Number(offset));
    const blocks = (await run('debugfs', ['-R', `blocks ${name}`, path])).trim().split(/\s+/);
    for (const first of blocks.slice(0, 3)) if (Number(first) > 0) places.push(Number(first) * blockSize);
  }
  return places;
}

async function survive(volume: ReturnType<typeof memoryVolume>): Promise<void> {
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
    }
  };
  await attempt(async () => {
    const tree = fileTree((await openExt(volume)).root, []);
    for (const path of ['/', '/etc', '/many', '/usr/lib']) await attempt(() => tree.list(path));
    for (const path of ['/etc/os-release', '/long', '/big', '/sparse', '/etc/hundred'])
      await attempt(() => tree.readFile(path, 1_000_000));
  });
  expect(volume.readBytes).toBeLessThan(20 * 1024 * 1024);
}

describe('what is no ext filesystem', () => {
  it('is refused', async () => {
    await expect(openExt(memoryVolume(new Uint8Array(8192)))).rejects.toMatchObject({ code: 'bad-header' });
    await expect(openExt(memoryVolume(new Uint8Array(100)))).rejects.toMatchObject({ code: 'bad-reference' });
  });
});
