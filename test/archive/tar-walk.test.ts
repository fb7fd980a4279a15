/** What is in an archive: as tar writes it in every flavour, and as nobody should. */

import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ArchiveMember, tarMembers } from '../../src/archive/tar-walk.ts';
import { tarEnd, tarHeader } from '../../src/binary/tar.ts';
import { ImageError } from '../../src/index.ts';
import { openFileSource } from '../../src/io/file-source.ts';
import { memorySource } from '../../src/io/memory.ts';
import { tarOf } from '../support/ova.ts';
import { seededRandom } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

async function members(bytes: Uint8Array): Promise<ArchiveMember[]> {
  const found: ArchiveMember[] = [];
  for await (const member of tarMembers(memorySource(bytes))) found.push(member);
  return found;
}

const LONG = `${'folder/'.repeat(13)}${'disk'.repeat(20)}.vmdk`;
const files = { './first.ovf': '<Envelope/>', [LONG]: 'a'.repeat(700), 'empty.img': '', 'last.vmdk': 'zz' };

/** A header with its checksum made anew after `change`. */
function header(change: (block: Uint8Array) => void, size = 0): Uint8Array {
  const block = tarHeader('disk.vmdk', size);
  change(block);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  return block;
}

const ofType = (type: string, size: number): Uint8Array =>
  header((block) => {
    block[156] = type.charCodeAt(0);
  }, size);

const text = (value: string): Uint8Array => {
  const bytes = new Uint8Array(Math.ceil(value.length / 512) * 512);
  bytes.set(new TextEncoder().encode(value));
  return bytes;
};

describe('of tar', () => {
  it.each([['ustar'], ['gnu'], ['oldgnu'], ['pax']])('--format=%s', async (format) => {
    const bytes = tarOf(temp('.'), files, [`--format=${format}`]);
    const found = await members(bytes);
    expect(found.map(({ name }) => name)).toEqual(['first.ovf', LONG, 'empty.img', 'last.vmdk']);
    const contents = found.map(({ start, size }) => bytes.toString('latin1', start, start + size));
    expect(contents).toEqual(Object.values(files));
  });

  it('folders are passed over, links are no files', async () => {
    mkdirSync(temp('links/a'), { recursive: true });
    writeFileSync(temp('links/a/x.vmdk'), 'x');
    linkSync(temp('links/a/x.vmdk'), temp('links/a/y.vmdk'));
    symlinkSync('x.vmdk', temp('links/a/z.vmdk'));
    execFileSync('tar', [
      '--format=ustar',
      '--sort=name',
      '-C',
      temp('links'),
      '-cf',
      temp('links.tar'),
      'a',
    ]);
    const link = 'is a link, or no file';
    expect(
      (await members(readFileSync(temp('links.tar')))).map(({ name, obstacle }) => [name, obstacle]),
    ).toEqual([
      ['a/x.vmdk', undefined],
      ['a/y.vmdk', link],
      ['a/z.vmdk', link],
    ]);
  });

  it.each([['gnu'], ['pax']])('a file with holes is told from others: %s', async (format) => {
    writeFileSync(temp('disk.raw'), Buffer.alloc(70_000, 7));
    truncateSync(temp('disk.raw'), 1024 * 1024);
    execFileSync('tar', [`--format=${format}`, '-S', '-C', temp('.'), '-cf', temp('holes.tar'), 'disk.raw']);
    expect(await members(readFileSync(temp('holes.tar')))).toMatchObject([
      { obstacle: 'is stored with its holes left out' },
    ]);
  });

  it('a member of 9 GiB is passed over, and nothing of it read', async () => {
    const size = 9 * 1024 ** 3 + 5;
    const file = openSync(temp('large.tar'), 'w');
    writeSync(file, tarHeader('disk.raw', size));
    writeSync(file, tarHeader('next.raw', 3), 0, 512, 512 + 9 * 1024 ** 3 + 512);
    ftruncateSync(file, 512 + size + tarEnd(size).length);
    closeSync(file);
    const source = await openFileSource(temp('large.tar'));
    const found: string[] = [];
    for await (const member of tarMembers(source)) found.push(`${member.name} ${member.size}`);
    await source.close();
    expect(found).toEqual([`disk.raw ${size}`, 'next.raw 3']);
  });
});

describe('broken', () => {
  const data = new Uint8Array(512);
  it.each([
    ['a size past the end', [tarHeader('a', 1e9), data], 'truncated'],
    ['a size that is no number', [header((block) => block.fill(0x39, 124, 135)), data], 'bad-header'],
    [
      'a size past what is exact',
      [header((block) => block.fill(0xff, 125, 136).fill(0x80, 124, 125))],
      'bad-header',
    ],
    ['a negative size', [header((block) => block.fill(0xff, 124, 136))], 'bad-header'],
    ['half a header', [tarHeader('a', 0), data.subarray(0, 100)], 'truncated'],
    ['no header where one must be', [tarHeader('a', 0), data.fill(1)], 'bad-header'],
    ['records larger than any', [ofType('x', 1e6), new Uint8Array(1_000_448)], 'over-budget'],
    ['a long name without an end', [ofType('L', 1e9)], 'over-budget'],
    ['records that are none', [ofType('x', 20), text('path of a long file')], 'bad-header'],
    ['a record of length 0', [ofType('x', 7), text('0 a=bc\n')], 'bad-header'],
    ['a record past its block', [ofType('x', 11), text('99 path=ab\n')], 'bad-header'],
    ['a record of a size that is none', [ofType('x', 12), text('12 size=-77\n')], 'bad-header'],
    [
      'a record of a size past the end',
      [ofType('x', 15), text('15 size=777777\n'), tarHeader('a', 0)],
      'truncated',
    ],
    ['nothing but headers of names', Array.from({ length: 10_001 }, () => ofType('x', 0)), 'over-budget'],
  ])('%s', async (_, parts, code) => {
    await expect(members(Buffer.concat(parts))).rejects.toMatchObject({ code });
  });

  it('a kind that is not known has an obstacle', async () => {
    expect(await members(Buffer.concat([ofType('M', 3), text('abc'), new Uint8Array(1024)]))).toMatchObject([
      { name: 'disk.vmdk', obstacle: 'is of a kind that is not known' },
    ]);
  });

  it('any bytes give members within the archive, or an error with a code', async () => {
    const bytes = tarOf(temp('.'), files, ['--format=pax']);
    const random = seededRandom(11);
    for (let round = 0; round < 2000; round++) {
      const other = Uint8Array.from(bytes);
      const block = (random() % (bytes.length / 512)) * 512;
      // The sum is put right again, so that what it guards is read.
      const changed = header((own) => {
        own.set(other.subarray(block, block + 512));
        for (let count = 0; count < 3; count++) own[random() % 512] = random() & 0xff;
      });
      other.set(changed, block);
      try {
        for (const { start, size } of await members(other)) {
          expect(start + size).toBeLessThanOrEqual(other.length);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(ImageError);
      }
    }
  });
});
