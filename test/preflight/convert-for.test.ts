/** `convert --for`: for each cloud the result is the same disk as qemu-img and tar read it, and passes its own preflight. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { GiB, MiB } from '../../src/binary/align.ts';
import { tarEnd, tarHeader } from '../../src/binary/tar.ts';
import { convertFor, digestImage, preflight, profileNamed, profiles } from '../../src/index.ts';
import { planFor } from '../../src/preflight/plan-for.ts';
import { diskimg } from '../support/command.ts';
import { describeWith, qemuFormat, qemuImg, qemuInfo } from '../support/native-tools.ts';
import { seededGuest } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { emptyDisk, partitionWithSgdisk, putBytes } from '../support/test-disks.ts';
import { subjectOf } from './subjects.ts';

const temp = tempFolder();
const data = { disk: 'data' } as const;

describeWith(['qemu-img', 'sgdisk'], 'a VHD that qemu-img has rounded up', () => {
  beforeAll(async () => {
    emptyDisk(temp('disk.raw'), '1G');
    await partitionWithSgdisk(temp('disk.raw'), ['-n', '1:2048:+20M', '-n', '2:0:0']);
    putBytes(temp('disk.raw'), seededGuest(3 * MiB, 1, 4096), 5 * MiB);
    await qemuImg(['convert', '-O', 'vpc', temp('disk.raw'), temp('rounded.vhd')]);
  });

  test.each(
    profiles.map(({ name, target }) => [name, target?.archiveMember ? 'tar.gz' : (target?.format ?? '')]),
  )('becomes what %s takes', async (cloud, ending) => {
    const path = temp(`for-${cloud}.${ending}`);
    const report = await convertFor(temp('rounded.vhd'), path, cloud, { facts: data });
    expect(report.preflight.counts).toMatchObject({ fail: 0, warn: 0 });
    const size = report.changes.find(({ what }) => what === 'size');
    expect(size?.why).toMatch(/^The VHD had been rounded up/);

    if (ending === 'tar.gz') {
      mkdirSync(temp(cloud));
      execFileSync('tar', ['-xzf', path, '-C', temp(cloud)]);
      expect(readdirSync(temp(cloud))).toEqual(['disk.raw']);
    }
    const image = ending === 'tar.gz' ? temp(`${cloud}/disk.raw`) : path;
    const format = ending === 'tar.gz' ? 'raw' : ending;
    if (format === 'zvhd2') {
      await diskimg(['convert', '-O', 'raw', image, temp('back.raw')]);
      await qemuImg(['compare', '-f', 'raw', '-F', 'raw', temp('back.raw'), temp('disk.raw')]);
      return;
    }
    const info = await qemuInfo(qemuFormat(format), image);
    expect(info['virtual-size']).toBe(GiB);
    await qemuImg(['compare', '-f', qemuFormat(format), '-F', 'raw', image, temp('disk.raw')]);
  });

  it('is grown where what was meant is no size that the cloud takes', async () => {
    writeFileSync(temp('odd.raw'), Buffer.alloc(3 * MiB + 512, 9));
    const { changes, virtualSize } = await convertFor(temp('odd.raw'), temp('odd.vhd'), 'azure', {
      facts: data,
      size: 30 * MiB,
    });
    expect(virtualSize).toBe(30 * MiB);
    expect(changes.map(({ what }) => what)).toEqual(['format', 'size']);
  });
});

describe('an archive', () => {
  const disk = Buffer.alloc(6 * MiB);
  disk.set(seededGuest(MiB, 5, 4096), 3 * MiB);
  const path = temp('source.raw');
  writeFileSync(path, disk);

  it('is the same each time, for any number of threads, and holds the disk', async () => {
    const digests = [];
    for (const threads of [1, 3]) {
      await convertFor(path, temp(`same-${threads}.tar.gz`), 'gcp', { facts: data, threads, size: 6 * MiB });
      digests.push(
        createHash('sha256')
          .update(readFileSync(temp(`same-${threads}.tar.gz`)))
          .digest('hex'),
      );
    }
    expect(digests[0]).toBe(digests[1]);
    const out = execFileSync('tar', ['-xzOf', temp('same-1.tar.gz'), 'disk.raw'], { maxBuffer: 64 * MiB });
    expect(out.equals(disk)).toBe(true);
  });

  it('leaves nothing behind when it is stopped, fails, or is too large', async () => {
    mkdirSync(temp('stopped'));
    const to = temp('stopped/disk.tar.gz');
    const controller = new AbortController();
    const stopped = convertFor(path, to, 'gcp', {
      facts: data,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    const large = convertFor(path, to, 'gcp', { facts: data, maxOutputBytes: 1000 });
    await expect(large).rejects.toMatchObject({ code: 'over-budget' });
    expect(readdirSync(temp('stopped'))).toEqual([]);
  });

  test.each([
    ['disk.raw', {}],
    ['disk.tar.gz', { verify: true }],
    ['disk.tar.gz', { timeoutSeconds: 5 }],
    ['disk.tar.gz', { input: { salvage: true } }],
  ])('%s %j is refused', async (name, options) => {
    const refused = convertFor(path, temp(name), 'gcp', { facts: data, ...options });
    await expect(refused).rejects.toMatchObject({ code: 'bad-option', hint: expect.any(String) });
    expect(existsSync(temp(name))).toBe(name === 'disk.raw' && existsSync(temp('disk.raw')));
  });

  it('of GNU tar is looked into, sparse or not', async () => {
    const sparse = emptyDisk(temp('disk.raw'), '48M');
    for (let index = 0; index < 40; index++)
      putBytes(sparse, Buffer.alloc(4096, index + 1), index * MiB + 8192);
    for (const flags of ['-Sczf', '-czf']) {
      execFileSync('tar', ['--format=oldgnu', flags, temp('theirs.tar.gz'), '-C', temp('.'), 'disk.raw']);
      const report = await preflight(temp('theirs.tar.gz'), 'gcp', data);
      expect(report).toMatchObject({ verdict: 'pass', size: { guestSize: 48 * MiB }, format: 'raw' });
    }
  });

  test.each<[string, (bytes: Buffer) => void, string]>([
    ['a member longer than the archive', (bytes) => bytes.write('00077777777', 124), 'truncated'],
    ['runs that overlap', (bytes) => bytes.write('00000000000', 386 + 24), 'bad-table'],
    ['runs behind the end', (bytes) => bytes.write('77777777777', 386 + 24), 'bad-table'],
    ['a run of another length', (bytes) => bytes.write('00000001000', 386 + 12), 'bad-table'],
  ])('with %s is an error', async (_, damage, code) => {
    const sparse = emptyDisk(temp('holes.raw'), '8M');
    for (const index of [1, 3]) putBytes(sparse, Buffer.alloc(4096, index), index * MiB);
    execFileSync('tar', ['--format=oldgnu', '-Scf', temp('holes.tar'), '-C', temp('.'), 'holes.raw']);
    const bytes = readFileSync(temp('holes.tar'));
    damage(bytes);
    bytes.fill(0x20, 148, 156);
    const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    await expect(preflight(new Uint8Array(gzipSync(bytes)), 'gcp', data)).rejects.toMatchObject({ code });
  });

  it('with a disk of another name fails', async () => {
    const bytes = Buffer.concat([tarHeader('sda.raw', MiB), Buffer.alloc(MiB), tarEnd(MiB)]);
    const { rules } = await preflight(new Uint8Array(gzipSync(bytes)), 'gcp', data);
    expect(rules[0]).toMatchObject({
      rule: 'archive',
      verdict: 'fail',
      reason: 'What is in the archive is called sda.raw.',
    });
  });
});

describe('the plan', () => {
  const huawei = profileNamed('huawei-ims');
  const plan = (
    cloud: string,
    changes: Parameters<typeof subjectOf>[1],
    asked = {},
    outputName = 'out.img',
  ) => {
    const profile = profileNamed(cloud);
    const { image, contents, facts } = subjectOf(profile, changes);
    if (contents === undefined) throw new Error('there are no contents');
    return planFor(profile, { image, contents, facts, asked, outputName });
  };

  it('tells what it changes and why', () => {
    const image = { backing: 'base.qcow2', snapshotCount: 2, virtualSize: 40 * GiB + 512 };
    const { changes, size, format, options } = plan('azure', { image });
    expect({ size, format, options }).toEqual({
      size: 40 * GiB + MiB,
      format: 'vhd',
      options: { subformat: 'fixed' },
    });
    expect(changes.map(({ what, from, to }) => `${what}: ${from} → ${to}`)).toEqual([
      'format: qcow2 → vhd-fixed',
      'size: 40 GiB and 512 bytes → 40961 MiB',
      'chain: built on "base.qcow2" → complete',
      'snapshots: 2 internal snapshots → none',
    ]);
    for (const { why } of changes) expect(why).toMatch(/^[A-Z].*\.$/);
  });

  it('grows a disk to whole GiB for Compute Engine', () => {
    expect(plan('gcp', { image: { virtualSize: 40 * GiB + 512 } })).toMatchObject({
      size: 41 * GiB,
      archiveMember: 'disk.raw',
    });
  });

  it('takes another format where the cloud does, and no other', () => {
    expect(plan('huawei-ims', {}, { format: 'raw' })).toMatchObject({ format: 'raw', size: 40 * GiB });
    const refused = expect.objectContaining({ code: 'not-importable' });
    expect(() => plan('huawei-ims', { facts: { import: 'fast' } }, { format: 'qcow2' })).toThrow(refused);
    expect(() => plan('azure', {}, { format: 'qcow2' })).toThrow(refused);
    expect(() => plan('azure', {}, { options: { subformat: 'dynamic' } })).toThrow(refused);
    expect(() => plan('azure', {}, { size: 40 * GiB + 512 })).toThrow(refused);
    expect(() => plan('gcp', {}, { format: 'vmdk' })).toThrow(refused);
    expect(huawei.target?.format).toBe('zvhd2');
  });

  it('refuses what no conversion makes right, with every reason', () => {
    const changes = {
      system: { hasCloudInit: false, virtioDrivers: [] },
      image: { virtualSize: 501 * GiB },
    };
    expect(() => plan('tencent', changes)).toThrow(
      expect.objectContaining({
        code: 'not-importable',
        message: expect.stringMatching(/virtual-size\.max: .*linux\.virtio: .*linux\.cloud-init: /),
        hint: expect.stringContaining('leave the cloud out'),
      }),
    );
    expect(() => plan('huawei-ims', { facts: { diskSize: 39 * GiB } })).toThrow(/disk-size\.fits/);
    expect(() => plan('huawei-ims', {}, {}, 'my disk.zvhd2')).toThrow(/name\.no-spaces/);
    expect(() =>
      plan('azure', {
        facts: { boot: 'bios' },
        contents: {
          boot: { bios: 'none', efiLoaders: ['BOOTX64.EFI'], modes: ['uefi'], architectures: ['x86'] },
        },
      }),
    ).toThrow(/said\.boot/);
  });

  it('a profile without a target says nothing of formats', () => {
    const { target: _, ...profile } = huawei;
    const { image, contents, facts } = subjectOf(huawei, {});
    if (contents === undefined) throw new Error('there are no contents');
    expect(() => planFor(profile, { image, contents, facts, asked: {}, outputName: 'x' })).toThrow(
      expect.objectContaining({ code: 'bad-option' }),
    );
  });
});

describe('the command', () => {
  const disk = temp('command.raw');
  const empty = emptyDisk(temp('empty.raw'), '24M');
  writeFileSync(disk, Buffer.alloc(24 * MiB + 512, 3));

  it('says what it changed, and what preflight says of the result', async () => {
    const { code, err, out } = await diskimg([
      'convert',
      '--for',
      'azure',
      '--data-disk',
      disk,
      temp('command.vhd'),
    ]);
    expect({ code, out }).toEqual({ code: 0, out: '' });
    expect(err).toContain('  format: raw → vhd-fixed. Azure takes fixed VHDs of whole MiB only.\n');
    expect(err).toContain('  size: 24 MiB and 512 bytes → 25 MiB. ');
    expect(err).toContain('Nothing stands in its way: ');
  });

  it('tells it all as JSON, too', async () => {
    const { err } = await diskimg([
      ...['convert', '--for', 'azure', '--data-disk', '--progress', 'json', disk, temp('json.vhd')],
    ]);
    const events = err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.at(-1)).toMatchObject({
      event: 'done',
      changes: [{ what: 'format' }, { what: 'size' }],
      preflight: { verdict: 'pass' },
    });
  });

  it('takes what is piped in', async () => {
    async function* bytes() {
      yield new Uint8Array(readFileSync(disk));
    }
    const { code } = await diskimg(
      ['convert', '--for', 'huawei-ims', '--data-disk', '-', temp('piped.zvhd2')],
      {
        stdin: bytes(),
      },
    );
    expect(code).toBe(0);
    expect((await digestImage(temp('piped.zvhd2'))).digest).toMatch(/^diskimg-1:/);
  });

  test.each<[string, readonly string[], string]>([
    [
      'a format that the cloud does not take',
      ['--for', 'azure', '-O', 'qcow2', 'SRC', 'OUT.qcow2'],
      'not-importable',
    ],
    ['an ending that says such a one', ['--for', 'azure', 'SRC', 'OUT.qcow2'], 'not-importable'],
    [
      'a subformat that it does not take',
      ['--for', 'azure', '-O', 'vhd', '-o', 'subformat=dynamic', 'SRC', 'OUT.vhd'],
      'not-importable',
    ],
    [
      'a system disk without a system',
      ['--for', 'azure', '--os', 'linux', 'EMPTY', 'OUT.vhd'],
      'not-importable',
    ],
    ['standard output', ['--for', 'azure', 'SRC', '-'], 'bad-option'],
    ['several images', ['--for', 'azure', 'SRC', 'SRC', 'OUT.vhd'], 'bad-option'],
    ['an existing file', ['--for', 'azure', '-n', 'SRC', 'OUT.vhd'], 'bad-option'],
    ['a size of another image', ['--for', 'azure', '--size', 'original', 'SRC', 'OUT.vhd'], 'bad-option'],
    ['two kinds of rules', ['--for', 'azure', '--profile', 'x', 'SRC', 'OUT.vhd'], 'bad-option'],
    ['facts without a cloud', ['--data-disk', 'SRC', 'OUT.vhd'], 'bad-option'],
  ])('refuses %s', async (_, args, code) => {
    const words = args.map((word) =>
      word.replace('SRC', disk).replace('EMPTY', empty).replace('OUT', temp('refused')),
    );
    const result = await diskimg(['convert', ...words]);
    expect(result).toMatchObject({ code: 1, out: '' });
    expect(result.err).toContain(`[${code}]`);
    expect(readdirSync(temp('.')).filter((name) => name.includes('refused'))).toEqual([]);
  });
});
