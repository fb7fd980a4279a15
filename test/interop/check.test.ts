/** Two opinions on one qcow2: the verdict of a check is that of qemu-img check. */

import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { checkImage, type ImageCheck } from '../../src/index.ts';
import { fixtureBytes, fixtures } from '../support/fixtures.ts';
import { launch } from '../support/launch.ts';
import { describeWith, qemuImg, qemuIo } from '../support/native-tools.ts';
import { seededGuest } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

type Verdict = Partial<Omit<ImageCheck, 'findings' | 'warnings'>>;

/** What qemu-img says, or undefined where it cannot check. */
async function qemuCheck(path: string): Promise<{ code: number; check: Verdict } | undefined> {
  const { code, out } = await launch('qemu-img', ['check', '-f', 'qcow2', '--output=json', path]);
  return code === 0 || code === 2 || code === 3 ? { code, check: JSON.parse(out) } : undefined;
}

const codeOf = ({ corruptions, leaks }: ImageCheck): number => (corruptions ? 2 : leaks ? 3 : 0);

/** The same verdict; of a sound image also the same figures. False where qemu-img has none. */
async function expectAgreement(path: string): Promise<boolean> {
  const theirs = await qemuCheck(path);
  if (theirs === undefined) return false;
  const ours = await checkImage(path, { format: 'qcow2' });
  expect({ code: codeOf(ours), findings: ours.findings.slice(0, 3) }).toMatchObject({ code: theirs.code });
  if (theirs.code === 3) expect(ours.leaks).toBe(theirs.check.leaks);
  if (theirs.code === 0) {
    const { findings, warnings, ...figures } = ours;
    expect(figures).toEqual(theirs.check);
  }
  return true;
}

/** Made by qemu-img from a guest with data, zeros and holes. */
async function make(name: string, options: string, compress = false): Promise<string> {
  const raw = temp('guest.raw');
  writeFileSync(raw, seededGuest(4 * MiB + 512, 71));
  const path = temp(`${name}.qcow2`);
  const flags = [...(compress ? ['-c'] : []), ...(options === '' ? [] : ['-o', options])];
  await qemuImg(['convert', '-f', 'raw', '-O', 'qcow2', ...flags, raw, path]);
  return path;
}

type Steps = (path: string) => Promise<unknown>;

type ImageRow = readonly [name: string, options: string, compress: boolean, steps?: Steps];

const rows: readonly ImageRow[] = [
  ['plain', '', false],
  ['version 2', 'compat=0.10', false],
  ['clusters of 512 bytes', 'cluster_size=512', false],
  ['clusters of 2 MiB', 'cluster_size=2M', false],
  ['zlib', '', true],
  ['zstd', 'compression_type=zstd', true],
  ['zstd in clusters of 4 KiB', 'compression_type=zstd,cluster_size=4k', true],
  ['extended L2', 'extended_l2=on', false],
  ['extended L2, compressed', 'extended_l2=on', true],
  ...[1, 2, 4, 8, 32, 64].map(
    (bits) => [`refcounts of ${bits} bits`, `refcount_bits=${bits}`, false] as const,
  ),
  ['preallocated', 'preallocation=metadata', false],
  ['lazy refcounts', 'lazy_refcounts=on', false],
  [
    'snapshots',
    '',
    true,
    async (path) => {
      await qemuImg(['snapshot', '-c', 'one', path]);
      await qemuIo('qcow2', path, ['write -P 0x11 1M 256k', 'write -z 2M 128k', 'discard 3M 192k']);
      await qemuImg(['snapshot', '-c', 'two', path]);
      await qemuIo('qcow2', path, ['write -P 0x22 1M 64k']);
    },
  ],
  [
    'snapshots that were deleted',
    'refcount_bits=8',
    false,
    async (path) => {
      for (const name of ['one', 'two', 'three']) await qemuImg(['snapshot', '-c', name, path]);
      await qemuImg(['snapshot', '-d', 'two', path]);
      await qemuIo('qcow2', path, ['write -P 0x33 0 1M']);
    },
  ],
  [
    'bitmaps',
    'cluster_size=4k',
    false,
    async (path) => {
      await qemuImg(['bitmap', '--add', '-g', '4k', path, 'fine']);
      await qemuImg(['bitmap', '--add', '--disable', path, 'idle']);
      await qemuIo('qcow2', path, ['write -P 0x44 1M 512k']);
    },
  ],
  [
    'written in place',
    'cluster_size=64k',
    true,
    async (path) => {
      await qemuImg(['resize', path, '32M']);
      await qemuIo('qcow2', path, ['write -P 0x11 3k 130k', 'write -z -u 700k 64k', 'write -c -P 1 8M 64k']);
    },
  ],
];

const images = rows.map(([name, options, compress, steps]) => ({ name, options, compress, steps }));

const OFFSET = 0x00fffffffffffe00n;
const COPIED = 1n << 63n;

/** Where things stand in an image. */
function anatomy(b: Buffer) {
  const at = (place: number): number => Number(b.readBigUInt64BE(place) & OFFSET);
  const l1 = at(40);
  let l2 = l1;
  while (at(l2) === 0) l2 += 8;
  const table = at(l2);
  const entries: number[] = [];
  const isPlain = (place: number) => at(place) !== 0 && (b.readBigUInt64BE(place) >> 62n) % 2n === 0n;
  const [clusterSize, entrySize] = [2 ** b.readUInt32BE(20), (b[79] as number) & 16 ? 16 : 8];
  for (let place = table; place < table + clusterSize; place += entrySize)
    if (isPlain(place)) entries.push(place);
  const refcountTable = at(48);
  const bits = b.readUInt32BE(4) === 2 ? 16 : 2 ** b.readUInt32BE(96);
  return {
    at,
    l1Entry: l2,
    l2Table: table,
    entries,
    refcountTable,
    refcountBlock: at(refcountTable),
    bits,
    clusterSize,
  };
}

type Anatomy = ReturnType<typeof anatomy>;

/** Adds to the refcount of the cluster at `fileOffset`, in any width. */
function addToRefcount(b: Buffer, a: Anatomy, fileOffset: number, difference: number): void {
  const first = (fileOffset / a.clusterSize) * a.bits;
  const byte = a.refcountBlock + Math.floor(first / 8);
  if (a.bits >= 8) {
    const at = byte + a.bits / 8 - 1;
    b[at] = (b[at] as number) + difference;
  } else {
    const shift = first % 8;
    const mask = (2 ** a.bits - 1) << shift;
    const value = (((b[byte] as number) & mask) >> shift) + difference;
    b[byte] = ((b[byte] as number) & ~mask) | ((value << shift) & mask);
  }
}

const flip = (b: Buffer, at: number, bits: bigint) => b.writeBigUInt64BE(b.readBigUInt64BE(at) ^ bits, at);

const damages: readonly (readonly [name: string, damage: (b: Buffer, a: Anatomy) => unknown])[] = [
  ['refcount of the L2 table lowered', (b, a) => addToRefcount(b, a, a.l2Table, -1)],
  ['refcount of the refcount table lowered', (b, a) => addToRefcount(b, a, a.refcountTable, -1)],
  ['refcount of data lowered', (b, a) => addToRefcount(b, a, a.at(a.entries[0] as number), -1)],
  ['refcount of the refcount table raised', (b, a) => a.bits > 1 && addToRefcount(b, a, a.refcountTable, 1)],
  ['refcount of data raised', (b, a) => a.bits > 1 && addToRefcount(b, a, a.at(a.entries[0] as number), 1)],
  ['refcount block forgotten', (b, a) => b.writeBigUInt64BE(0n, a.refcountTable)],
  ['refcount block past the end', (b, a) => b.writeBigUInt64BE(2n ** 40n, a.refcountTable)],
  ['L1 entry forgotten', (b, a) => b.writeBigUInt64BE(0n, a.l1Entry)],
  ['L1 entry past the end', (b, a) => b.writeBigUInt64BE(COPIED | (2n ** 40n), a.l1Entry)],
  ['L1 entry with a reserved bit', (b, a) => flip(b, a.l1Entry, 2n)],
  ['L1 entry with the other COPIED flag', (b, a) => flip(b, a.l1Entry, COPIED)],
  ['L2 entry forgotten', (b, a) => b.writeBigUInt64BE(0n, a.entries[0] as number)],
  ['L2 entry past the end', (b, a) => b.writeBigUInt64BE(COPIED | (2n ** 40n), a.entries[0] as number)],
  [
    'L2 entry duplicated',
    (b, a) => b.copy(b, a.entries[1] as number, a.entries[0], (a.entries[0] as number) + 8),
  ],
  ['L2 entry with a reserved bit', (b, a) => flip(b, a.entries[0] as number, 4n)],
  ['L2 entry with the other COPIED flag', (b, a) => flip(b, a.entries[0] as number, COPIED)],
];

describeWith(['qemu-img', 'qemu-io'], 'diskimg check and qemu-img check', () => {
  const qcow2 = fixtures.filter(({ format, file }) => format === 'qcow2' && file.includes('.qcow2'));

  test('agree on every fixture that both check', async () => {
    let agreed = 0;
    for (const fixture of qcow2) {
      const path = temp(fixture.file.replace(/.*\//, '').replace(/\.gz$/, ''));
      writeFileSync(path, fixtureBytes(fixture));
      if (await expectAgreement(path)) agreed += 1;
    }
    expect(agreed).toBeGreaterThan(30);
  });

  describe.each(images)('$name', ({ name, options, compress, steps }) => {
    test('is sound', async () => {
      const path = await make(name, options, compress);
      await steps?.(path);
      expect(await expectAgreement(path)).toBe(true);
    });

    test('damaged, one thing at a time', async () => {
      const path = await make(`${name}, damaged`, options, compress);
      await steps?.(path);
      // A compressed image gets some plain clusters, too.
      await qemuIo('qcow2', path, ['write -P 0x55 64k 256k']);
      const sound = readFileSync(path);
      const wrong: string[] = [];
      for (const [what, damage] of damages) {
        const bytes = Buffer.from(sound);
        const parts = anatomy(bytes);
        if (what.includes('duplicated') && parts.entries.length < 2) continue;
        if (parts.entries.length === 0) continue;
        damage(bytes, parts);
        writeFileSync(path, bytes);
        const theirs = await qemuCheck(path);
        const ours = await checkImage(path, { format: 'qcow2' });
        if (theirs && theirs.code !== codeOf(ours)) {
          wrong.push(`${what}: ${codeOf(ours)}, expected ${theirs.code}: ${JSON.stringify(theirs.check)}`);
        }
      }
      expect(wrong).toEqual([]);
    });
  });

  test('a cluster more in a file than is in use', async () => {
    const path = await make('appended', 'cluster_size=64k');
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(100 * KiB)]));
    expect(await expectAgreement(path)).toBe(true);
  });
});
