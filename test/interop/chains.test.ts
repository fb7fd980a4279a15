/** Chains, snapshots, data files and bitmaps as qemu-img makes them: the guest bytes are what qemu-img reads. */

import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import {
  type ConvertOptions,
  convert,
  type ImageInput,
  imageInfo,
  type OpenImageOptions,
  openImage,
} from '../../src/index.ts';
import { describeWith, qemuImg, qemuInfo, qemuIo } from '../support/native-tools.ts';
import { fillRandom, seededRandom, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const folder = temp('images');
const at = (name: string): string => join(folder, name);

/** More than the work that a conversion does without threads. */
const SIZE = 24 * MiB;

const noise = (length: number, seed: number): Buffer => {
  const bytes = Buffer.alloc(length);
  fillRandom(bytes, seededRandom(seed));
  return bytes;
};

let outputs = 0;
async function guestSha256(input: ImageInput, options: OpenImageOptions, threads: number): Promise<string> {
  const raw = temp(`ours-${++outputs}.raw`);
  await convert(input, raw, { format: 'raw', input: options, threads } as ConvertOptions);
  return sha256(readFileSync(raw));
}

/** What qemu-img reads. */
async function qemuSha256(path: string, format: string): Promise<string> {
  const raw = temp(`theirs-${++outputs}.raw`);
  await qemuImg(['convert', '-f', format, '-O', 'raw', path, raw]);
  return sha256(readFileSync(raw));
}

describeWith(['qemu-img', 'qemu-io'], 'chains', () => {
  beforeAll(async () => {
    mkdirSync(folder);
    writeFileSync(at('base.raw'), noise(SIZE, 71));
    writeFileSync(at('short.raw'), noise(10 * MiB + 512, 72));
    const create = (name: string, backing: string, format: string, options = 'compat=1.1', size = SIZE) =>
      qemuImg([
        'create',
        '-q',
        '-f',
        'qcow2',
        '-o',
        options,
        '-b',
        backing,
        '-F',
        format,
        at(name),
        `${size}`,
      ]);
    await qemuImg(['convert', '-O', 'qcow2', '-c', at('base.raw'), at('base-zlib.qcow2')]);
    await qemuImg(['convert', '-O', 'vpc', '-o', 'force_size=on', at('base.raw'), at('base.vhd')]);

    const writes = ['write -q -P 0x11 1M 300k', 'write -q -z 3M 200k', 'write -q -P 0x12 23M 64k'];
    await create('over-raw.qcow2', 'base.raw', 'raw');
    await qemuIo('qcow2', at('over-raw.qcow2'), writes);
    await create('over-zlib.qcow2', 'base-zlib.qcow2', 'qcow2', 'cluster_size=4k');
    await qemuIo('qcow2', at('over-zlib.qcow2'), [...writes, 'write -q -P 0x13 1000000 512']);
    await create('over-vhd.qcow2', 'base.vhd', 'vpc');
    await qemuIo('qcow2', at('over-vhd.qcow2'), writes);
    await create('over-short.qcow2', 'short.raw', 'raw');
    await qemuIo('qcow2', at('over-short.qcow2'), writes);
    await create('subclusters.qcow2', 'base.raw', 'raw', 'extended_l2=on');
    await qemuIo('qcow2', at('subclusters.qcow2'), [
      ...writes,
      'write -q -P 0x14 5001k 3k',
      'write -q -z 5010k 2k',
    ]);
    await create('three-high.qcow2', 'over-zlib.qcow2', 'qcow2', 'cluster_size=2M');
    await qemuIo('qcow2', at('three-high.qcow2'), ['write -q -P 0x15 20M 100k', 'write -q -z 1M 100k']);
  });

  test.each([
    'over-raw.qcow2',
    'over-zlib.qcow2',
    'over-vhd.qcow2',
    'over-short.qcow2',
    'subclusters.qcow2',
    'three-high.qcow2',
  ])('%s', async (name) => {
    const expected = await qemuSha256(at(name), 'qcow2');
    for (const threads of [1, 3]) {
      expect(await guestSha256(at(name), { allowPaths: [folder] }, threads)).toBe(expected);
    }
    const compressed = temp('out.zvhd2');
    await convert(at(name), compressed, { format: 'zvhd2', input: { allowPaths: [folder] } });
    const back = temp('back.raw');
    await convert(compressed, back, { format: 'raw', size: 'original' });
    expect(sha256(readFileSync(back))).toBe(expected);
  });

  test.each([
    ['base-zlib.qcow2', 'qcow2', {}],
    ['over-zlib.qcow2', 'qcow2', {}],
    ['over-zlib.qcow2', 'qcow2', { compress: true }],
    ['over-zlib.qcow2', 'qcow2', { clusterSize: 4096 }],
  ] as const)('kept down to %s (%s, %j): only what differs is written', async (file, format, options) => {
    const [source, output] = [at('three-high.qcow2'), at('kept.qcow2')];
    const expected = await qemuSha256(source, 'qcow2');
    for (const threads of [1, 3]) {
      const { fileSize } = await convert(source, output, {
        format: 'qcow2',
        options,
        threads,
        input: { allowPaths: [folder] },
        backing: { file, format },
      });
      expect(fileSize).toBeLessThan(12 * MiB);
      expect(await qemuSha256(output, 'qcow2')).toBe(expected);
      expect(await qemuInfo('qcow2', output)).toMatchObject({ 'backing-filename': file });
      await qemuImg(['check', '-q', '-f', 'qcow2', output]);
      expect(await guestSha256(output, { allowPaths: [folder] }, 2)).toBe(expected);
    }
  });

  test('a differencing VHD over a VHD that is kept', async () => {
    const [child, copy] = [at('child.vhd'), at('copy.vhd')];
    const expected = await qemuSha256(at('over-vhd.qcow2'), 'qcow2');
    await convert(at('over-vhd.qcow2'), child, {
      format: 'vhd',
      input: { allowPaths: [folder] },
      backing: { file: 'base.vhd', format: 'vhd' },
    });
    expect(await guestSha256(child, { allowPaths: [folder] }, 2)).toBe(expected);
    expect(statSync(child).size).toBeLessThan(12 * MiB);
    await expect(openImage(child)).rejects.toMatchObject({ code: 'needs-parent' });
    copyFileSync(at('base.vhd'), copy);
    await qemuImg(['convert', '-O', 'vpc', '-o', 'force_size=on', at('base.raw'), at('base.vhd')]);
    await expect(openImage(child, { allowPaths: [folder] })).rejects.toMatchObject({ code: 'bad-chain' });
    copyFileSync(copy, at('base.vhd'));
  });

  test('only an image of the chain can be kept', async () => {
    const converting = convert(at('over-raw.qcow2'), at('never.qcow2'), {
      format: 'qcow2',
      input: { allowPaths: [folder] },
      backing: { file: 'over-zlib.qcow2', format: 'qcow2' },
    });
    await expect(converting).rejects.toMatchObject({ code: 'bad-option' });
  });

  test('a backing file that is written while it is read is noticed', async () => {
    const top = at('over-raw.qcow2');
    const changing = convert(top, temp('never.raw'), {
      format: 'raw',
      input: { allowPaths: [folder] },
      onProgress: () => writeFileSync(at('base.raw'), noise(SIZE, 71)),
    });
    await expect(changing).rejects.toMatchObject({ code: 'source-changed' });
  });
});

describeWith(['qemu-img', 'qemu-io'], 'internal snapshots', () => {
  const image = temp('snapshots.qcow2');
  beforeAll(async () => {
    await qemuImg(['create', '-q', '-f', 'qcow2', image, `${SIZE}`]);
    await qemuIo('qcow2', image, ['write -q -P 0x21 0 8M', 'write -q -P 0x22 20M 1M']);
    await qemuImg(['snapshot', '-c', 'first', image]);
    await qemuIo('qcow2', image, ['write -q -P 0x23 4M 8M', 'discard -q 20M 64k']);
    await qemuImg(['snapshot', '-c', '1', image]); // a name that is another one's ID
    await qemuIo('qcow2', image, ['write -q -z 0 2M']);
    await qemuImg(['resize', '-q', image, `${SIZE + 3 * MiB}`]);
  });

  test.each(['first', '1', '2'])('snapshot %s', async (snapshot) => {
    const id = snapshot === 'first' ? '1' : snapshot;
    // Ours is the disk as large as it was; qemu-img's as large as it is now.
    const now = temp(`snapshot-${id}.raw`);
    await qemuImg(['convert', '-O', 'raw', '-l', `snapshot.id=${id}`, image, now]);
    const guest = readFileSync(now);
    expect(guest.subarray(SIZE).every((byte) => byte === 0)).toBe(true);
    const expected = sha256(guest.subarray(0, SIZE));
    for (const threads of [1, 2]) {
      expect(await guestSha256(image, { format: 'qcow2', options: { snapshot } }, threads)).toBe(expected);
    }
  });

  test('the active state, and a note of what is left out', async () => {
    const raw = temp('active.raw');
    const { notes } = await convert(image, raw, { format: 'raw' });
    expect(sha256(readFileSync(raw))).toBe(await qemuSha256(image, 'qcow2'));
    expect(notes).toEqual([
      { code: 'snapshots', message: '2 internal snapshots in the image; only the active state is read.' },
    ]);
  });

  test('the list is that of qemu-img', async () => {
    await using opened = await openImage(image);
    const { snapshots: theirs } = await qemuInfo('qcow2', image);
    expect(imageInfo(opened).snapshots).toEqual(
      (theirs as Record<string, unknown>[]).map(({ icount: _, ...snapshot }) => snapshot),
    );
  });

  test('one that is not there', async () => {
    const error = await openImage(image, { format: 'qcow2', options: { snapshot: 'third' } }).catch((e) => e);
    expect(error).toMatchObject({ code: 'bad-option', hint: 'It has 1 (first), 2 (1).' });
  });
});

describeWith(['qemu-img', 'qemu-io'], 'external data files', () => {
  test.each(['off', 'on'])('data_file_raw=%s', async (isRaw) => {
    const place = temp(`data-${isRaw}`);
    mkdirSync(place);
    const image = join(place, 'image.qcow2');
    const options = `data_file=${join(place, 'data.bin')},data_file_raw=${isRaw}`;
    await qemuImg(['create', '-q', '-f', 'qcow2', '-o', options, image, `${SIZE}`]);
    await qemuIo('qcow2', image, ['write -q -P 0x31 0 64k', 'write -q -P 0x32 7M 16M', 'write -q -z 8M 1M']);
    const expected = await qemuSha256(image, 'qcow2');
    for (const threads of [1, 2]) {
      expect(await guestSha256(image, { allowPaths: [place] }, threads)).toBe(expected);
    }
    const error = await openImage(image).catch((e) => e);
    expect(error).toMatchObject({ code: 'needs-data-file', fileOffset: 72 });
  });
});

describeWith(['qemu-img'], 'bitmaps', () => {
  test('are listed as qemu-img lists them', async () => {
    const image = temp('bitmaps.qcow2');
    await qemuImg(['create', '-q', '-f', 'qcow2', image, `${SIZE}`]);
    await qemuImg(['bitmap', '--add', '-g', '128k', image, 'weekly']);
    await qemuImg(['bitmap', '--add', '--disable', image, 'daily backup']);
    await using opened = await openImage(image);
    const theirs = (await qemuInfo('qcow2', image)) as { 'format-specific': { data: { bitmaps: unknown } } };
    expect(imageInfo(opened)['format-specific'].data.bitmaps).toEqual(theirs['format-specific'].data.bitmaps);
  });
});

describe('into a raw file that is there', () => {
  test('all of the disk is written, zeros too, and what is behind it stays', async () => {
    const before = noise(SIZE + 64 * KiB, 81);
    const guest = Buffer.concat([noise(6 * MiB, 82), Buffer.alloc(SIZE - 6 * MiB)]);
    const [source, target] = [temp('source.raw'), temp('device.raw')];
    writeFileSync(source, guest);
    writeFileSync(target, before);
    await convert(source, target, { format: 'raw', existing: true });
    expect(readFileSync(target).equals(Buffer.concat([guest, before.subarray(SIZE)]))).toBe(true);
  });

  test('it has to be large enough, there, another file, and raw', async () => {
    const [source, small] = [temp('large.raw'), temp('small.raw')];
    writeFileSync(source, noise(MiB, 83));
    writeFileSync(small, noise(MiB - 512, 84));
    const before = sha256(readFileSync(small));
    const into = (path: string, options: object) =>
      convert(source, path, { format: 'raw', existing: true, ...options } as ConvertOptions).catch((e) => e);
    expect(await into(small, {})).toMatchObject({ code: 'bad-size' });
    expect(await into(temp('nothing.raw'), {})).toMatchObject({ code: 'not-found' });
    expect(await into(source, {})).toMatchObject({ code: 'same-file' });
    expect(await into(small, { format: 'qcow2' })).toMatchObject({ code: 'bad-option' });
    expect(sha256(readFileSync(small))).toBe(before);
    copyFileSync(source, temp('copy.raw'));
    expect(statSync(temp('copy.raw')).size).toBe(MiB);
  });
});
