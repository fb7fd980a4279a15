/** LUKS 1: images of qemu-img and cryptsetup, every field poked, cut anywhere, checked. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { keySlot, luksHeader } from '../../src/encryption/luks1.ts';
import { checkImage, convert, imageInfo, openImage } from '../../src/index.ts';
import { type Fixture, fixtureBytes, fixtureNamed, fixtures } from '../support/fixtures.ts';
import { describeWith } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { type Subject, testFields } from './fields.ts';

const temp = tempFolder();
const xts = fixtureNamed('luks/xts');
const passphrase = 'secret';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function guestOf(bytes: Uint8Array): Promise<Uint8Array> {
  await using image = await openImage(bytes, { passphrase });
  const guest = new Uint8Array(image.virtualSize);
  await image.read(guest, 0);
  return guest;
}

describe.each(fixtures.filter(({ format }) => format === 'luks'))('$file', (fixture: Fixture) => {
  test('has the guest bytes that qemu-img reads, in parts too, and on threads', async () => {
    const bytes = fixtureBytes(fixture);
    const guest = await guestOf(bytes);
    expect([guest.length, sha256(guest)]).toEqual([
      fixture.unlocked?.virtualSize,
      fixture.unlocked?.guestSha256,
    ]);
    await using image = await openImage(bytes, { passphrase });
    const part = new Uint8Array(1000);
    await image.read(part, 65_001);
    expect(Buffer.compare(part, guest.subarray(65_001, 66_001))).toBe(0);
    writeFileSync(temp('disk.luks'), bytes);
    await convert(temp('disk.luks'), temp('disk.raw'), { format: 'raw', threads: 2, input: { passphrase } });
    expect(Buffer.compare(readFileSync(temp('disk.raw')), guest)).toBe(0);
  });

  test('is sound', async () => {
    const report = await checkImage(fixtureBytes(fixture));
    expect(report).toMatchObject({ format: 'luks', findings: [] });
  });

  test('as raw it is what it is', async () => {
    const bytes = fixtureBytes(fixture);
    await using image = await openImage(bytes, { format: 'raw' });
    expect(image.virtualSize).toBe(bytes.length);
  });
});

describe('cut', () => {
  const bytes = fixtureBytes(xts);
  const dataStart = luksHeader.decode(bytes, 0).payloadOffset * 512;

  test('before the data it is refused, in the data it is a shorter disk', async () => {
    const whole = await guestOf(bytes);
    for (const length of [0, 5, 6, 207, 591, 592, 4096, 70_000, dataStart - 1]) {
      const cut = bytes.subarray(0, length);
      const failing = openImage(cut, { format: 'luks', passphrase });
      await expect(failing).rejects.toMatchObject({ code: 'truncated', fileOffset: expect.any(Number) });
    }
    for (const length of [0, 512, 65_536, 65_536 + 511, 100_000]) {
      const cut = await guestOf(bytes.subarray(0, dataStart + length));
      expect(Buffer.compare(cut, whole.subarray(0, length - (length % 512)))).toBe(0);
    }
  });

  test('within a sector: it is said', async () => {
    await using image = await openImage(bytes.subarray(0, dataStart + 1000), { passphrase });
    expect(image).toMatchObject({ virtualSize: 512, notes: [{ code: 'partial-sector' }] });
    const { findings } = await checkImage(bytes.subarray(0, dataStart + 1000));
    expect(findings).toMatchObject([{ code: 'unaligned', severity: 'warning' }]);
  });
});

describe('fields', () => {
  const subject: Omit<Subject, 'places'> = {
    format: 'luks',
    image: () => fixtureBytes(xts),
    structures: () => ({
      header: 0,
      'key material': 4096,
      data: luksHeader.decode(fixtureBytes(xts), 0).payloadOffset * 512,
    }),
    unit: 512,
    alignment: 512,
    passphrase,
  };
  testFields(
    luksHeader,
    { ...subject, places: () => [0] },
    {
      magic: 'wrong-format',
      version: { otherwise: 'unsupported-version', same: ['1'] },
      cipherName: 'unsupported-feature',
      cipherMode: 'unsupported-feature',
      hashSpec: 'unsupported-feature',
      payloadOffset: {
        otherwise: 'truncated',
        'unsupported-feature': ['0', 'on the header'],
        'bad-header': ['1', 'on the key material'],
        other: ['one more', 'past the end'],
        same: ['on the data'],
      },
      keyBytes: { otherwise: 'bad-header', 'unsupported-feature': ['1', 'on the key material', 'one more'] },
      mkDigest: 'wrong-passphrase',
      mkDigestSalt: 'wrong-passphrase',
      mkDigestIterations: {
        otherwise: 'wrong-passphrase',
        'bad-header': ['0', 'on the header'],
        'unsupported-feature': ['max', 'max - 1', 'sign bit'],
      },
      uuid: 'same',
    },
  );
  testFields(
    keySlot,
    { ...subject, places: () => [luksHeader.size] },
    {
      active: 'bad-header',
      iterations: {
        otherwise: 'wrong-passphrase',
        'bad-header': ['0', 'on the header'],
        'unsupported-feature': ['max', 'max - 1', 'sign bit'],
      },
      salt: 'wrong-passphrase',
      keyMaterialOffset: {
        otherwise: 'bad-header',
        same: ['on the key material'],
        'wrong-passphrase': ['one more'],
      },
      stripes: 'bad-header',
    },
  );
});

describe('check', () => {
  const poked = (at: number, value: number): Uint8Array => {
    const bytes = Buffer.from(fixtureBytes(xts));
    bytes.writeUInt32BE(value, at);
    return bytes;
  };
  const slot = (index: number, field: keyof typeof keySlot.fields): number =>
    luksHeader.size + index * keySlot.size + keySlot.fields[field].at;

  test.each([
    ['no slot in use', poked(slot(0, 'active'), 0x0000dead), 'bad-header', 'corruption'],
    ['a slot that is neither', poked(slot(0, 'active'), 7), 'bad-header', 'corruption'],
    ['a free slot on the data', poked(slot(7, 'keyMaterialOffset'), 5000), 'overlap', 'warning'],
  ] as const)('%s', async (_, bytes, code, severity) => {
    const { findings } = await checkImage(bytes);
    expect(findings).toMatchObject([{ code, severity, fileOffset: expect.any(Number) }]);
  });

  test('slots that share their key material', async () => {
    const bytes = Buffer.from(fixtureBytes(xts));
    const first = bytes.subarray(luksHeader.size, luksHeader.size + keySlot.size);
    bytes.set(first, luksHeader.size + keySlot.size);
    const { findings } = await checkImage(bytes);
    expect(findings).toMatchObject([{ code: 'overlap', severity: 'corruption' }]);
  });
});

test('an overlong name of a hash is shown, not obeyed', async () => {
  const bytes = Buffer.from(fixtureBytes(xts));
  bytes.fill(0x1b, 72, 104);
  await expect(openImage(bytes, { passphrase })).rejects.toThrow(/\\u001b/);
});

describeWith(['cryptsetup'], 'cryptsetup', () => {
  test.each(['aes-xts-plain64', 'aes-cbc-essiv:sha256'])(
    '%s: its passphrase opens it, as does its second one',
    async (cipher) => {
      writeFileSync(temp('disk.luks'), '');
      execFileSync('truncate', ['-s', '3M', temp('disk.luks')]);
      const cheap = [
        '--pbkdf-force-iterations',
        '1000',
        '--cipher',
        cipher,
        '--key-size',
        '256',
        '--hash',
        'sha512',
      ];
      const format = ['luksFormat', '-q', '--type', 'luks1', ...cheap, temp('disk.luks'), '-'];
      execFileSync('cryptsetup', format, { input: passphrase });
      writeFileSync(temp('first'), passphrase);
      writeFileSync(temp('second'), 'another');
      const add = ['luksAddKey', '-q', '--pbkdf-force-iterations', '1000', '--key-file', temp('first')];
      execFileSync('cryptsetup', [...add, temp('disk.luks'), temp('second')]);
      for (const words of [passphrase, 'another']) {
        await using image = await openImage(temp('disk.luks'), { passphrase: words });
        expect(image.virtualSize).toBe(
          3 * 1024 * 1024 - (imageInfo(image)['format-specific']?.data['payload-offset'] as number),
        );
      }
      await expect(openImage(temp('disk.luks'), { passphrase: 'third' })).rejects.toMatchObject({
        code: 'wrong-passphrase',
      });
      await expect(checkImage(temp('disk.luks'))).resolves.toMatchObject({ findings: [] });
    },
  );

  test('LUKS 2 is refused by its version', async () => {
    writeFileSync(temp('two.luks'), '');
    execFileSync('truncate', ['-s', '20M', temp('two.luks')]);
    const cheap = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000'];
    execFileSync('cryptsetup', ['luksFormat', '-q', '--type', 'luks2', ...cheap, temp('two.luks'), '-'], {
      input: passphrase,
    });
    await expect(openImage(temp('two.luks'), { passphrase })).rejects.toMatchObject({
      code: 'unsupported-version',
      hint: expect.stringContaining('cryptsetup'),
    });
  });
});
