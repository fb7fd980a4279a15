/** What fills a volume: what `blkid -p` says of what Debian's tools make, and documented bytes of what has no tool here. */

import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { ImageError } from '../../src/errors.ts';
import { identify } from '../../src/inspect/superblocks/index.ts';
import { physicalVolume } from '../support/lvm-disk.ts';
import { describeWith, run, type ToolName } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { fileVolume, loadVolume, memoryVolume } from '../support/volumes.ts';

const temp = tempFolder();

/** blkid's names where ours differ. */
const TYPES: Readonly<Record<string, string>> = { crypto_LUKS: 'luks', LVM2_member: 'lvm2' };

async function blkid(path: string): Promise<{ kind: string; label?: string; uuid?: string }> {
  const value = async (name: string) => {
    const output = (await run('blkid', ['-p', '-o', 'value', '-s', name, path])).trim();
    return output === '' ? undefined : output;
  };
  const tags = await Promise.all(['TYPE', 'VERSION', 'LABEL', 'UUID'].map(value));
  const [type = '', version = '', label, uuid] = tags;
  const kind = type === 'crypto_LUKS' ? `luks${version}` : type === 'vfat' ? version.toLowerCase() : type;
  return {
    kind: TYPES[kind] ?? kind,
    ...(label !== undefined && { label }),
    ...(uuid !== undefined && { uuid }),
  };
}

/** What is made, how, in a file of how many MiB. */
const made: readonly (readonly [ToolName, string, number, readonly string[]])[] = [
  ['mke2fs', 'ext2', 8, ['-q', '-F', '-t', 'ext2', '-L', 'zwei']],
  ['mke2fs', 'ext3', 8, ['-q', '-F', '-t', 'ext3', '-L', 'drei']],
  ['mke2fs', 'ext4', 8, ['-q', '-F', '-t', 'ext4', '-L', 'vier ü']],
  ['mke2fs', 'ext4', 8, ['-q', '-F', '-t', 'ext4', '-O', '^has_journal']],
  ['mkfs.xfs', 'xfs', 320, ['-q', '-L', 'daten']],
  ['mkfs.btrfs', 'btrfs', 130, ['-q', '-L', 'wurzel']],
  ['mkfs.vfat', 'fat12', 4, ['-F', '12', '-n', 'KLEIN']],
  ['mkfs.vfat', 'fat16', 32, ['-F', '16', '-n', 'EFI SYSTEM']],
  ['mkfs.vfat', 'fat32', 64, ['-F', '32', '-n', 'GROSS']],
  ['mkfs.vfat', 'fat32', 64, ['-F', '32']],
  ['mkfs.ntfs', 'ntfs', 16, ['-F', '-q', '-f', '-L', 'Fenster ü']],
  ['mkswap', 'swap', 10, ['-L', 'tausch']],
];

describe('as blkid says', () => {
  for (const [index, [tool, kind, size, args]] of made.entries()) {
    describeWith(['blkid', tool], `${kind}: ${tool} ${args.join(' ')}`, () => {
      it('is told', async () => {
        const path = temp(`made-${index}.img`);
        writeFileSync(path, '');
        execFileSync('truncate', ['-s', `${size}M`, path]);
        execFileSync(tool, [...args, path], { stdio: 'ignore' });
        const volume = fileVolume(path);
        const found = await identify(volume);
        expect(found).toEqual(await blkid(path));
        expect(found.kind).toBe(kind);
        expect(volume.readBytes).toBeLessThan(256 * KiB);
      });
    });
  }

  describeWith(['blkid', 'cryptsetup'], 'luks', () => {
    it.each(['luks1', 'luks2'])('%s', async (type) => {
      const path = temp(`${type}.img`);
      execFileSync('truncate', ['-s', '40M', path]);
      const cheap = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000'];
      const label = type === 'luks2' ? ['--label', 'geheim'] : [];
      execFileSync('cryptsetup', ['luksFormat', '-q', '--type', type, ...cheap, ...label, path, '-'], {
        input: 'a passphrase',
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      expect(await identify(fileVolume(path))).toEqual({ ...(await blkid(path)), isEncrypted: true });
    });
  });

  describeWith(['blkid'], 'lvm2', () => {
    it('is told', async () => {
      const path = temp('pv.img');
      writeFileSync(path, physicalVolume('pv0'));
      expect(await identify(fileVolume(path))).toEqual(await blkid(path));
    });
  });

  describeWith(['blkid', 'xorriso'], 'iso9660', () => {
    it('is told', async () => {
      const folder = temp('disc');
      mkdirSync(folder);
      writeFileSync(`${folder}/file`, 'text');
      const path = temp('disc.iso');
      await run('xorriso', ['-as', 'mkisofs', '-quiet', '-V', 'A DISC', '-o', path, folder]);
      expect(await identify(fileVolume(path))).toEqual(await blkid(path));
    });
  });
});

/** A volume of 1 MiB with some bytes in it. */
function volumeWith(...writes: readonly (readonly [at: number, bytes: string | readonly number[]])[]) {
  const volume = Buffer.alloc(MiB);
  for (const [at, bytes] of writes)
    volume.set(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, at);
  return memoryVolume(volume);
}

describe('by documented bytes', () => {
  const uuid = Array.from({ length: 16 }, (_, index) => index + 1);
  const asText = '01020304-0506-0708-090a-0b0c0d0e0f10';
  const bitlockerGuid = [
    0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 1,
  ];
  it.each([
    [
      'BitLocker',
      [
        [0, [0xeb, 0x58, 0x90]],
        [3, '-FVE-FS-'],
      ],
      { kind: 'bitlocker', isEncrypted: true },
    ],
    [
      'BitLocker To Go',
      [
        [3, 'MSWIN4.1'],
        [424, bitlockerGuid],
      ],
      { kind: 'bitlocker', isEncrypted: true },
    ],
    [
      'squashfs',
      [
        [0, 'hsqs'],
        [28, [4, 0]],
      ],
      { kind: 'squashfs' },
    ],
    [
      'UDF',
      [
        [32769, 'BEA01'],
        [34817, 'NSR02'],
        [36865, 'TEA01'],
      ],
      { kind: 'udf' },
    ],
    [
      'UDF and ISO 9660',
      [
        [32768, '\x01CD001'],
        [34816, '\xffCD001'],
        [36865, 'BEA01'],
        [38913, 'NSR03'],
      ],
      { kind: 'udf' },
    ],
    ['ZFS', [[129 * KiB, [0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0]]], { kind: 'zfs' }],
    [
      'RAID 1.2',
      [
        [4096, [0xfc, 0x4e, 0x2b, 0xa9, 1, 0, 0, 0]],
        [4096 + 16, uuid],
        [4096 + 32, 'host:0'],
      ],
      { kind: 'mdraid', label: 'host:0', uuid: asText },
    ],
    [
      'RAID 1.0',
      [
        [MiB - 8192, [0xfc, 0x4e, 0x2b, 0xa9, 1, 0, 0, 0]],
        [MiB - 8192 + 16, uuid],
      ],
      { kind: 'mdraid', uuid: asText },
    ],
    [
      'RAID 0.90',
      [
        [MiB - 65536, [0xfc, 0x4e, 0x2b, 0xa9]],
        [MiB - 65516, uuid.slice(0, 4)],
        [MiB - 65484, uuid.slice(4)],
      ],
      { kind: 'mdraid', uuid: asText },
    ],
    [
      'exFAT',
      [
        [3, 'EXFAT   '],
        [88, [128]],
        [96, [4]],
        [100, [0x78, 0x56, 0x34, 0x12]],
        [108, [9, 3]],
        [73728, [0x83, 2, 0x41, 0, 0xfc, 0]],
      ],
      { kind: 'exfat', label: 'Aü', uuid: '1234-5678' },
    ],
    ['nothing but zeros', [], { kind: 'empty' }],
    ['anything else', [[5, 'text']], { kind: 'unknown' }],
  ] as const)('%s', async (_name, writes, expected) => {
    expect(await identify(volumeWith(...writes))).toEqual(expected);
  });
});

it.each([0, 1, 511, 512, 1024, 4096])('a volume of %i bytes is told', async (size) => {
  expect(await identify(memoryVolume(new Uint8Array(size)))).toEqual({ kind: 'empty' });
  expect((await identify(memoryVolume(new Uint8Array(size).fill(0xff)))).kind).toBe(
    size ? 'unknown' : 'empty',
  );
});

describeWith(['mkfs.vfat', 'mkfs.ntfs'], 'damaged', () => {
  it.each(['mkfs.vfat', 'mkfs.ntfs'])('%s: told, or refused, and no more is read', async (tool) => {
    const path = temp(`damaged-${tool}.img`);
    execFileSync('truncate', ['-s', '4M', path]);
    execFileSync(tool, [...(tool === 'mkfs.ntfs' ? ['-F', '-q', '-f'] : []), path], { stdio: 'ignore' });
    const sound = loadVolume(path);
    const byte = fc.tuple(fc.integer({ min: 0, max: 8191 }), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(byte, { minLength: 1, maxLength: 8 }), async (changes) => {
        const bytes = sound.slice();
        for (const [at, value] of changes) bytes[at % (changes.length > 4 ? 96 : 8192)] = value;
        const volume = memoryVolume(bytes);
        const found = await identify(volume).catch((error) => error);
        if (found instanceof Error) expect(found).toBeInstanceOf(ImageError);
        else expect(found.kind).toMatch(/^[a-z0-9]+$/);
        expect(volume.readBytes).toBeLessThan(5 * MiB);
      }),
      { numRuns: 200 },
    );
  });
});
