/** diskimg compare beside qemu-img compare: the same verdict, the same exit code, the same sector. */

import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { withBadPayload } from '../formats/poke.ts';
import { diskimg } from '../support/command.ts';
import { repeated } from '../support/guest-disks.ts';
import { launch } from '../support/launch.ts';
import { describeWith, qemuFormat, qemuImg } from '../support/native-tools.ts';
import { seededGuest, seededRandom } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const SIZE = 6 * MiB + 512;
const formats = ['raw', 'qcow2', 'vhd', 'vdi', 'vmdk'] as const;
type Name = (typeof formats)[number];

/** Disks by name: `same` twice over, one with a bit flipped, a larger one with zeros, a larger one with data. */
const base = Buffer.concat([seededGuest(2 * MiB, 1), Buffer.alloc(2 * MiB), seededGuest(2 * MiB + 512, 2)]);
const grown = (tail: number): Buffer => Buffer.concat([base, Buffer.alloc(3 * MiB - 1), Buffer.from([tail])]);
const disks: Record<string, Buffer> = {
  base,
  'longer by zeros': grown(0),
  'longer by data': grown(1),
  empty: Buffer.alloc(SIZE),
};
const random = seededRandom(7);
for (const place of [0, 512, 3 * MiB + 77, 4 * MiB - 1, SIZE - 1, random() % SIZE]) {
  const disk = Buffer.from(base);
  disk[place] = (disk[place] as number) ^ (1 << (random() % 8));
  disks[`flipped at ${place}`] = disk;
}

const pathOf = (disk: string, format: Name): string => temp(`${disk}.${format}`);

beforeAll(async () => {
  for (const [name, bytes] of Object.entries(disks)) {
    const source = pathOf(name, 'raw');
    writeFileSync(source, bytes);
    await qemuImg(['convert', '-c', '-f', 'raw', '-O', 'qcow2', source, pathOf(name, 'qcow2')]);
    const options = ['-f', 'raw', '-O', 'vpc', '-o', 'force_size=on'];
    await qemuImg(['convert', ...options, source, pathOf(name, 'vhd')]);
    await qemuImg(['convert', '-f', 'raw', '-O', 'vdi', source, pathOf(name, 'vdi')]);
    await qemuImg(['convert', '-f', 'raw', '-O', 'vmdk', source, pathOf(name, 'vmdk')]);
  }
}, 60_000);

/** Exit code, and the lines; offsets down to the sector, as qemu-img tells them. */
interface Verdict {
  readonly code: number | string;
  readonly lines: readonly string[];
}

async function theirs(flags: readonly string[], paths: readonly string[]): Promise<Verdict> {
  const { code, out } = await launch('qemu-img', ['compare', ...flags, ...paths]);
  return { code, lines: out.trim().split('\n') };
}

async function ours(flags: readonly string[], paths: readonly string[]): Promise<Verdict> {
  const { code, out } = await diskimg(['compare', '--first', ...flags, ...paths]);
  const lines = out.replace(/offset (\d+)/, (_, at) => `offset ${Number(at) - (Number(at) % 512)}`);
  return { code, lines: lines.trim().split('\n') };
}

async function expectAgreement(a: string, b: string, [first, second]: [Name, Name], strict: boolean) {
  const paths = [pathOf(a, first), pathOf(b, second)];
  const flags = (name: (format: string) => string) => [
    ...['-f', name(first), '-F', name(second)],
    ...(strict ? ['-s'] : []),
  ];
  expect(await ours(flags(String), paths)).toEqual(await theirs(flags(qemuFormat), paths));
}

describeWith(['qemu-img'], 'diskimg compare and qemu-img compare', () => {
  const pairs = formats.flatMap((first) => formats.map((second): [Name, Name] => [first, second]));

  test.each(pairs)('agree on %s and %s', async (first, second) => {
    for (const other of Object.keys(disks)) {
      await expectAgreement('base', other, [first, second], false);
      // Of disks of one size the pair of formats the other way round is the same question.
      if (other.startsWith('longer')) await expectAgreement(other, 'base', [first, second], false);
    }
  });

  test.each(formats)('agree on different sizes of %s in strict mode', async (format) => {
    for (const other of ['longer by zeros', 'longer by data']) {
      await expectAgreement('base', other, [format, format], true);
    }
  });

  test('agree on what cannot be opened', async () => {
    const missing = [pathOf('base', 'raw'), temp('no-such.raw')];
    expect((await ours(['-f', 'raw', '-F', 'raw'], missing)).code).toBe(2);
    expect((await theirs(['-f', 'raw', '-F', 'raw'], missing)).code).toBe(2);
    const noQcow2 = [pathOf('base', 'raw'), pathOf('base', 'raw')];
    expect((await ours(['-f', 'raw', '-F', 'qcow2'], noQcow2)).code).toBe(2);
    expect((await theirs(['-f', 'raw', '-F', 'qcow2'], noQcow2)).code).toBe(2);
  });

  test('agree on data that cannot be decoded', async () => {
    writeFileSync(temp('text.raw'), repeated(MiB, 1));
    await qemuImg(['convert', '-c', '-f', 'raw', '-O', 'qcow2', temp('text.raw'), temp('text.qcow2')]);
    writeFileSync(temp('bad-data.qcow2'), withBadPayload(readFileSync(temp('text.qcow2'))));
    const paths = [temp('bad-data.qcow2'), temp('text.raw')];
    expect((await ours(['-f', 'qcow2', '-F', 'raw'], paths)).code).toBe(4);
    expect((await theirs(['-f', 'qcow2', '-F', 'raw'], paths)).code).toBe(4);
  });
});
