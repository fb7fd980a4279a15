/** Encrypted images, in both directions with qemu-img. */

import { readFileSync, writeFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  checkImage,
  compareImages,
  convert,
  createImage,
  digestImage,
  imageInfo,
  mapImage,
  measure,
  openImage,
  prepare,
} from '../../src/index.ts';
import type { JobLayer } from '../../src/workers/job-image.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { describeWith, qemuImg } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const passphrase = 'geheim';
const secret = ['--object', `secret,id=key,data=${passphrase}`];
const MiB = 1024 * 1024;

/** 9 MiB and 3 sectors: zeros, data, zeros, data up to an end within a cluster. */
const disk = new Uint8Array(9 * MiB + 3 * 512);
for (let at = MiB; at < 5 * MiB; at += 1) disk[at] = (at * 2654435761) >>> 24;
for (let at = 9 * MiB - 70_000; at < disk.length; at += 1) disk[at] = (at * 40503) >>> 8;

beforeAll(() => writeFileSync(temp('disk.raw'), disk));

/** How qemu-img opens an encrypted image. */
const asQemuOpens = (format: string, path: string): string =>
  `driver=${format},${format === 'luks' ? '' : 'encrypt.'}key-secret=key,file.filename=${path}`;

const readByQemu = async (format: string, path: string): Promise<Uint8Array> => {
  await qemuImg([
    'convert',
    ...secret,
    '--image-opts',
    asQemuOpens(format, path),
    '-O',
    'raw',
    temp('by-qemu.raw'),
  ]);
  return readFileSync(temp('by-qemu.raw'));
};

const bytesOf = async (path: string, format: 'qcow2' | 'qcow'): Promise<Uint8Array> => {
  await using image = await openImage(path, { format, passphrase });
  const bytes = new Uint8Array(image.virtualSize);
  await image.read(bytes, 0);
  return bytes;
};

describeWith(['qemu-img'], 'what qemu-img encrypts', () => {
  const cases = [
    ['qcow2', 'encrypt.format=luks,encrypt.iter-time=10'],
    [
      'qcow2',
      'encrypt.format=luks,encrypt.iter-time=10,encrypt.cipher-alg=aes-128,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256,cluster_size=4k',
    ],
    ['qcow2', 'encrypt.format=luks,encrypt.iter-time=10,encrypt.hash-alg=sha512,extended_l2=on'],
    ['qcow2', 'encrypt.format=aes,compat=0.10'],
    ['qcow', 'encrypt.format=aes'],
  ] as const;

  test.each(cases)('%s, %s', async (format, options) => {
    const path = temp('theirs');
    const how = ['-O', format, '-o', `${options},encrypt.key-secret=key`];
    // Now and then qemu-img cannot tell how long its key takes, on a machine that is quick or busy.
    const tries = 20;
    for (let left = tries; ; left -= 1) {
      const done = await qemuImg(['convert', ...secret, '-f', 'raw', temp('disk.raw'), ...how, path]).then(
        () => true,
        (error) => {
          if (left === 0 || !/accurate CPU usage/.test(String(error))) throw error;
          return false;
        },
      );
      if (done) break;
    }
    expect(Buffer.compare((await bytesOf(path, format)).subarray(0, disk.length), disk)).toBe(0);
    // On threads, too.
    await convert(path, temp('ours.raw'), { format: 'raw', threads: 2, input: { format, passphrase } });
    expect(Buffer.compare(readFileSync(temp('ours.raw')).subarray(0, disk.length), disk)).toBe(0);
    const report = await checkImage(path, { format });
    expect(report.findings).toEqual([]);
    if (format === 'qcow') return;

    await using closed = await openImage(path, { format, metadataOnly: true });
    const theirs = JSON.parse(await qemuImg(['info', '--output=json', path]));
    expect(imageInfo(closed)).toMatchObject({ encrypted: true });
    expect(JSON.parse(JSON.stringify(imageInfo(closed)))['format-specific']).toMatchObject(
      theirs['format-specific'],
    );
    await using image = await openImage(path, { format, passphrase });
    const entries = [];
    for await (const entry of mapImage(image)) entries.push(entry);
    const map = JSON.parse(
      await qemuImg(['map', '--output=json', ...secret, '--image-opts', asQemuOpens('qcow2', path)]),
    );
    expect(entries).toMatchObject(map);
  });
});

describeWith(['qemu-img'], 'what we encrypt', () => {
  const options = { encryptFormat: 'luks', encryptIterTime: 1 } as const;

  test.each([512, 4096, 65_536, 2 * MiB])('clusters of %d bytes', async (clusterSize) => {
    const path = temp('ours.qcow2');
    const report = await convert(temp('disk.raw'), path, {
      format: 'qcow2',
      options: { ...options, clusterSize },
      outputPassphrase: passphrase,
      verify: true,
    });
    expect(await qemuImg(['check', ...secret, '--image-opts', asQemuOpens('qcow2', path)])).toContain(
      'No errors',
    );
    expect(Buffer.compare(await readByQemu('qcow2', path), disk)).toBe(0);
    const measured = await measure(temp('disk.raw'), {
      format: 'qcow2',
      options: { ...options, clusterSize },
      scan: true,
    });
    expect(measured).toMatchObject({ exact: true, required: report.fileSize });
    // Nothing of the disk stands in it as it is.
    expect(readFileSync(path).includes(Buffer.from(disk.subarray(2 * MiB, 2 * MiB + 16)))).toBe(false);
  });

  test('an image that is printed does not show its key', async () => {
    await convert(temp('disk.raw'), temp('printed.qcow2'), {
      ...{ format: 'qcow2', options, outputPassphrase: passphrase },
    });
    await using image = await openImage(temp('printed.qcow2'), { passphrase });
    const { volumeKey } = image.reopen as JobLayer;
    const bytes = [...(volumeKey as Uint8Array)].slice(0, 8).join(',');
    const printed = inspect(image, { depth: 9, maxArrayLength: null }).replaceAll(/\s/g, '');
    expect(printed + JSON.stringify(image)).not.toContain(bytes);
    expect(inspect(volumeKey, { maxArrayLength: null }).replaceAll(/\s/g, '')).toContain(bytes);
  });

  test('any number of threads gives what can be read', async () => {
    for (const threads of [1, 3]) {
      await convert(temp('disk.raw'), temp('threads.qcow2'), {
        ...{ format: 'qcow2', options, outputPassphrase: passphrase, threads },
      });
      expect(Buffer.compare(await bytesOf(temp('threads.qcow2'), 'qcow2'), disk)).toBe(0);
    }
  });

  test('another passphrase for the output; the old one opens it no more', async () => {
    await convert(temp('disk.raw'), temp('old.qcow2'), {
      format: 'qcow2',
      options,
      outputPassphrase: passphrase,
    });
    const asked: string[] = [];
    await convert(temp('old.qcow2'), temp('new.qcow2'), {
      format: 'qcow2',
      options,
      input: {
        passphrase: ({ name }) => {
          asked.push(name);
          return passphrase;
        },
      },
      outputPassphrase: 'another',
    });
    expect(asked).toEqual([temp('old.qcow2')]);
    await expect(openImage(temp('new.qcow2'), { passphrase })).rejects.toMatchObject({
      code: 'wrong-passphrase',
    });
    const { identical } = await compareImages(temp('new.qcow2'), temp('disk.raw'), {
      first: { passphrase: 'another' },
    });
    expect(identical).toBe(true);
    const { digest } = await digestImage(temp('new.qcow2'), { input: { passphrase: 'another' } });
    expect(digest).toBe((await digestImage(temp('disk.raw'))).digest);
  });

  test('an empty image, and an overlay whose base is encrypted as well', async () => {
    await convert(temp('disk.raw'), temp('base.qcow2'), {
      format: 'qcow2',
      options,
      outputPassphrase: passphrase,
    });
    const chain = { allowPaths: [temp('.')], passphrase };
    await createImage(temp('overlay.qcow2'), {
      format: 'qcow2',
      options,
      passphrase,
      backing: { file: 'base.qcow2', format: 'qcow2' },
    });
    await using overlay = await openImage(temp('overlay.qcow2'), chain);
    const bytes = new Uint8Array(disk.length);
    await overlay.read(bytes, 0);
    expect(Buffer.compare(bytes, disk)).toBe(0);
    await convert(temp('overlay.qcow2'), temp('flat.raw'), { format: 'raw', threads: 2, input: chain });
    expect(Buffer.compare(readFileSync(temp('flat.raw')), disk)).toBe(0);
    await createImage(temp('empty.qcow2'), { format: 'qcow2', options, passphrase, size: 3 * MiB });
    expect(await readByQemu('qcow2', temp('empty.qcow2'))).toEqual(Buffer.alloc(3 * MiB));
  });
});

describe('without a passphrase', () => {
  test('an image is described and checked, and not read', async () => {
    for (const name of ['qcow2/encrypted-luks', 'qcow2/encrypted-aes']) {
      const bytes = fixtureBytes(fixtureNamed(name));
      await using image = await openImage(bytes, { metadataOnly: true });
      expect(imageInfo(image).encrypted).toBe(true);
      await expect(openImage(bytes)).rejects.toMatchObject({ code: 'encrypted' });
      await expect(openImage(bytes, { passphrase: '' })).rejects.toMatchObject({ code: 'bad-option' });
      await using opened = await openImage(bytes, { passphrase: 'secret' });
      const start = new Uint8Array(512);
      await opened.read(start, 0);
      expect(start[0]).toBe(name.endsWith('luks') ? 0x11 : 0);
    }
  });

  test.each([
    ['an output to encrypt', { options: { encryptFormat: 'luks' } }, /no passphrase/],
    [
      'compression',
      { options: { encryptFormat: 'luks', compress: true }, outputPassphrase: 'x' },
      /Compressed/,
    ],
    [
      'the same bytes each time',
      { options: { encryptFormat: 'luks' }, outputPassphrase: 'x', reproducible: { timestamp: 0 } },
      /chance/,
    ],
  ] as const)('%s is refused', async (_, how, says) => {
    const failing = convert(new Uint8Array(MiB), temp('x.qcow2'), { format: 'qcow2', ...how });
    await expect(failing).rejects.toMatchObject({ code: 'bad-option', message: expect.stringMatching(says) });
  });

  test('what leaves in parts is not encrypted: its plan would hold the key', async () => {
    const preparing = prepare(new Uint8Array(MiB), { format: 'qcow2', options: { encryptFormat: 'luks' } });
    await expect(preparing).rejects.toMatchObject({ code: 'bad-option' });
  });
});
