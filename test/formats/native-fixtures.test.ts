/** Every image of native-fixtures/: the readable ones give the bytes that their makers gave them, the others refuse. */

import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import {
  CorruptImageError,
  convert,
  type ErrorCode,
  type ImageError,
  openImage,
  UnsupportedFeatureError,
} from '../../src/index.ts';
import { memorySource } from '../../src/io/memory.ts';
import { type Fixture, fixtureBytes, fixtureNamed, fixtures } from '../support/fixtures.ts';
import { sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

const source = (fixture: Fixture) => memorySource(fixtureBytes(fixture), fixture.file.replace(/\.gz$/, ''));
const open = (fixture: Fixture) => openImage(source(fixture));

/** The image as a file under its own name, for conversions with threads. */
function extracted(fixture: Fixture): string {
  const path = temp(fixture.file.replace(/\.gz$/, '').replace('/', '-'));
  writeFileSync(path, fixtureBytes(fixture));
  return path;
}

const readable = fixtures.filter(({ expect }) => expect === 'readable');
const isVendor = ({ format }: Fixture): boolean => format === 'zvhd' || format === 'zvhd2';

describe('readable', () => {
  test.each(readable)('$file: format and size', async (fixture) => {
    await using image = await open(fixture);
    expect(image.format).toBe(fixture.format);
    expect(image.isProbed).toBe(true);
    expect(image.virtualSize).toBe(fixture.virtualSize);
    expect(image.details.originalSize ?? fixture.originalSize).toBe(
      fixture.originalSize ?? image.details.originalSize,
    );
  });

  test.each(readable.filter(({ guestSha256 }) => guestSha256))('$file: guest bytes', async (fixture) => {
    const raw = temp('guest.raw');
    const report = await convert(source(fixture), raw, { format: 'raw' });
    expect(report).toMatchObject({ inputFormat: fixture.format, virtualSize: fixture.virtualSize });
    expect(sha256(readFileSync(raw))).toBe(fixture.guestSha256);
  });

  test('qcow2/huge: the data in it, and zeros for the rest of a TiB', async () => {
    const fixture = fixtureNamed('qcow2/huge');
    await using image = await open(fixture);
    for (const { guestOffset, length, sha256: expected } of fixture.dataRanges ?? []) {
      const bytes = new Uint8Array(length);
      await image.read(bytes, guestOffset);
      expect(sha256(bytes)).toBe(expected);
    }
    for await (const extent of image.extents()) {
      const isData = fixture.dataRanges?.some(
        ({ guestOffset, length }) =>
          guestOffset <= extent.guestOffset && extent.guestOffset + extent.length <= guestOffset + length,
      );
      expect(extent.kind === 'zero' || isData).toBe(true);
    }
  });
});

/** storedBlocksSha256 is over the number of each stored block, as a little-endian u32, and its bytes. */
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

describe('the vendor formats', () => {
  const images = readable.filter(isVendor);

  test.each(images)('$file: which blocks are stored, and their bytes', async (fixture) => {
    await using image = await open(fixture);
    const blocks: number[] = [];
    const digest = createHash('sha256');
    const block = new Uint8Array(2 * MiB);
    for await (const extent of image.extents()) {
      if (extent.kind === 'zero') continue;
      expect(extent).toMatchObject({ kind: 'packed', length: 2 * MiB, unpackedLength: 2 * MiB });
      const number = extent.guestOffset / block.length;
      blocks.push(number);
      await image.read(block, extent.guestOffset);
      digest.update(u32(number)).update(block);
    }
    expect(blocks).toEqual(fixture.storedBlocks);
    expect(digest.digest('hex')).toBe(fixture.storedBlocksSha256);
  });

  test.each(images.filter(({ guestSha256OverOriginalSize }) => guestSha256OverOriginalSize))(
    '$file: the size that was asked for is one option away',
    async (fixture) => {
      const raw = temp('original.raw');
      const path = extracted(fixture);
      const { virtualSize } = await convert(path, raw, { format: 'raw', size: 'original' });
      expect(virtualSize).toBe(fixture.originalSize);
      expect(sha256(readFileSync(raw))).toBe(fixture.guestSha256OverOriginalSize);
      rmSync(path);
    },
  );

  test('zvhd, blocks read in any order', async () => {
    const fixture = fixtureNamed('zvhd/dense');
    await using image = await open(fixture);
    const [first, second, third] = [
      new Uint8Array(2 * MiB),
      new Uint8Array(2 * MiB),
      new Uint8Array(2 * MiB),
    ];
    await image.read(third, 4 * MiB);
    await Promise.all([image.read(second, 2 * MiB), image.read(first, 0)]);
    const guest = Buffer.concat([first, second, third]);
    expect(sha256(guest)).toBe(fixture.guestSha256OverOriginalSize);
  });
});

/**
 * Images that are refused, by the error that says why, and where in the file it is. Nothing that an image names is
 * opened unless it is allowed: see chains.test.ts for when it is.
 */
const REFUSED: Record<
  string,
  { error: typeof ImageError; code: ErrorCode; fileOffset: number; says: RegExp; hint: RegExp }
> = {
  'qcow/backing': needs('needs-backing', 8, /"backing-base\.raw"/),
  'qed/backing': needs('needs-backing', 56, /"backing-base\.raw"/),
  'qcow2/backing': needs('needs-backing', 8, /"backing-base\.qcow2"/),
  'qcow2/backing-v2': needs('needs-backing', 8, /"backing-v2-base\.raw"/),
  'qcow2/backing-extended-l2': needs('needs-backing', 8, /"backing-extended-l2-base\.raw"/),
  'qcow2/backing-host-file': needs('needs-backing', 8, /"\/etc\/passwd"/),
  'qcow2/backing-protocol': needs('needs-backing', 8, /"nbd:\/\/192\.0\.2\.1:10809\/disk"/),
  'qcow2/data-file': needs('needs-data-file', 72, /"data-file\.bin"/),
  'qcow2/data-file-raw': needs('needs-data-file', 72, /"data-file-raw\.bin"/),
  'vmdk/flat': needs('needs-data-file', 0, /"flat-flat\.vmdk"/),
  'vmdk/split': needs('needs-data-file', 0, /"split-s001\.vmdk"/),
  'qcow2/encrypted-aes': unsupported('encrypted', 32, /with AES/, /passphrase/),
  'qcow2/encrypted-luks': unsupported('encrypted', 32, /with LUKS/, /passphrase/),
  'luks/xts': unsupported('encrypted', 0, /with LUKS/, /passphrase.*-f raw/),
  'luks/cbc-essiv': unsupported('encrypted', 0, /with LUKS/, /passphrase.*-f raw/),
  'qcow2/unknown-incompatible': unsupported('unsupported-feature', 72, /bit 8/, /Convert it/),
  'qcow2/unknown-incompatible-high': unsupported('unsupported-feature', 72, /bit 63/, /Convert it/),
  'qcow2/corrupt-flag': corrupt('marked-corrupt', 72, /marked as corrupt/, /qemu-img check -r/),
  'qcow2/truncated': corrupt('truncated', 262_208, /should end at byte/, /incomplete download/),
  'qcow2/truncated-compressed': corrupt('truncated', 12_288, /only 19968 bytes/, /incomplete download/),
  'vhd/differencing': unsupported('needs-parent', 4_197_436, /differencing/, /not named/),
  'vhd/truncated': corrupt('truncated', 1540, /only 3000000 bytes/, /incomplete download/),
};

function needs(code: ErrorCode, fileOffset: number, says: RegExp) {
  return unsupported(code, fileOffset, says, /named by something that is not a file/);
}

function unsupported(code: ErrorCode, fileOffset: number, says: RegExp, hint: RegExp) {
  return { error: UnsupportedFeatureError, code, fileOffset, says, hint };
}

function corrupt(code: ErrorCode, fileOffset: number, says: RegExp, hint: RegExp) {
  return { error: CorruptImageError, code, fileOffset, says, hint };
}

describe('refused', () => {
  const refused = fixtures.filter(({ expect }) => expect === 'refused');

  test('the table has all of them', () => {
    const names = refused.map(({ file }) => file.replace(/\..*/, ''));
    expect(Object.keys(REFUSED).sort()).toEqual(names.sort());
  });

  test.each(refused)('$file', async (fixture) => {
    const { error, code, fileOffset, says, hint } = REFUSED[fixture.file.replace(/\..*/, '')] as never;
    const output = temp('refused.raw');
    const thrown = await convert(source(fixture), output, { format: 'raw' }).then(
      () => undefined,
      (reason) => reason,
    );
    expect(thrown).toBeInstanceOf(error);
    expect(thrown).toMatchObject({ code, fileOffset });
    expect(thrown.message).toMatch(says);
    expect(thrown.hint).toMatch(hint);
    expect(() => readFileSync(output)).toThrow('ENOENT');
  });
});
