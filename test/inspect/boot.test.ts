/** Boot code told by its messages, and whether it would start: by the documented layout of the sectors that hold it. */

import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { type DiskContents, inspectImage } from '../../src/index.ts';
import { bootCodeIn } from '../../src/inspect/boot/boot-code.ts';
import { describeWith } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';
import {
  efiProgram,
  emptyDisk,
  makeFat,
  partitionWithSgdisk,
  putBytes,
  putFile,
} from '../support/test-disks.ts';

/** Messages as they stand in the first sectors of these loaders. */
const messages = {
  grub: 'GRUB \0Geom\0Hard Disk\0Read\0 Error\r\n\0',
  windows: 'Invalid partition table\0Error loading operating system\0Missing operating system\0',
  bootmgr: 'A disk read error occurred\0BOOTMGR is compressed\0Press Ctrl+Alt+Del to restart\0',
  syslinux: 'Missing operating system.\r\nOperating system load error.\r\n',
  nothing: 'This is not a bootable disk.  Please insert a bootable floppy and\r\npress any key to try again',
} as const;

/** A sector with code and messages in it. */
function sectorWith(message: keyof typeof messages): Buffer {
  const sector = Buffer.alloc(512);
  sector.set([0xeb, 0x63, 0x90]);
  sector.write(messages[message], 0x100, 'latin1');
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

describe('the code in a sector', () => {
  it.each([
    ['grub', 'grub'],
    ['windows', 'windows'],
    ['bootmgr', 'windows'],
    ['syslinux', 'syslinux'],
    ['nothing', 'none'],
  ] as const)('%s: %s', (message, expected) => expect(bootCodeIn(sectorWith(message))).toBe(expected));
  it('of LILO', () => {
    const sector = Buffer.alloc(512, 0x90);
    sector.write('LILO', 6);
    expect(bootCodeIn(sector)).toBe('lilo');
  });
  it('none, and unknown', () => {
    expect(bootCodeIn(new Uint8Array(512))).toBe('none');
    expect(bootCodeIn(new Uint8Array(512).fill(1))).toBe('unknown');
  });
});

/** A disk with an MBR, and one partition that may be active and have code of its own. */
async function mbrDisk(
  code: keyof typeof messages,
  { isActive = false, own }: { isActive?: boolean; own?: keyof typeof messages } = {},
): Promise<DiskContents> {
  const disk = Buffer.alloc(4 * MiB);
  disk.set(sectorWith(code));
  disk.fill(0, 446, 510);
  disk.set([isActive ? 0x80 : 0, 0, 0, 0, 7, 0, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0], 446);
  if (own !== undefined) {
    disk.set(sectorWith(own), MiB);
    disk.write('NTFS    ', MiB + 3);
  }
  return (await inspectImage(disk)).contents;
}

describe('an MBR starts', () => {
  it('GRUB by itself', async () => {
    const { boot } = await mbrDisk('grub');
    expect(boot).toMatchObject({ bios: 'grub', modes: ['bios'], architectures: ['x86'] });
  });
  it('Windows by its active partition, and not without one', async () => {
    const active = await mbrDisk('windows', { isActive: true, own: 'bootmgr' });
    expect(active.boot).toMatchObject({ bios: 'windows', modes: ['bios'] });
    expect(active.systems).toEqual([{ family: 'windows', partition: 1 }]);
    const passive = await mbrDisk('windows', { own: 'bootmgr' });
    expect(passive.boot).toMatchObject({ bios: 'windows', modes: [], architectures: [] });
    expect(passive.systems).toEqual([]);
  });
  it('not a filesystem that says that nothing starts from it', async () => {
    expect((await mbrDisk('windows', { isActive: true, own: 'nothing' })).boot.modes).toEqual([]);
  });
  it('what stands in the active partition, whatever stands before', async () => {
    expect((await mbrDisk('syslinux', { isActive: true, own: 'grub' })).boot).toMatchObject({
      bios: 'grub',
      modes: ['bios'],
    });
  });
});

describeWith(['sgdisk', 'mkfs.vfat', 'mcopy'], 'Windows', () => {
  const temp = tempFolder();
  it('that starts by UEFI is told by its loader, on the largest partition that can hold it', async () => {
    const path = emptyDisk(temp('windows.raw'), '128M');
    const parts = ['1:2048:+8M', '2:0:+1M', '3:0:+64M', '4:0:+8M'].flatMap((part) => ['-n', part]);
    const types = ['1:EF00', '2:0C01', '3:0700', '4:2700'].flatMap((type) => ['-t', type]);
    await partitionWithSgdisk(path, ['-o', ...parts, ...types]);
    const files = {
      'EFI/Boot/bootx64.efi': efiProgram(0x8664),
      'EFI/Microsoft/Boot/bootmgfw.efi': efiProgram(0x8664),
    };
    putFile(path, makeFat(temp('esp'), '8M', files, temp), MiB);
    const empty = (await inspectImage(path)).contents;
    expect(empty.systems).toEqual([]);
    for (const { start } of empty.partitions.slice(2)) {
      const sector = Buffer.alloc(512);
      sector.write('NTFS    ', 3);
      putBytes(path, sector, start);
    }
    const { boot, systems, partitions, notLookedAt } = (await inspectImage(path)).contents;
    expect(partitions.map(({ typeName }) => typeName)).toEqual([
      'EFI system',
      'Microsoft reserved',
      'Microsoft basic data',
      'Windows recovery',
    ]);
    expect(boot).toMatchObject({ bios: 'none', efiLoaders: ['BOOTX64.EFI'], modes: ['uefi'] });
    expect(systems).toEqual([{ family: 'windows', partition: 3 }]);
    expect(notLookedAt.map(({ what }) => what)).toEqual(['partition 3', 'partition 4']);
  });
});
