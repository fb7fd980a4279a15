/** OVAs: a disk in one is read where it stands, by every command; what is not clear, or not whole, is refused. */

import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { KiB } from '../../src/binary/align.ts';
import {
  type ArchiveInfo,
  checkImage,
  compareImages,
  convert,
  describeImage,
  digestImage,
  ImageError,
  imageInfo,
  mapImage,
  measure,
  openImage,
  prepare,
} from '../../src/index.ts';
import { openSource } from '../../src/sources.ts';
import { availableThreads } from '../../src/workers/pool.ts';
import { diskimg } from '../support/command.ts';
import { difference } from '../support/guest-disks.ts';
import { serveFile } from '../support/http-server.ts';
import { describeWith, qemuImg } from '../support/native-tools.ts';
import { manifestOf, ovfText, tarOf } from '../support/ova.ts';
import { seededGuest } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const system = seededGuest(700 * KiB, 71);
const data = seededGuest(300 * KiB, 72);
let streamed: Buffer;
let qcow2: Buffer;
let one: Buffer;
let two: Buffer;

const ova = (name: string, bytes: Uint8Array): string => {
  writeFileSync(temp(name), bytes);
  return temp(name);
};

async function guestOf(path: string, member?: string): Promise<Buffer> {
  await convert(path, temp('back.raw'), { format: 'raw', ...(member && { input: { member } }) });
  return readFileSync(temp('back.raw'));
}

describeWith(['qemu-img'], 'OVA', () => {
  beforeAll(async () => {
    writeFileSync(temp('system.raw'), system);
    writeFileSync(temp('data.raw'), data);
    const flags = ['-o', 'subformat=streamOptimized'];
    await qemuImg(['convert', '-f', 'raw', '-O', 'vmdk', ...flags, temp('system.raw'), temp('system.vmdk')]);
    await qemuImg(['convert', '-f', 'raw', '-O', 'qcow2', temp('data.raw'), temp('data.qcow2')]);
    streamed = readFileSync(temp('system.vmdk'));
    qcow2 = readFileSync(temp('data.qcow2'));
    const alone = ovfText([{ file: 'system.vmdk', size: streamed.length, capacity: 2 }]);
    const both = ovfText([{ file: 'system.vmdk' }, { file: 'data.qcow2', size: qcow2.length }]);
    one = tarOf(temp('.'), {
      'machine.ovf': alone,
      'machine.mf': manifestOf({ 'machine.ovf': alone, 'system.vmdk': streamed }),
      'system.vmdk': streamed,
    });
    two = tarOf(temp('.'), {
      'machine.ovf': both,
      'system.vmdk': streamed,
      'data.qcow2': qcow2,
      'notes.txt': 'nothing',
    });
    ova('one.ova', one);
    ova('two.ova', two);
  });

  describe('with one disk', () => {
    it.each([['ustar'], ['gnu'], ['pax']])('is that disk: tar --format=%s', async (format) => {
      const files = { 'machine.ovf': ovfText([{ file: 'system.vmdk' }]), 'system.vmdk': streamed };
      const path = ova(`${format}.ova`, tarOf(temp('.'), files, [`--format=${format}`]));
      expect(difference(await guestOf(path), system)).toBeUndefined();
    });

    it('needs neither its name nor a file', async () => {
      await using image = await openImage(new Uint8Array(one));
      expect(imageInfo(image)).toMatchObject({ format: 'vmdk', filename: 'memory/system.vmdk' });
      const guest = new Uint8Array(system.length);
      await image.read(guest, 0);
      expect(difference(guest, system)).toBeUndefined();
    });

    it('is opened again by threads', async () => {
      await using image = await openImage(temp('one.ova'));
      expect(image.reopen).toMatchObject({ descriptor: { kind: 'part', whole: { kind: 'file' } } });
      const outputs: Buffer[] = [];
      for (const threads of [1, Math.max(2, availableThreads())]) {
        await convert(temp('one.ova'), temp('threads.qcow2'), {
          format: 'qcow2',
          threads,
          reproducible: true,
        } as never);
        outputs.push(readFileSync(temp('threads.qcow2')));
      }
      expect(outputs[0]?.equals(outputs[1] as Buffer)).toBe(true);
    });

    it('behind a server, of which only parts are asked', async () => {
      const server = await serveFile({ bytes: one, etag: '"1"' });
      const url = new URL('/machine.ova', server.url);
      expect(difference(await guestOf(url.href), system)).toBeUndefined();
      expect(server.ranges).not.toContain('all');
    });

    it('compressed as a whole, and in a stream', async () => {
      expect(difference(await guestOf(ova('one.ova.gz', gzipSync(one))), system)).toBeUndefined();
      await using image = await openImage(
        (async function* () {
          yield new Uint8Array(one);
        })(),
      );
      expect(image.format).toBe('vmdk');
    });

    it('that is compressed in the archive is unpacked', async () => {
      const files = { 'm.ovf': ovfText([{ file: 'system.vmdk.gz' }]), 'system.vmdk.gz': gzipSync(streamed) };
      const path = ova('packed.ova', tarOf(temp('.'), files));
      expect(difference(await guestOf(path), system)).toBeUndefined();
      await using image = await openImage(path);
      expect(image.notes).toMatchObject([{ code: 'unpacked' }]);
    });

    it('is not written over', async () => {
      const before = readFileSync(temp('one.ova'));
      await expect(convert(temp('one.ova'), temp('one.ova'), { format: 'raw' })).rejects.toMatchObject({
        code: 'same-file',
      });
      expect(readFileSync(temp('one.ova')).equals(before)).toBe(true);
    });

    it('whose format is said is opened as that', async () => {
      await using image = await openImage(temp('one.ova'), { format: 'vmdk' });
      expect(image.format).toBe('vmdk');
      await expect(openImage(temp('one.ova'), { format: 'vdi' })).rejects.toMatchObject({ format: 'vdi' });
    });
  });

  describe('with several disks', () => {
    it('one must be chosen', async () => {
      await expect(openImage(temp('two.ova'))).rejects.toMatchObject({
        code: 'needs-member',
        message: expect.stringContaining('"system.vmdk", "data.qcow2"'),
        hint: expect.stringContaining('--member'),
      });
      await expect(openImage(temp('two.ova'), { member: 'other.vmdk' })).rejects.toMatchObject({
        code: 'bad-option',
        hint: expect.stringContaining('"data.qcow2"'),
      });
    });

    it('and any of them is read', async () => {
      expect(difference(await guestOf(temp('two.ova'), 'system.vmdk'), system)).toBeUndefined();
      expect(difference(await guestOf(temp('two.ova'), 'data.qcow2'), data)).toBeUndefined();
      expect((await guestOf(temp('two.ova'), 'notes.txt')).subarray(0, 7).toString()).toBe('nothing');
    });

    it('by every verb', async () => {
      const input = { member: 'data.qcow2' };
      const path = temp('two.ova');
      expect(await checkImage(path, input)).toMatchObject({ format: 'qcow2', findings: [] });
      const digest = await digestImage(path, { input });
      expect(digest).toMatchObject({ digest: (await digestImage(temp('data.raw'))).digest });
      expect(await measure(path, { format: 'raw', input })).toMatchObject({ 'fully-allocated': data.length });
      expect(await compareImages(path, temp('data.raw'), { first: input })).toMatchObject({
        identical: true,
      });
      await using prepared = await prepare(path, { format: 'raw', input });
      expect(prepared).toMatchObject({ size: data.length });
      await using image = await openImage(path, input);
      expect((await Array.fromAsync(mapImage(image))).at(-1)).toBeDefined();
    });

    it('by every command', async () => {
      const path = temp('two.ova');
      const member = ['--member', 'data.qcow2'];
      expect((await diskimg(['convert', ...member, path, temp('cli.raw')])).code).toBe(0);
      expect(difference(readFileSync(temp('cli.raw')), data)).toBeUndefined();
      for (const args of [
        ['info', ...member, path],
        ['check', ...member, path],
        ['map', ...member, path],
        ['digest', ...member, path],
        ['cat', ...member, path],
        ['measure', '-O', 'qcow2', ...member, path],
        ['compare', '--first-member', 'data.qcow2', path, temp('data.raw')],
        ['compare', '--second-member', 'data.qcow2', temp('data.raw'), path],
      ]) {
        expect([args[0], await diskimg(args)]).toMatchObject([args[0], { code: 0, err: '' }]);
      }
      const { code, err } = await diskimg(['digest', path]);
      expect(code).toBe(1);
      expect(err).toContain('needs-member');
    });

    it('are listed', async () => {
      const info = (await describeImage(temp('two.ova'))) as ArchiveInfo;
      expect(info).toMatchObject({
        format: 'ova',
        disks: [
          {
            name: 'system.vmdk',
            'stored-size': streamed.length,
            format: 'vmdk',
            'virtual-size': system.length,
            'disk-id': 'vmdisk1',
            'file-id': 'file1',
            capacity: 1024 ** 3,
          },
          { name: 'data.qcow2', format: 'qcow2', 'virtual-size': data.length, 'ovf-size': qcow2.length },
        ],
        'other-files': [{ name: 'machine.ovf' }, { name: 'notes.txt', size: 7 }],
      });
      const { out } = await diskimg(['info', temp('two.ova')]);
      expect(out).toContain('file format: ova\n');
      expect(out).toContain(`        virtual size: 300 KiB (${data.length} bytes)\n`);
      expect(JSON.parse((await diskimg(['info', '--output', 'json', temp('two.ova')])).out)).toEqual(info);
      expect(await describeImage(temp('two.ova'), { member: 'data.qcow2' })).toMatchObject({
        format: 'qcow2',
        'virtual-size': data.length,
      });
    });
  });

  describe('that is not whole, or not clear', () => {
    it('a member of what is no archive', async () => {
      await expect(openImage(temp('data.qcow2'), { member: 'a' })).rejects.toMatchObject({
        code: 'bad-option',
      });
    });

    it('what is only named so', async () => {
      const path = ova('zeros.ova', new Uint8Array(4096));
      await expect(openImage(path)).rejects.toMatchObject({ code: 'unknown-format' });
      await using image = await openImage(path, { format: 'raw' });
      expect(image.virtualSize).toBe(4096);
    });

    it.each<[string, Record<string, string | Uint8Array>, string, string]>([
      ['no disk', { 'm.ovf': ovfText([]) }, 'unsupported-feature', 'no disk'],
      ['a disk that is not there', { 'm.ovf': ovfText([{ file: 'a.vmdk' }]) }, 'truncated', 'a.vmdk'],
      [
        'a disk in pieces',
        { 'm.ovf': ovfText([{ file: 'a.vmdk' }]), 'a.vmdk.000000000': 'x', 'a.vmdk.000000001': 'y' },
        'unsupported-feature',
        'cut into 2 files',
      ],
      ['a descriptor that is none', { 'm.ovf': '<Envelope', 'a.vmdk': 'x' }, 'bad-header', 'descriptor'],
      ['a descriptor of MiB', { 'm.ovf': ' '.repeat(1024 ** 2 + 1) }, 'unsupported-feature', 'at most'],
    ])('%s', async (_, files, code, message) => {
      await expect(openImage(new Uint8Array(tarOf(temp('.'), files)))).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message),
      });
    });

    it('two members of one name', async () => {
      const bytes = Buffer.concat([
        tarOf(temp('.'), { 'm.ovf': ovfText([{ file: 'a.vmdk' }]), 'a.vmdk': streamed }, [
          '--format=ustar',
          '-b1',
        ]).subarray(0, -1024),
        tarOf(temp('.'), { 'a.vmdk': streamed }),
      ]);
      await expect(openImage(new Uint8Array(bytes))).rejects.toMatchObject({ code: 'bad-table' });
    });

    it('a disk whose data is in other members', async () => {
      await qemuImg([
        'create',
        '-q',
        '-f',
        'vmdk',
        '-o',
        'subformat=twoGbMaxExtentSparse',
        temp('split.vmdk'),
        '1M',
      ]);
      const files = {
        'm.ovf': ovfText([{ file: 'split.vmdk' }]),
        'split.vmdk': readFileSync(temp('split.vmdk')),
        'split-s001.vmdk': readFileSync(temp('split-s001.vmdk')),
      };
      const path = ova('split.ova', tarOf(temp('.'), files));
      await expect(openImage(path, { member: 'split.vmdk', allowPaths: [temp('.')] })).rejects.toMatchObject({
        code: 'needs-data-file',
        hint: expect.stringContaining('in an archive'),
      });
    });

    it('a disk of another size than the descriptor says', async () => {
      const files = { 'm.ovf': ovfText([{ file: 'a.vmdk', size: 5 }]), 'a.vmdk': streamed };
      await using image = await openImage(new Uint8Array(tarOf(temp('.'), files)));
      expect(image.notes).toMatchObject([{ code: 'ovf-size' }]);
    });

    it('cut anywhere: an error, or all of the disk', async () => {
      const end = one.indexOf(streamed) + streamed.length;
      const cuts = [0, 1, 511, 512, 513, end - 1, end];
      for (let cut = 700; cut < one.length; cut += 1511) cuts.push(cut);
      for (const cut of cuts) {
        const bytes = new Uint8Array(one.subarray(0, cut));
        const source = Object.assign(await openSource(bytes, {}), { name: 'cut.ova' });
        try {
          await using image = await openImage(source);
          expect(cut).toBeGreaterThanOrEqual(end);
          expect(image.virtualSize).toBe(system.length);
        } catch (error) {
          if (!(error instanceof ImageError)) throw error;
          expect([cut, error.code]).toEqual([cut, cut < 512 ? 'unknown-format' : 'truncated']);
        }
      }
    });
  });

  describe('check --data', () => {
    it('compares with the manifest', async () => {
      expect(await checkImage(temp('one.ova'), { data: true })).toMatchObject({
        format: 'vmdk',
        findings: [],
      });
    });

    it.each([
      ['another disk', (text: string) => text.replace(/(system.vmdk\)= ).{8}/, '$1deadbeef'), 'bad-checksum'],
      ['no digest of it', (text: string) => text.replace(/.*system.vmdk.*\n/, ''), 'bad-table'],
      ['what is none', (text: string) => `${text}MD5(a)= 00\n`, 'bad-table'],
    ])('a manifest with %s', async (_, change, code) => {
      const descriptor = ovfText([{ file: 'system.vmdk' }]);
      const files = {
        'm.ovf': descriptor,
        'm.mf': change(manifestOf({ 'm.ovf': descriptor, 'system.vmdk': streamed }, 'SHA1')),
        'system.vmdk': streamed,
      };
      const bytes = new Uint8Array(tarOf(temp('.'), files));
      expect(await checkImage(bytes, { data: true })).toMatchObject({ findings: [{ code }] });
      expect(await checkImage(bytes)).toMatchObject({ findings: [] });
    });
  });
});
