/** Images that build on others, and the gate: what an image names is opened when the caller allows it, and not before. */

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { convert, type ImageError, imageInfo, openImage } from '../src/index.ts';
import { memorySource } from '../src/io/memory.ts';
import { type Fixture, fixtureBytes, fixtureNamed, fixtures } from './support/fixtures.ts';
import { sha256 } from './support/seeded-guest.ts';
import { tempFolder } from './support/temp-folder.ts';

const temp = tempFolder();

let folders = 0;
/** A folder of its own. */
function newFolder(): string {
  const folder = temp(`folder-${++folders}`);
  mkdirSync(folder);
  return folder;
}

function write(folder: string, name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** The image and the files that it names, side by side. */
function laidOut(fixture: Fixture): { folder: string; path: string } {
  const folder = newFolder();
  for (const { file, name } of fixture.companions ?? []) write(folder, name, fixtureBytes({ file }));
  const path = write(folder, 'top.img', fixtureBytes(fixture));
  return { folder, path };
}

const failure = (promise: Promise<unknown>): Promise<ImageError> =>
  promise.then(
    () => {
      throw new Error('it was opened');
    },
    (error) => error,
  );

const chained = fixtures.filter(({ whenAllowed }) => whenAllowed);

describe('allowed', () => {
  test('there are fixtures', () => expect(chained.length).toBeGreaterThan(4));

  test.each(chained)('$file: guest bytes through the chain', async (fixture) => {
    const { folder, path } = laidOut(fixture);
    const raw = join(folder, 'out.raw');
    const report = await convert(path, raw, { format: 'raw', input: { allowPaths: [folder] } });
    expect(report.virtualSize).toBe(fixture.whenAllowed?.virtualSize);
    expect(sha256(readFileSync(raw))).toBe(fixture.whenAllowed?.guestSha256);
  });

  test.each(chained)('$file: extents tile the disk, and say how deep they stand', async (fixture) => {
    const { folder, path } = laidOut(fixture);
    await using image = await openImage(path, { allowPaths: [folder] });
    let at = 0;
    for await (const extent of image.extents()) {
      expect(extent.guestOffset).toBe(at);
      expect(extent.length).toBeGreaterThan(0);
      at += extent.length;
    }
    expect(at).toBe(image.virtualSize);
  });

  test.each(chained)('$file: a resolver may give the bytes', async (fixture) => {
    const asked: string[] = [];
    await using image = await openImage(memorySource(fixtureBytes(fixture), 'top'), {
      resolve({ name, from }) {
        asked.push(`${from}: ${name}`);
        const file = fixture.companions?.find((companion) => companion.name === name)?.file;
        return file === undefined ? undefined : memorySource(fixtureBytes({ file }), name);
      },
    });
    const bytes = new Uint8Array(image.virtualSize);
    await image.read(bytes, 0);
    expect(sha256(bytes)).toBe(fixture.whenAllowed?.guestSha256);
    expect(asked).toEqual([`top: ${fixture.companions?.[0]?.name}`]);
  });
});

describe('the gate', () => {
  const fixture = fixtureNamed('qcow2/backing');
  const base = fixtureBytes({ file: 'qcow2/backing-base.qcow2.gz' });

  /** The overlay with another name for its backing file, of any length. */
  function overlayNaming(name: string): Uint8Array {
    const bytes = Buffer.from(fixtureBytes(fixture));
    const text = Buffer.from(name);
    const at = 4096; // behind all extensions, within the first cluster
    text.copy(bytes, at);
    bytes.writeBigUInt64BE(BigInt(at), 8);
    bytes.writeUInt32BE(text.length, 16);
    return bytes;
  }

  async function refusal(name: string, folder: string, allowPaths: readonly string[]): Promise<ImageError> {
    const path = write(folder, 'top.qcow2', overlayNaming(name));
    const error = await failure(openImage(path, { allowPaths }));
    expect(error).toMatchObject({ code: 'needs-backing', fileOffset: 8 });
    expect(error.hint).toContain('--allow-path');
    return error;
  }

  test('opens nothing by default', async () => {
    const folder = newFolder();
    write(folder, 'base.qcow2', base);
    await refusal('base.qcow2', folder, []);
  });

  test('opens what lies in an allowed folder, named relatively or absolutely, or with ..', async () => {
    const folder = newFolder();
    mkdirSync(join(folder, 'deeper'));
    const absolute = write(folder, 'base.qcow2', base);
    for (const name of ['base.qcow2', './base.qcow2', absolute, 'deeper/../base.qcow2']) {
      const path = write(folder, 'top.qcow2', overlayNaming(name));
      await using image = await openImage(path, { allowPaths: [folder] });
      expect(image.backing?.source.size).toBe(base.length);
    }
  });

  test.each([
    ['/etc/passwd', /not in a folder that is allowed/],
    ['../../../../../../../../etc/passwd', /not in a folder that is allowed/],
    ['nbd://127.0.0.1/disk', /protocol/],
    ['http://127.0.0.1/disk', /protocol/],
    ['file:base.qcow2', /protocol/],
    ['json:{"driver":"file","filename":"/etc/passwd"}', /protocol/],
    ['fat:rw:/etc', /protocol/],
    ['base.qcow2\0.png', /no name/],
    ['missing.qcow2', /not there/],
    ['.', /not in a folder/],
  ])('refuses %j', async (name, why) => {
    const folder = newFolder();
    write(folder, 'base.qcow2', base);
    expect((await refusal(name, folder, [folder])).hint).toMatch(why);
  });

  test('follows links before it decides', async () => {
    const folder = newFolder();
    const outside = newFolder();
    const secret = write(outside, 'secret.qcow2', base);
    symlinkSync(secret, join(folder, 'base.qcow2'));
    symlinkSync(outside, join(folder, 'shortcut'));
    expect((await refusal('base.qcow2', folder, [folder])).hint).toMatch(/not in a folder/);
    expect((await refusal('shortcut/secret.qcow2', folder, [folder])).hint).toMatch(/not in a folder/);
    await using image = await openImage(write(folder, 'top.qcow2', overlayNaming('base.qcow2')), {
      allowPaths: [folder, outside],
    });
    expect(image.backing).toBeDefined();
  });

  test('a folder whose name begins with an allowed one is another', async () => {
    const folder = newFolder();
    mkdirSync(`${folder}-other`);
    const absolute = write(`${folder}-other`, 'base.qcow2', base);
    expect((await refusal(absolute, folder, [folder])).hint).toMatch(/not in a folder/);
  });

  test('stands before every image of a chain', async () => {
    const folder = newFolder();
    const outside = newFolder();
    const secret = write(outside, 'secret.qcow2', base);
    write(folder, 'middle.qcow2', overlayNaming(secret));
    const path = write(folder, 'top.qcow2', overlayNaming('middle.qcow2'));
    const error = await failure(openImage(path, { allowPaths: [folder] }));
    expect(error).toMatchObject({ code: 'needs-backing' });
    expect(error.hint).toMatch(/secret.*not in a folder/);
  });

  test('relative names are those of the folder of the image that holds them', async () => {
    const folder = newFolder();
    mkdirSync(join(folder, 'deeper'));
    write(join(folder, 'deeper'), 'base.qcow2', base);
    write(join(folder, 'deeper'), 'middle.qcow2', overlayNaming('base.qcow2'));
    const path = write(folder, 'top.qcow2', overlayNaming('deeper/middle.qcow2'));
    await using image = await openImage(path, { allowPaths: [folder] });
    expect(image.backing?.backing?.source.size).toBe(base.length);
  });

  test('an image that is its own ancestor is an error, directly or through others', async () => {
    const folder = newFolder();
    const itself = write(folder, 'itself.qcow2', overlayNaming('itself.qcow2'));
    const one = write(folder, 'one.qcow2', overlayNaming('two.qcow2'));
    write(folder, 'two.qcow2', overlayNaming('one.qcow2'));
    for (const path of [itself, one]) {
      const error = await failure(openImage(path, { allowPaths: [folder] }));
      expect(error).toMatchObject({ code: 'bad-chain' });
    }
  });

  test('a chain has a greatest depth', async () => {
    const folder = newFolder();
    write(folder, 'base.qcow2', base);
    write(folder, 'middle.qcow2', overlayNaming('base.qcow2'));
    const path = write(folder, 'top.qcow2', overlayNaming('middle.qcow2'));
    const error = await failure(openImage(path, { allowPaths: [folder], maxDepth: 1 }));
    expect(error).toMatchObject({ code: 'over-budget', hint: expect.stringContaining('--max-chain-depth') });
    await using image = await openImage(path, { allowPaths: [folder], maxDepth: 2 });
    expect(image.backing?.backing).toBeDefined();
    const endless = await failure(
      openImage(memorySource(overlayNaming('x')), { resolve: () => memorySource(overlayNaming('x')) }),
    );
    expect(endless).toMatchObject({ code: 'over-budget' });
  });

  test('an unknown format of a backing file is said to be', async () => {
    const bytes = Buffer.from(fixtureBytes(fixture));
    const at = bytes.indexOf(Buffer.from('qcow2', 'latin1'), 104);
    bytes.write('vmdkX', at, 'latin1');
    const folder = newFolder();
    write(folder, 'backing-base.qcow2', base);
    const error = await failure(openImage(write(folder, 'top', bytes), { allowPaths: [folder] }));
    expect(error).toMatchObject({ code: 'unsupported-feature', message: expect.stringContaining('vmdkX') });
  });

  test('what is refused leaves nothing open, and is described all the same', async () => {
    await using image = await openImage(fixtureBytes(fixture), { metadataOnly: true });
    expect(imageInfo(image)).toMatchObject({
      format: 'qcow2',
      'backing-filename': 'backing-base.qcow2',
      'backing-filename-format': 'qcow2',
    });
    const error = await failure(image.read(new Uint8Array(512), 0));
    expect(error).toMatchObject({ code: 'needs-backing' });
  });
});

describe('files that are read', () => {
  test('none of a chain may be the output', async () => {
    const { folder, path } = laidOut(fixtureNamed('qcow2/backing'));
    const error = await failure(
      convert(path, join(folder, 'backing-base.qcow2'), { format: 'raw', input: { allowPaths: [folder] } }),
    );
    expect(error).toMatchObject({ code: 'same-file' });
  });
});

describe('several inputs', () => {
  test('become one disk, one behind the other', async () => {
    const small = fixtures.filter(({ guestSha256, virtualSize }) => guestSha256 && (virtualSize ?? 0) < 4e6);
    const inputs = (['qcow2', 'vhd', 'raw'] as const).flatMap((format) =>
      small
        .filter((fixture) => fixture.format === format)
        .slice(0, 2)
        .map(fixtureBytes),
    );
    expect(inputs.length).toBeGreaterThan(3);
    const folder = newFolder();
    const raws: Buffer[] = [];
    for (const input of inputs) {
      await convert(input, join(folder, 'one.raw'), { format: 'raw' });
      raws.push(readFileSync(join(folder, 'one.raw')));
    }
    for (const format of ['raw', 'qcow2', 'vhd'] as const) {
      const whole = join(folder, `whole.${format}`);
      await convert(inputs, whole, { format });
      const back = join(folder, 'back.raw');
      await convert(whole, back, { format: 'raw', input: { format } });
      const expected = Buffer.concat(raws);
      const guest = readFileSync(back);
      expect(guest.subarray(0, expected.length).equals(expected)).toBe(true);
      expect(guest.subarray(expected.length).every((byte) => byte === 0)).toBe(true);
    }
  });
});
