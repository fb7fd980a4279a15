/** Systems on disks of several volumes: what is mounted where, on plain partitions and on logical volumes. */

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { openImage } from '../../src/index.ts';
import type { Content, ContentKind } from '../../src/inspect/contents.ts';
import type { Findings } from '../../src/inspect/findings.ts';
import { inspectDisk } from '../../src/inspect/inspect-disk.ts';
import { type FoundVolume, inspectSystems } from '../../src/inspect/systems.ts';
import type { Volume } from '../../src/inspect/volume.ts';
import { EXTENT, FIRST_EXTENT, physicalVolume } from '../support/lvm-disk.ts';
import { describeWith, run } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { fileVolume, loadVolume, memoryVolume } from '../support/volumes.ts';

const temp = tempFolder();
const noFindings = (): Findings => ({ notes: [], notLookedAt: [] });
const UUID = '6e0b1c3a-7b0e-4f55-9d9a-0123456789ab';
const BOOT_UUID = '0f0b1c3a-7b0e-4f55-9d9a-ba9876543210';

let counter = 0;
/** Files as a folder on the disk; a value that begins with `->` is a link. */
function folderOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = temp(`folder-${counter++}`);
  mkdirSync(folder);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(`${folder}/${path}`.replace(/\/[^/]*$/, ''), { recursive: true });
    if (typeof content === 'string' && content.startsWith('->'))
      symlinkSync(content.slice(2), `${folder}/${path}`);
    else writeFileSync(`${folder}/${path}`, content);
  }
  return folder;
}

async function ext4Of(
  files: Readonly<Record<string, string | Uint8Array>>,
  size: string,
  args: readonly string[],
): Promise<string> {
  const path = temp(`volume-${counter++}.img`);
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', ...args, '-d', folderOf(files), path, size]);
  return path;
}

/** An initramfs as its makers pack one: microcode, then the rest packed with zstd. */
function initramfs(drivers: readonly string[], others: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const archive = (files: Readonly<Record<string, string | Uint8Array>>): Buffer =>
    execFileSync('sh', ['-c', 'find . | LC_ALL=C sort | cpio -o -H newc --quiet'], {
      cwd: folderOf(files),
      maxBuffer: 2 ** 26,
    });
  const modules = drivers.map((name) => [`usr/lib/modules/6.1/kernel/drivers/x/${name}.ko.xz`, name]);
  const rest = archive({ ...others, ...Object.fromEntries(modules) });
  return Buffer.concat([
    archive({ 'kernel/x86/microcode/AuthenticAMD.bin': 'microcode'.repeat(1000) }),
    execFileSync('zstd', ['-q', '-c'], { input: rest, maxBuffer: 2 ** 26 }),
  ]);
}

const found = (partition: number, volume: Volume, kind: ContentKind, uuid?: string): FoundVolume => ({
  partition,
  volume,
  content: { kind, ...(uuid === undefined ? {} : { uuid }) },
});
const neverIdentify = async (): Promise<Content> => {
  throw new Error('There are no logical volumes to identify.');
};

const rootFiles = {
  'etc/os-release': '->../usr/lib/os-release',
  'usr/lib/os-release': 'ID=rocky\nVERSION_ID="9.4"\nPRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\n',
  'etc/fstab': `UUID=${UUID} / ext4 x 0 0\nUUID=${BOOT_UUID.toUpperCase()} /boot ext4 x 0 0\n/dev/sda7 /data ext4 x 0 0\n`,
  'etc/sysconfig/network-scripts/ifcfg-eth0': 'BOOTPROTO=dhcp\n',
  'usr/bin/cloud-init': '#!',
  'boot/.keep': '',
};
const bootFiles = () => ({
  'vmlinuz-6.1': 'kernel',
  'initramfs-6.1.img': initramfs(['virtio_blk', 'virtio_net', 'virtio_pci', 'xfs'], {}),
  'grub2/grub.cfg': '',
});

describeWith(['mke2fs', 'debugfs', 'cpio', 'zstd'], 'systems', () => {
  it('with a partition of its own for /boot', async () => {
    const root = fileVolume(await ext4Of(rootFiles, '64M', ['-U', UUID]));
    const boot = fileVolume(await ext4Of(bootFiles(), '32M', ['-U', BOOT_UUID]));
    const findings = noFindings();
    const systems = await inspectSystems(
      [
        found(1, boot, 'ext4', BOOT_UUID),
        found(2, memoryVolume(new Uint8Array(4096)), 'swap'),
        found(3, root, 'ext4', UUID),
      ],
      neverIdentify,
      findings,
    );
    expect(systems).toEqual([
      {
        family: 'linux',
        partition: 3,
        id: 'rocky',
        versionId: '9.4',
        prettyName: 'Rocky Linux 9.4 (Blue Onyx)',
        kernels: ['6.1'],
        fstabDevices: [{ line: 3, text: '/dev/sda7 /data ext4 x 0 0' }],
        initramfs: '/boot/initramfs-6.1.img',
        virtioDrivers: ['virtio_blk', 'virtio_net', 'virtio_pci'],
        hasCloudInit: true,
        network: 'dhcp',
      },
    ]);
    expect(findings).toEqual(noFindings());
    expect(root.readBytes + boot.readBytes).toBeLessThan(2 * 1024 * 1024);
  });

  it('on a logical volume that spans two physical ones', async () => {
    const root = loadVolume(
      await ext4Of({ ...rootFiles, 'boot/vmlinuz-6.1': 'kernel' }, '64M', ['-U', UUID]),
    );
    const [pv0, pv1] = [physicalVolume('pv0'), physicalVolume('pv1')];
    pv0.set(root.subarray(0, 10 * EXTENT), FIRST_EXTENT);
    pv1.set(root.subarray(10 * EXTENT), FIRST_EXTENT);
    const findings = noFindings();
    const systems = await inspectSystems(
      [found(4, memoryVolume(pv1), 'lvm2'), found(2, memoryVolume(pv0), 'lvm2')],
      async (volume) => ({ kind: volume.size > 40_000_000 ? 'ext4' : 'swap' }),
      findings,
    );
    expect(systems).toMatchObject([{ partition: 2, id: 'rocky', kernels: ['6.1'] }]);
    expect(findings.notLookedAt).toEqual([
      { what: 'the logical volume vg-0/wide', why: expect.stringContaining('striped') },
      { what: 'logical volume vg-0/root: /boot', why: expect.stringContaining('no filesystem of that name') },
    ]);
  });

  it('are not told where nobody looks, and that is said', async () => {
    const empty = memoryVolume(new Uint8Array(65536));
    const findings = noFindings();
    const kinds = ['btrfs', 'ntfs', 'luks2', 'swap', 'ext4'] as const;
    const systems = await inspectSystems(
      kinds.map((kind, index) => found(index + 1, empty, kind)),
      neverIdentify,
      findings,
    );
    expect(systems).toEqual([]);
    expect(findings.notLookedAt.map(({ what }) => what)).toEqual([
      'partition 1',
      'partition 2',
      'partition 3',
      'partition 5',
    ]);
    expect(findings.notes).toMatchObject([
      { code: 'damaged-content', message: expect.stringContaining('partition 5') },
    ]);
  });

  it('tell what waits in a journal', async () => {
    const path = await ext4Of(rootFiles, '32M', []);
    await run('debugfs', ['-w', '-R', 'feature needs_recovery', path]);
    const findings = noFindings();
    const systems = await inspectSystems([found(0, fileVolume(path), 'ext4')], neverIdentify, findings);
    expect(systems).toHaveLength(1);
    expect(findings.notes).toMatchObject([{ code: 'journal-not-replayed', severity: 'info' }]);
  });

  it('are told as far as the budget lasts', async () => {
    const big = initramfs(['virtio_blk'], { 'bin/busybox': randomBytes(3_000_000) });
    const path = await ext4Of(
      { ...rootFiles, 'boot/vmlinuz-6.1': 'k', 'boot/initramfs-6.1.img': big },
      '64M',
      [],
    );
    for (const budget of [4096, 100_000, 400_000, 1_000_000]) {
      const volume = fileVolume(path, budget);
      const findings = noFindings();
      const [system] = await inspectSystems([found(1, volume, 'ext4')], neverIdentify, findings);
      expect(volume.readBytes).toBeLessThan(budget + 300_000);
      expect(findings.notLookedAt.some(({ why }) => why.includes(String(budget)))).toBe(true);
      if (budget === 1_000_000)
        expect(system).toMatchObject({ id: 'rocky', kernels: ['6.1'], isInitramfsPartial: true });
    }
  });

  it('leave enough of the budget for the rest of the disk', async () => {
    const big = initramfs(['virtio_blk'], { 'bin/busybox': randomBytes(3_000_000) });
    const path = await ext4Of(
      { ...rootFiles, 'boot/vmlinuz-6.1': 'k', 'boot/initramfs-6.1.img': big },
      '24M',
      [],
    );
    const disk = new Uint8Array(26 * MiB);
    disk.set(loadVolume(path), MiB);
    // One partition of an MBR, of all sectors but those of the first and the last MiB; and a byte behind it.
    disk.set([0, 0, 0, 0, 0x83], 446);
    new DataView(disk.buffer).setUint32(446 + 8, MiB / 512, true);
    new DataView(disk.buffer).setUint32(446 + 12, (24 * MiB) / 512, true);
    disk.set([0x55, 0xaa], 510);
    disk[25 * MiB + 7] = 1;
    await using image = await openImage(disk, { format: 'raw' });
    const { systems, notes, notLookedAt, readBytes } = await inspectDisk(image, { maxReadBytes: MiB });
    expect(systems).toMatchObject([{ partition: 1, id: 'rocky', isInitramfsPartial: true }]);
    expect(notes).toContainEqual(expect.objectContaining({ code: 'data-past-partitions' }));
    expect(notLookedAt).toContainEqual(
      expect.objectContaining({ what: 'partition 1: the rest of /boot/initramfs-6.1.img' }),
    );
    expect(readBytes).toBeLessThanOrEqual(MiB);
  });

  it('of hostile filesystems are told in part, or not at all, and never by throwing', async () => {
    const files = {
      ...rootFiles,
      'boot/vmlinuz-6.1': 'k',
      'boot/initramfs-6.1.img': initramfs(['virtio_blk'], {}),
    };
    const path = await ext4Of(files, '4M', ['-O', '^metadata_csum,^has_journal', '-b', '1024', '-N', '64']);
    const good = loadVolume(path);
    // What is in use of the disk: superblock, descriptors, inodes, directories, files.
    const used = good.findLastIndex((byte) => byte !== 0) + 1;
    const places = Array.from({ length: Math.ceil(used / 128) }, (_, index) => index * 128).filter((at) =>
      good.subarray(at, at + 128).some((byte) => byte !== 0),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...places), fc.nat(127), fc.nat(255)), {
          minLength: 1,
          maxLength: 40,
        }),
        async (pokes) => {
          const bytes = good.slice();
          for (const [place, offset, value] of pokes) bytes[place + offset] = value;
          const volume = memoryVolume(bytes, 2 * 1024 * 1024);
          const systems = await inspectSystems([found(1, volume, 'ext4')], neverIdentify, noFindings());
          expect(systems.length).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 100 },
    );
  });
});
