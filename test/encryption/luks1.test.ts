/** LUKS 1 headers: made, opened, and broken field by field. */

import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  decodeLuks1,
  encodeLuks1,
  LUKS1_HEADER_LENGTH,
  type Luks1Header,
  luks1Length,
  openLuks1,
} from '../../src/encryption/luks1.ts';

const volumeKey = new Uint8Array(randomBytes(64));
const passphrase = new TextEncoder().encode('correct horse');
let file: Uint8Array;

beforeAll(async () => {
  file = await encodeLuks1({
    ...{ volumeKey, passphrase, uuid: 'cd2eb8cc-5c91-4e28-a5cd-e2332299c7ab', iterations: 1000 },
    random: (length) => new Uint8Array(randomBytes(length)),
  });
});

const opening = (header: Luks1Header, words: Uint8Array) =>
  openLuks1(header, 65_536, { passphrase: async () => words }, read);

const read = async (into: Uint8Array, offset: number): Promise<void> => {
  into.set(file.subarray(offset, offset + into.length));
};

test('opens with its passphrase, and with no other', async () => {
  const header = decodeLuks1(file, 0);
  expect(file.length).toBe(luks1Length(64));
  expect(header).toMatchObject({ version: 1, cipherName: 'aes', cipherMode: 'xts-plain64', keyBytes: 64 });
  expect((await opening(header, passphrase)).volumeKey).toEqual(volumeKey);
  const wrong = opening(header, new TextEncoder().encode('correct horsf'));
  await expect(wrong).rejects.toMatchObject({ code: 'wrong-passphrase', fileOffset: 65_536 });
});

test('another slot opens it, too', async () => {
  const header = decodeLuks1(file, 0);
  const [first, second] = header.keySlots;
  // A slot that another passphrase made stands before it.
  const other = { ...first, salt: new Uint8Array(32), iterations: 1 } as NonNullable<typeof first>;
  const moved = {
    ...header,
    keySlots: [other, first as NonNullable<typeof first>, second as NonNullable<typeof second>],
  };
  expect((await opening(moved, passphrase)).volumeKey).toEqual(volumeKey);
});

describe('broken fields', () => {
  const slot = (index: number, field: number) => 208 + 48 * index + field;
  const rows: readonly [field: string, at: number, value: number, code: string, place?: number][] = [
    ['magic', 0, 0, 'wrong-format', 0],
    ['version and the cipher', 4, 0xbabe0002, 'unsupported-version', 6],
    ['keyBytes 0', 108, 0, 'bad-header'],
    ['keyBytes 65', 108, 65, 'bad-header'],
    ['keyBytes max', 108, 0xffffffff, 'bad-header'],
    ['mkDigestIterations 0', 164, 0, 'bad-header'],
    ['mkDigestIterations max', 164, 0xffffffff, 'unsupported-feature', 208],
    ['slot 0, active', slot(0, 0), 1, 'bad-header'],
    ['slot 7, active', slot(7, 0), 0xffffffff, 'bad-header'],
    ['slot 7, active, without a salt', slot(7, 0), 0x00ac71f3, 'bad-header', slot(7, 4)],
    ['slot 0, iterations 0', slot(0, 4), 0, 'bad-header'],
    ['slot 0, iterations max', slot(0, 4), 0xffffffff, 'unsupported-feature', 208],
    ['slot 0, key material on the header', slot(0, 40), 1, 'bad-header'],
    ['slot 0, key material behind the data', slot(0, 40), 0xffffffff, 'bad-header'],
    ['slot 0, stripes 0', slot(0, 44), 0, 'bad-header'],
    ['slot 0, stripes max', slot(0, 44), 0xffffffff, 'bad-header'],
  ];
  test.each(rows)('%s', (_, at, value, code, place = at) => {
    const broken = Buffer.from(file.subarray(0, LUKS1_HEADER_LENGTH));
    broken.writeUInt32BE(value, at);
    expect(() => decodeLuks1(broken, 65_536)).toThrow(
      expect.objectContaining({ code, fileOffset: 65_536 + place }),
    );
  });

  test('a hash that is not at hand', async () => {
    const header = { ...decodeLuks1(file, 0), hashSpec: 'sha0' };
    await expect(opening(header, passphrase)).rejects.toMatchObject({
      code: 'unsupported-feature',
    });
  });

  test('cut off', () => {
    for (const length of [0, 5, 207, 208, 300, 591]) {
      expect(() => decodeLuks1(file.subarray(0, length), 0)).toThrow(
        expect.objectContaining({ code: 'truncated' }),
      );
    }
  });
});
