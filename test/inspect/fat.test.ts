/** Files in FAT filesystems that mkfs.vfat and mtools made, and what is done with damaged ones. */

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { ImageError } from '../../src/errors.ts';
import { openFat } from '../../src/inspect/fat/index.ts';
import { type FileNode, fileTree } from '../../src/inspect/file-tree.ts';
import { describeWith } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { fileVolume, loadVolume, memoryVolume } from '../support/volumes.ts';

const temp = tempFolder();
const LONG = 'ein recht langer Name, der mehrere Einträge braucht.конфиг';
const big = randomBytes(300_000);

/** A filesystem with files in folders, made without mounting. */
function makeFat(bits: '12' | '16' | '32', size: string): string {
  const path = temp(`fat${bits}-${size}.img`);
  const file = temp('big');
  execFileSync('truncate', ['-s', size, path]);
  execFileSync('mkfs.vfat', ['-F', bits, path], { stdio: 'ignore' });
  writeFileSync(file, big);
  const env = { ...process.env, MTOOLS_SKIP_CHECK: '1', LC_ALL: 'C.UTF-8' };
  const mtools = (tool: string, ...args: readonly string[]) =>
    execFileSync(tool, ['-i', path, ...args], { env, stdio: 'pipe' });
  mtools('mmd', '::EFI', '::EFI/BOOT', '::EFI/many');
  mtools('mcopy', file, '::EFI/BOOT/BOOTX64.EFI');
  mtools('mcopy', file, `::EFI/${LONG}`);
  writeFileSync(temp('empty'), '');
  mtools('mcopy', temp('empty'), '::EFI/lower.txt');
  for (let index = 0; index < 3; index++) {
    const names = Array.from({ length: 40 }, (_, i) => temp(`a file with number ${index * 40 + i}`));
    for (const name of names) writeFileSync(name, name.slice(-8));
    mtools('mcopy', ...names, '::EFI/many');
  }
  return path;
}

async function bytesOf(node: FileNode | undefined): Promise<Uint8Array> {
  if (node === undefined) throw new Error('There is no such file.');
  return node.read(0, node.size);
}

describeWith(['mkfs.vfat', 'mcopy'], 'FAT', () => {
  it.each([
    ['12', '4M'],
    ['16', '32M'],
    ['32', '64M'],
  ] as const)('FAT%s of %s', async (bits, size) => {
    const volume = fileVolume(makeFat(bits, size));
    const { root } = await openFat(volume);
    const tree = fileTree(root, []);
    expect(await tree.list('/')).toEqual(['EFI']);
    expect(await tree.list('/efi')).toEqual(['BOOT', LONG, 'lower.txt', 'many']);
    expect(await tree.list('/EFI/many')).toHaveLength(120);
    expect(await tree.readFile('/EFI/many/a file with number 77', 100)).toEqual(
      new Uint8Array(readFileSync(temp('a file with number 77'))),
    );
    expect(await bytesOf(await tree.find('/efi/boot/bootx64.efi'))).toEqual(new Uint8Array(big));
    expect(await (await tree.find(`/EFI/${LONG}`))?.read(70_001, 1000)).toEqual(
      new Uint8Array(big.subarray(70_001, 71_001)),
    );
    expect(await tree.readFile('/EFI/lower.txt', 10)).toHaveLength(0);
    expect(await tree.find('/EFI/nothing')).toBeUndefined();
  });

  it('a chain that leads in a circle ends', async () => {
    const bytes = loadVolume(makeFat('16', '32M'));
    const view = new DataView(bytes.buffer);
    const fatAt = view.getUint16(14, true) * 512;
    const length = view.getUint16(22, true) * 512;
    for (let at = fatAt + 4; at < fatAt + length; at += 2)
      if (view.getUint16(at, true) !== 0) view.setUint16(at, 2, true); // every chain leads to the first cluster
    const volume = memoryVolume(bytes);
    const { root } = await openFat(volume);
    await root.child('EFI').then((node) => node?.names());
    expect(volume.readBytes).toBeLessThan(8 * MiB);
  });

  it('damaged: errors of images and nothing else, and reading that has an end', async () => {
    const sound = loadVolume(makeFat('12', '4M'));
    const byte = fc.tuple(fc.integer({ min: 0, max: 48 * 1024 }), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(byte, { minLength: 1, maxLength: 40 }), async (changes) => {
        const bytes = sound.slice();
        for (const [at, value] of changes) bytes[at] = value;
        const volume = memoryVolume(bytes, 64 * MiB);
        const walk = async (node: FileNode, depth: number): Promise<void> => {
          if (depth > 3) return;
          for (const name of (await node.names()).slice(0, 5)) {
            const child = await node.child(name);
            if (child?.kind === 'directory') await walk(child, depth + 1);
            else await child?.read(0, 4096);
          }
        };
        const found = await openFat(volume)
          .then(({ root }) => walk(root, 0))
          .catch((error) => error);
        if (found !== undefined) expect(found).toBeInstanceOf(ImageError);
        expect(volume.readBytes).toBeLessThan(64 * MiB);
      }),
      { numRuns: 150 },
    );
  });
});
