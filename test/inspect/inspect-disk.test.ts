/** Whole disks that Debian's tools made: how they start, what of them is read, and hostile ones. */

import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { type DiskContents, ImageError, inspectImage } from '../../src/index.ts';
import { fixtureBytes } from '../support/fixtures.ts';
import { describeWith, qemuImg, run } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';
import {
  efiProgram,
  emptyDisk,
  makeFat,
  partitionWithSgdisk,
  putBytes,
  putFile,
} from '../support/test-disks.ts';

const temp = tempFolder();
const X64 = 0x8664;

const contentsOf = async (input: string | Uint8Array, maxReadBytes?: number): Promise<DiskContents> =>
  (await inspectImage(input, { ...(maxReadBytes !== undefined && { maxReadBytes }) })).contents;

const codesOf = ({ notes }: DiskContents): string[] => notes.map(({ code }) => code);

const gptArgs = [
  ['-o', '-n', '1:2048:4095', '-t', '1:EF02'],
  ['-n', '2:0:+32M', '-t', '2:EF00', '-c', '2:EFI System'],
  ['-n', '5:0:+16M', '-t', '5:8300', '-c', '5:wurzel ü', '-n', '4:0:+8M', '-t', '4:8200'],
].flat();

async function gptDisk(name: string, size = '128M'): Promise<string> {
  const path = emptyDisk(temp(name), size);
  await partitionWithSgdisk(path, gptArgs);
  return path;
}

describeWith(['sgdisk', 'mkfs.vfat', 'mcopy', 'mke2fs'], 'a disk that starts', () => {
  const make = async (name: string, files: Readonly<Record<string, Uint8Array>>) => {
    const path = await gptDisk(name);
    putFile(path, makeFat(temp(`${name}.esp`), '32M', files, temp), 2 * MiB);
    return contentsOf(path);
  };

  it('by UEFI, with the loaders of a system and the fallback', async () => {
    const contents = await make('uefi.raw', {
      'EFI/BOOT/BOOTX64.EFI': efiProgram(X64),
      'EFI/debian/shimx64.efi': efiProgram(X64),
      'EFI/Microsoft/Boot/bootmgfw.efi': efiProgram(X64),
    });
    expect(contents.boot).toEqual({
      bios: 'none',
      efiLoaders: ['BOOTX64.EFI'],
      vendorLoaders: ['EFI/Microsoft/Boot/bootmgfw.efi', 'EFI/debian/shimx64.efi'],
      modes: ['uefi'],
      architectures: ['x86'],
    });
    expect(contents.notes).toEqual([]);
  });

  it('not by a loader that is none, or none at the fallback path', async () => {
    const text = await make('text.raw', { 'EFI/BOOT/BOOTX64.EFI': Buffer.from('no program') });
    expect(text.boot).toMatchObject({ efiLoaders: [], modes: [], architectures: [] });
    expect(codesOf(text)).toEqual(['bad-efi-loader']);
    const vendor = await make('vendor.raw', { 'EFI/debian/shimaa64.efi': efiProgram(0xaa64) });
    expect(vendor.boot).toMatchObject({ modes: [], architectures: ['arm'] });
    expect(codesOf(vendor)).toEqual(['no-fallback-loader']);
    const other = await make('other.raw', { 'EFI/BOOT/BOOTAA64.EFI': efiProgram(X64) });
    expect(codesOf(other)).toEqual(['bad-efi-loader']);
    expect(other.boot.architectures).toEqual(['x86']);
  });
});

describeWith(['xorriso', 'mkfs.vfat', 'mcopy'], 'an optical disc', () => {
  it('with boot images for BIOS and for UEFI', async () => {
    const folder = temp('disc');
    execFileSync('mkdir', [folder]);
    makeFat(`${folder}/efi.img`, '4M', { 'EFI/BOOT/BOOTX64.EFI': efiProgram(X64) }, temp);
    emptyDisk(`${folder}/isolinux.bin`, '4096');
    putBytes(`${folder}/isolinux.bin`, Buffer.from([0xfa]), 0);
    putBytes(`${folder}/isolinux.bin`, Buffer.from('ISOLINUX isolinux.bin missing or corrupt'), 1024);
    const path = temp('disc.iso');
    const bios = ['-b', 'isolinux.bin', '-no-emul-boot', '-boot-load-size', '4', '-c', 'boot.cat'];
    const uefi = ['-eltorito-alt-boot', '-e', 'efi.img', '-no-emul-boot'];
    await run('xorriso', ['-as', 'mkisofs', '-quiet', '-V', 'DISC', ...bios, ...uefi, '-o', path, folder]);
    const contents = await contentsOf(path);
    expect(contents).toMatchObject({ isIso: true, table: 'none', whole: { kind: 'iso9660', label: 'DISC' } });
    expect(contents.boot).toMatchObject({
      bios: 'syslinux',
      efiLoaders: ['BOOTX64.EFI'],
      modes: ['bios', 'uefi'],
    });
  });
});

it('the rescue disc of GRUB starts by BIOS', async () => {
  const contents = await contentsOf(new Uint8Array(fixtureBytes({ file: 'raw/grub-rescue-floppy.img.gz' })));
  expect(contents).toMatchObject({
    isIso: true,
    boot: { bios: 'grub', modes: ['bios'], architectures: ['x86'] },
  });
});

describeWith(['qemu-img', 'sgdisk', 'mke2fs', 'mkfs.vfat', 'mcopy'], 'the limit to what is read', () => {
  it('holds for a disk of 64 GiB in a qcow2 image', async () => {
    const raw = emptyDisk(temp('large.raw'), '64G');
    await partitionWithSgdisk(raw, [
      '-o',
      '-n',
      '1:2048:+32M',
      '-t',
      '1:EF00',
      '-n',
      '2:0:0',
      '-t',
      '2:8300',
    ]);
    putFile(raw, makeFat(temp('large.esp'), '32M', { 'EFI/BOOT/BOOTX64.EFI': efiProgram(X64) }, temp), MiB);
    const path = temp('large.qcow2');
    await qemuImg(['convert', '-O', 'qcow2', raw, path]);
    const contents = await contentsOf(path);
    expect(contents).toMatchObject({
      boot: { modes: ['uefi'] },
      partitions: [{}, { content: { kind: 'empty' } }],
    });
    expect(contents.readBytes).toBeLessThan(MiB);
    for (const limit of [4096, 20_000, 100_000]) {
      const less = await contentsOf(path, limit);
      expect(less.readBytes).toBeLessThanOrEqual(limit);
      expect(less.notLookedAt.length).toBeGreaterThan(0);
    }
  });
});

describeWith(['sgdisk', 'mkfs.vfat', 'mcopy'], 'hostile disks', () => {
  it('are told, within the limit', async () => {
    const path = await gptDisk('hostile.raw', '64M');
    putFile(
      path,
      makeFat(temp('hostile.esp'), '4M', { 'EFI/BOOT/BOOTX64.EFI': efiProgram(X64) }, temp),
      2 * MiB,
    );
    const sound = readFileSync(path);
    const places = fc.oneof(
      fc.integer({ min: 440, max: 2048 }),
      fc.integer({ min: 2 * MiB, max: 2 * MiB + 16384 }),
      fc.integer({ min: 64 * MiB - 33 * 512, max: 64 * MiB - 1 }),
    );
    const change = fc.tuple(places, fc.integer({ min: 0, max: 255 }));
    const disk = Buffer.from(sound);
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 30 }), async (changes) => {
        for (const [at, value] of changes) disk[at] = value;
        const result = await contentsOf(disk, 4 * MiB).catch((error) => error);
        for (const [at] of changes) disk[at] = sound[at] as number;
        if (result instanceof Error) expect(result).toBeInstanceOf(ImageError);
        else expect(result.readBytes).toBeLessThanOrEqual(4 * MiB);
      }),
      { numRuns: 60 },
    );
  });
});
