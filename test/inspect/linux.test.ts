/** What is told of a Linux system by its files: the files of distributions, and of nobody. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CorruptImageError } from '../../src/errors.ts';
import { fileTree } from '../../src/inspect/file-tree.ts';
import type { Findings } from '../../src/inspect/findings.ts';
import { inspectDrivers } from '../../src/inspect/linux/drivers.ts';
import { fstabDevices, fstabEntries, wantedBy } from '../../src/inspect/linux/fstab.ts';
import { inspectLinux, isLinuxRoot } from '../../src/inspect/linux/index.ts';
import { initramfsOf, kernelVersions } from '../../src/inspect/linux/kernels.ts';
import { networkOf } from '../../src/inspect/linux/network.ts';
import { assignmentsOf, compareVersions, linesOf } from '../../src/inspect/linux/text.ts';
import { type MemoryFolder, nodeOf } from '../support/memory-tree.ts';

const treeOf = (folder: MemoryFolder) => fileTree(nodeOf(folder), []);
const noFindings = (): Findings => ({ notes: [], notLookedAt: [] });

function elf(machine: number): Uint8Array {
  const head = new Uint8Array(64);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  new DataView(head.buffer).setUint16(18, machine, true);
  return head;
}

describe('the text files of a system', () => {
  it('assignments are read as a shell reads them', () => {
    const lines = [
      '# ID=no',
      'ID=debian',
      'NAME="A \\"quoted\\" \\$name"',
      "ONE='two # three'",
      'X=a # b',
      'ID=later',
      '=',
    ];
    expect(Object.fromEntries(assignmentsOf(lines))).toEqual({
      ID: 'later',
      NAME: 'A "quoted" $name',
      ONE: 'two # three',
      X: 'a',
    });
  });

  it('versions are ordered as people read them', () => {
    const versions = ['6.1.0-9-amd64', '6.1.0-10-amd64', '5.10.0', '6.1.0~rc2-amd64', '5.9'];
    expect(versions.sort(compareVersions)).toEqual([
      '5.9',
      '5.10.0',
      '6.1.0~rc2-amd64',
      '6.1.0-9-amd64',
      '6.1.0-10-amd64',
    ]);
  });

  it('any text is read, and long lines are cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        const lines = linesOf(bytes);
        assignmentsOf(lines);
        for (const { device } of fstabEntries(lines)) wantedBy(device);
      }),
    );
    expect(linesOf(new Uint8Array(100_000).fill(0x20)).map((line) => line.length)).toEqual([1024]);
  });
});

describe('fstab', () => {
  const text = [
    '# /dev/sda1 was once the root',
    'UUID=0a1b2c3d-0000-4000-8000-000000000000 / ext4 defaults 0 1',
    '/dev/sda2 /boot ext4 defaults 0 2',
    'LABEL=data\\040disk /srv/a\\040b xfs noatime 0 2',
    '/dev/mapper/vg0-swap none swap sw 0 0',
    '/dev/nvme0n1p3   /var ext4 x 0 0',
    '/dev/disk/by-id/ata-QEMU_1-part1 /a ext4 x 0 0',
    '/dev/disk/by-uuid/AB-CD /b vfat x 0 0',
    '/dev/vg0/home /home xfs x 0 0',
    '/dev/sr0 /media/cdrom udf,iso9660 user,noauto 0 0',
    'tmpfs /tmp tmpfs x',
    'server:/export /nfs nfs x 0 0',
    'nonsense',
  ];

  it('names the lines whose device is called otherwise elsewhere', () => {
    expect(fstabDevices(fstabEntries(text), text)).toEqual([
      { line: 3, text: '/dev/sda2 /boot ext4 defaults 0 2' },
      { line: 6, text: '/dev/nvme0n1p3   /var ext4 x 0 0' },
      { line: 7, text: '/dev/disk/by-id/ata-QEMU_1-part1 /a ext4 x 0 0' },
    ]);
  });

  it('tells what is looked for', () => {
    const wanted = Object.fromEntries(
      fstabEntries(text).map(({ mountPoint, device }) => [mountPoint, wantedBy(device)]),
    );
    expect(wanted).toEqual({
      '/': { by: 'uuid', value: '0a1b2c3d-0000-4000-8000-000000000000' },
      '/boot': { by: 'number', value: '2' },
      '/srv/a b': { by: 'label', value: 'data disk' },
      none: { by: 'volume', value: 'vg0/swap' },
      '/var': { by: 'number', value: '3' },
      '/b': { by: 'uuid', value: 'ab-cd' },
      '/home': { by: 'volume', value: 'vg0/home' },
    });
    expect(wantedBy('/dev/mapper/my--group-my--root')).toEqual({ by: 'volume', value: 'my-group/my-root' });
    expect(wantedBy('PARTUUID=ABCD-02')).toEqual({ by: 'partuuid', value: 'abcd-02' });
    expect(wantedBy('/dev/nvme0n1')).toBeUndefined();
    expect(wantedBy('/dev/mmcblk0p2')).toEqual({ by: 'number', value: '2' });
  });
});

describe('kernels', () => {
  const debian = [
    'config-6.1.0-9-amd64',
    'initrd.img-6.1.0-9-amd64',
    'initrd.img-6.1.0-10-amd64',
    'vmlinuz-6.1.0-9-amd64',
    'vmlinuz-6.1.0-10-amd64',
    'System.map-6.1.0-9-amd64',
    'grub',
  ];
  const fedora = [
    'vmlinuz-0-rescue-0123',
    'initramfs-0-rescue-0123.img',
    'vmlinuz-6.8.5-301.fc40.x86_64',
    'initramfs-6.8.5-301.fc40.x86_64.img',
    'initramfs-6.8.5-301.fc40.x86_64kdump.img',
    '.vmlinuz-6.8.5-301.fc40.x86_64.hmac',
  ];

  it('are known by their names, and their initramfs by theirs', () => {
    expect(kernelVersions(debian)).toEqual(['6.1.0-9-amd64', '6.1.0-10-amd64']);
    expect(initramfsOf(debian, '6.1.0-9-amd64')).toBe('initrd.img-6.1.0-9-amd64');
    expect(kernelVersions(fedora)).toEqual(['6.8.5-301.fc40.x86_64']);
    expect(initramfsOf(fedora, '6.8.5-301.fc40.x86_64')).toBe('initramfs-6.8.5-301.fc40.x86_64.img');
    expect(kernelVersions(['vmlinuz-linux', 'initramfs-linux.img', 'initramfs-linux-fallback.img'])).toEqual([
      'linux',
    ]);
    expect(initramfsOf(['vmlinuz-virt', 'initramfs-virt'], 'virt')).toBe('initramfs-virt');
    expect(initramfsOf(['initrd.img-1', 'initrd.img-2'], undefined)).toBe('initrd.img-2');
    expect(initramfsOf(['grub'], '1')).toBeUndefined();
  });
});

describe('the network', () => {
  const cases: readonly [string, MemoryFolder, string | undefined][] = [
    [
      'ifupdown',
      { network: { interfaces: 'auto lo\niface lo inet loopback\niface ens3 inet dhcp\n' } },
      'dhcp',
    ],
    [
      'ifupdown in parts',
      { network: { 'interfaces.d': { '50-x': ' iface eth0 inet static\n  address 10.0.0.2\n' } } },
      'static',
    ],
    [
      'netplan',
      {
        netplan: {
          '50-cloud-init.yaml':
            'network:\n  ethernets:\n    eth0:\n      dhcp4: true\n      nameservers:\n        addresses: [1.1.1.1]\n',
        },
      },
      'dhcp',
    ],
    [
      'netplan, fixed',
      {
        netplan: { '01.yaml': 'network:\n  ethernets:\n    eth0:\n      addresses:\n      - 10.0.0.2/24\n' },
      },
      'static',
    ],
    ['netplan, in braces', { netplan: { '01.yaml': 'network: {ethernets: {eth0: {dhcp4: yes}}}' } }, 'dhcp'],
    [
      'NetworkManager',
      {
        NetworkManager: {
          'system-connections': { 'a.nmconnection': '[connection]\ntype=ethernet\n[ipv4]\nmethod=auto\n' },
        },
      },
      'dhcp',
    ],
    [
      'NetworkManager, both',
      {
        NetworkManager: {
          'system-connections': {
            a: '[ipv4]\nmethod=auto\n',
            b: '[ipv4]\naddress1=10.0.0.2/8\nmethod=manual\n',
          },
        },
      },
      'mixed',
    ],
    [
      'networkd',
      { systemd: { network: { '20.network': '[Match]\nName=e*\n[Network]\nDHCP=ipv4\n' } } },
      'dhcp',
    ],
    [
      'networkd, fixed',
      { systemd: { network: { '20.network': '[Network]\n#DHCP=yes\nAddress=10.0.0.2/24\n' } } },
      'static',
    ],
    [
      'network-scripts',
      {
        sysconfig: {
          'network-scripts': { 'ifcfg-lo': 'IPADDR=127.0.0.1', 'ifcfg-eth0': 'BOOTPROTO="dhcp"\n' },
        },
      },
      'dhcp',
    ],
    [
      'network-scripts, fixed',
      { sysconfig: { 'network-scripts': { 'ifcfg-eth0': "BOOTPROTO=none\nIPADDR0='10.0.0.2'\n" } } },
      'static',
    ],
    ['wicked', { sysconfig: { network: { 'ifcfg-eth0': "BOOTPROTO='dhcp'\nSTARTMODE='auto'\n" } } }, 'dhcp'],
    ['nothing', { hostname: 'x' }, undefined],
  ];
  for (const [name, etc, expected] of cases) {
    it(`${name}: ${expected ?? 'nothing is told'}`, async () => {
      expect(await networkOf(treeOf({ etc }))).toBe(expected);
    });
  }
});

describe('a system', () => {
  const debian: MemoryFolder = {
    bin: { link: 'usr/bin' },
    lib: { link: 'usr/lib' },
    etc: {
      'os-release': { link: '../usr/lib/os-release' },
      fstab: '/dev/sda1 / ext4 defaults 0 1\n',
      cloud: { 'cloud.cfg': 'users: []' },
    },
    usr: {
      bin: { sh: { link: 'dash' }, dash: elf(62), 'cloud-init': '#!/usr/bin/python3' },
      lib: {
        'os-release': 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n',
        modules: {
          '6.12': {
            'modules.builtin':
              'kernel/drivers/block/virtio_blk.ko\nkernel/drivers/virtio/virtio-pci.ko\nkernel/fs/ext4/ext4.ko\n',
          },
        },
      },
    },
    boot: { 'vmlinuz-6.12': 'kernel' },
  };

  it('is told by its files', async () => {
    const tree = treeOf(debian);
    expect(await isLinuxRoot(tree)).toBe(true);
    const findings = noFindings();
    expect(await inspectLinux(tree, 1, findings)).toEqual({
      family: 'linux',
      partition: 1,
      id: 'debian',
      versionId: '13',
      prettyName: 'Debian GNU/Linux 13 (trixie)',
      architecture: 'x86',
      kernels: ['6.12'],
      fstabDevices: [{ line: 1, text: '/dev/sda1 / ext4 defaults 0 1' }],
      hasCloudInit: true,
    });
    expect(await inspectDrivers(tree, { kernels: ['6.12'] }, findings)).toEqual({
      virtioDrivers: ['virtio_blk', 'virtio_pci'],
    });
    expect(findings).toEqual(noFindings());
  });

  it('is not told where nothing tells', async () => {
    expect(await isLinuxRoot(treeOf({ home: {}, etc: { passwd: '' } }))).toBe(false);
    const facts = await inspectLinux(treeOf({ etc: { fstab: '' } }), 3, noFindings());
    expect(facts).toEqual({
      family: 'linux',
      partition: 3,
      kernels: [],
      fstabDevices: [],
      hasCloudInit: false,
    });
  });

  it('has drivers by the configuration of its kernel', async () => {
    const boot = {
      'vmlinuz-5': 'x',
      'config-5':
        'CONFIG_VIRTIO=y\nCONFIG_VIRTIO_BLK=m\n# CONFIG_VIRTIO_PCI is not set\nCONFIG_SCSI_VIRTIO=y\n',
    };
    const driversOf = (folder: MemoryFolder) =>
      inspectDrivers(treeOf({ boot: folder }), { kernels: ['5'] }, noFindings());
    expect(await driversOf(boot)).toEqual({ virtioDrivers: ['virtio_scsi'] });
    expect(await driversOf({ ...boot, 'config-5': 'CONFIG_VIRTIO=y\n' })).toEqual({ virtioDrivers: [] });
    expect(await driversOf({ 'vmlinuz-5': 'x' })).toEqual({});
  });

  it('has an initramfs that leads nowhere, or is nothing', async () => {
    const findings = noFindings();
    const boot = { 'initrd.img-5': { link: 'lost' }, 'config-5': 'CONFIG_VIRTIO_BLK=y\n' };
    expect(await inspectDrivers(treeOf({ boot }), { kernels: ['5'] }, findings)).toEqual({
      initramfs: '/boot/initrd.img-5',
      isInitramfsPartial: true,
      virtioDrivers: ['virtio_blk'],
    });
    await inspectDrivers(treeOf({ boot: { 'initrd.img-5': 'nonsense' } }), { kernels: ['5'] }, findings);
    expect(findings.notLookedAt.map(({ what }) => what)).toEqual([
      '/boot/initrd.img-5',
      '/boot/initrd.img-5',
    ]);
    expect(findings.notes).toMatchObject([
      { code: 'damaged-content', message: expect.stringContaining('byte 0') },
    ]);
  });

  it('whose kernel looks for its root under a name that changes', async () => {
    const grub =
      'set default=0\n# linux root=/dev/sda9\n  linux /vmlinuz root=UUID=1234 ro\n  linux /vmlinuz root=/dev/vda1 ro\n';
    const entries = {
      'a.conf': 'options ro root=/dev/mapper/vg0-root\n',
      'b.conf': 'options root=/dev/sda2 ro',
      'c.txt': 'root=/dev/sda1',
    };
    const findings = noFindings();
    await inspectLinux(
      treeOf({ etc: { fstab: '' }, boot: { grub: { 'grub.cfg': grub }, loader: { entries } } }),
      1,
      findings,
    );
    expect(
      findings.notes.map(({ code, message }) => [
        code,
        message.split(',')[0],
        /\/dev\/\w+/.exec(message)?.[0],
      ]),
    ).toEqual([
      ['root-by-device', '/boot/grub/grub.cfg', '/dev/vda1'],
      ['root-by-device', '/boot/loader/entries/b.conf', '/dev/sda2'],
    ]);
  });

  it('other machines, and cloud-init that is kept from running', async () => {
    for (const [machine, name] of [
      [3, 'ia32'],
      [183, 'arm'],
      [243, 'riscv64'],
      [258, 'loongarch64'],
    ] as const) {
      const facts = await inspectLinux(
        treeOf({ etc: { fstab: '' }, sbin: { init: elf(machine) } }),
        1,
        noFindings(),
      );
      expect(facts.architecture).toBe(name);
    }
    const findings = noFindings();
    const etc = { fstab: '', cloud: { 'cloud-init.disabled': '' } };
    await inspectLinux(treeOf({ etc, usr: { bin: { 'cloud-init': '' } } }), 1, findings);
    expect(findings.notes).toMatchObject([{ code: 'cloud-init-disabled', severity: 'warning' }]);
  });

  it('is told as far as its filesystem can be read', async () => {
    const whole = nodeOf(debian);
    const broken = fileTree(
      {
        ...whole,
        child: async (name) => {
          if (name === 'boot') throw new CorruptImageError('bad-table', 'The folder is broken.');
          return whole.child(name);
        },
      },
      [],
    );
    const findings = noFindings();
    const facts = await inspectLinux(broken, 1, findings);
    expect(facts).toMatchObject({ id: 'debian', hasCloudInit: true });
    expect(facts.kernels).toBeUndefined();
    expect(findings.notes).toEqual([
      { code: 'damaged-content', message: '/boot: The folder is broken.', severity: 'error' },
    ]);
    expect(findings.notLookedAt).toEqual([{ what: '/boot', why: 'The folder is broken.' }]);
  });
});
