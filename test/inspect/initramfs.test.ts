/** Drivers in an initramfs, as the real tools pack one; and bytes that are none. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { findDrivers } from '../../src/inspect/linux/initramfs.ts';
import { nodeOf } from '../support/memory-tree.ts';
import { describeWith } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

/** Bytes that do not pack well, and differ from file to file. */
function noise(length: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

const DRIVERS = 'usr/lib/modules/6.1.0/kernel/drivers';

function archive(name: string, files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const folder = temp(name);
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(`${folder}/${path}`.replace(/\/[^/]*$/, ''), { recursive: true });
    writeFileSync(`${folder}/${path}`, bytes);
  }
  const list = `find . | LC_ALL=C sort | cpio -o -H newc --quiet > ../${name}.cpio`;
  execFileSync('sh', ['-c', list], { cwd: folder });
  return new Uint8Array(readFileSync(temp(`${name}.cpio`)));
}

const pack = (bytes: Uint8Array, file: string, args: readonly string[]): Uint8Array =>
  new Uint8Array(execFileSync(file, args, { input: bytes, maxBuffer: 2 ** 28 }));

const packers: Readonly<Record<string, readonly string[]>> = {
  gzip: ['gzip', '-9n'],
  zstd: ['zstd', '-q', '-c'],
  xz: ['xz', '-0', '--check=crc32', '-c'],
  lz4: ['lz4', '-l', '-c'],
};

async function driversIn(bytes: Uint8Array): Promise<string[]> {
  const found = new Set<string>();
  await findDrivers(nodeOf(bytes), found);
  return [...found].sort();
}

describeWith(['cpio', 'lz4', 'xz', 'zstd', 'bzip2'], 'an initramfs', () => {
  const main = archive('main', {
    init: noise(3000, 1),
    'bin/busybox': Buffer.concat(Array(32).fill(noise(300_000, 2))),
    [`${DRIVERS}/block/virtio_blk.ko.xz`]: noise(5001, 3),
    [`${DRIVERS}/net/virtio_net.ko`]: noise(70_000, 4),
    [`${DRIVERS}/scsi/sd_mod.ko`]: noise(10, 5),
    'etc/virtio_scsi.ko.conf': noise(10, 6),
  });
  const early = archive('early', { 'kernel/x86/microcode/GenuineIntel.bin': noise(300_000, 7) });
  const late = archive('late', { [`${DRIVERS}/virtio/virtio-pci.ko.zst`]: noise(10, 8) });
  const padded = (bytes: Uint8Array): Uint8Array => {
    const into = new Uint8Array(Math.ceil(bytes.length / 4096) * 4096);
    into.set(bytes);
    return into;
  };

  for (const [name, [file = '', ...args]] of Object.entries(packers)) {
    it(`packed with ${name}, behind microcode`, async () => {
      const packed = pack(main, file, args);
      expect(await driversIn(packed)).toEqual(['virtio_blk', 'virtio_net']);
      expect(await driversIn(Buffer.concat([padded(early), packed]))).toEqual(['virtio_blk', 'virtio_net']);
      // Several archives in one stream.
      const both = pack(Buffer.concat([padded(early), padded(late), main]), file, args);
      expect(await driversIn(both)).toEqual(['virtio_blk', 'virtio_net', 'virtio_pci']);
    });

    it(`packed with ${name} and cut off, or with a byte that is wrong, is an error and never a guess`, async () => {
      const packed = pack(main, file, args);
      await expect(driversIn(packed.subarray(0, packed.length / 2))).rejects.toMatchObject({
        code: 'bad-data',
      });
      const poked = packed.slice();
      poked.fill(0xa5, 2000, 2600);
      await driversIn(poked).catch((error) => expect(error).toBeInstanceOf(ImageError));
      // The decoder is free for the next one.
      expect(await driversIn(packed)).toEqual(['virtio_blk', 'virtio_net']);
    });
  }

  it('not packed: what is not wanted is not read', async () => {
    const node = nodeOf(Buffer.concat([padded(early), padded(main), late]));
    let bytes = 0;
    const counted = {
      ...node,
      read: (offset: number, length: number) => {
        bytes += length;
        return node.read(offset, length);
      },
    };
    const found = new Set<string>();
    await findDrivers(counted, found);
    expect([...found].sort()).toEqual(['virtio_blk', 'virtio_net', 'virtio_pci']);
    expect(bytes).toBeLessThan(20_000);
  });

  it('stops when it has them all', async () => {
    const all = archive(
      'all',
      Object.fromEntries(
        ['virtio_blk', 'virtio_net', 'virtio_pci', 'virtio_scsi'].map((name) => [
          `a/${name}.ko`,
          noise(10, 9),
        ]),
      ),
    );
    const garbage = noise(100, 10);
    expect(await driversIn(Buffer.concat([all, garbage]))).toHaveLength(4);
    for (const [file = '', ...args] of Object.values(packers)) {
      const packed = pack(Buffer.concat([padded(all), noise(1_000_000, 11)]), file, args);
      expect(await driversIn(packed)).toHaveLength(4);
      expect(await driversIn(packed)).toHaveLength(4);
    }
  });

  it('names what it cannot unpack', async () => {
    const packed = pack(early, 'bzip2', ['-c']);
    await expect(driversIn(packed)).rejects.toMatchObject({
      code: 'unsupported-feature',
      message: expect.stringContaining('bzip2'),
    });
  });

  it('a bomb goes off within its bounds', async () => {
    const zeros = new Uint8Array(40 * 1024 * 1024);
    const header = `070701${[1, 0x8000 + 0o644, 0, 0, 1, 0, 0x7ffffff0, 0, 0, 0, 0, 4, 0].map((n) => n.toString(16).padStart(8, '0')).join('')}bin\0\0\0`;
    const start = new TextEncoder().encode(header);
    const bomb = Buffer.concat([pack(start, 'gzip', ['-n']), ...Array(8).fill(pack(zeros, 'gzip', ['-1n']))]);
    expect(bomb.length).toBeLessThan(2 * 1024 * 1024);
    await expect(driversIn(bomb)).rejects.toMatchObject({ code: 'over-budget' });
  });

  it('mutated ones end, with drivers or an error', async () => {
    const small = archive('small', {
      [`${DRIVERS}/block/virtio_blk.ko`]: noise(500, 12),
      etc: noise(200, 13),
    });
    const specimens = [
      small,
      ...Object.values(packers).map(([file = '', ...args]) => pack(small, file, args)),
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...specimens),
        fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        async (specimen, pokes) => {
          const bytes = specimen.slice();
          for (const [at, value] of pokes) bytes[at % bytes.length] = value;
          try {
            await driversIn(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(ImageError);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('what is no initramfs', () => {
  it('is an error, or empty', async () => {
    await expect(driversIn(noise(1000, 1))).rejects.toMatchObject({ code: 'bad-data' });
    expect(await driversIn(new Uint8Array())).toEqual([]);
    expect(await driversIn(new Uint8Array(4096))).toEqual([]);
    await expect(driversIn(new Uint8Array(1024 * 1024))).rejects.toMatchObject({ code: 'bad-data' });
    await expect(driversIn(new TextEncoder().encode(`070701${'z'.repeat(104)}`))).rejects.toMatchObject({
      code: 'bad-data',
    });
  });
});
