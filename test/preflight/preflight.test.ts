/** The verb and the command on images that are there: qemu-img's VHDs, encrypted and broken ones, chains, snapshots. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { GiB, MiB } from '../../src/binary/align.ts';
import { convert, createImage, preflight, profiles, type Verdict } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { fixtureBytes, fixtureNamed, fixtures } from '../support/fixtures.ts';
import { describeWith, qemuImg } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { emptyDisk, partitionWithSgdisk } from '../support/test-disks.ts';

const temp = tempFolder();

const judged = async (...args: Parameters<typeof preflight>) => {
  const report = await preflight(...args);
  return {
    ...report,
    of: (id: string) => report.rules.find(({ rule }) => rule === id),
    with: (wanted: Verdict) =>
      report.rules.filter(({ verdict }) => verdict === wanted).map(({ rule }) => rule),
  };
};

describeWith(['qemu-img', 'sgdisk'], 'a VHD that qemu-img has rounded up to whole cylinders', () => {
  beforeAll(async () => {
    emptyDisk(temp('disk.raw'), '2G');
    await partitionWithSgdisk(temp('disk.raw'), ['-n', '1:2048:+100M', '-n', '2:0:0']);
    await qemuImg(['convert', '-O', 'vpc', temp('disk.raw'), temp('rounded.vhd')]);
    await qemuImg(['convert', '-O', 'vpc', '-o', 'force_size', temp('disk.raw'), temp('exact.vhd')]);
  });

  it('is told with its cause and the command that repairs it, which does', async () => {
    const { of, size } = await judged(temp('rounded.vhd'), 'huawei-ims', { diskSize: 2 * GiB });
    expect(size).toEqual({
      guestSize: 2_147_991_552,
      cloudSize: 2_147_991_552,
      cloudSizeIs: 'current size and geometry in the footer agree',
      smallestDiskGiB: 3,
      diskSize: 2 * GiB,
      fits: false,
      roundedUp: { meantSize: 2 * GiB, addedBytes: 507_904 },
    });
    const failure = of('disk-size.fits');
    expect(failure).toMatchObject({
      verdict: 'fail',
      reason: expect.stringContaining('rounded up from 2 GiB'),
    });
    expect(of('vhd.size')?.verdict).toBe('warn');

    const words = (failure?.fix ?? '').split(' ');
    expect(words.slice(0, 2)).toEqual(['diskimg', 'convert']);
    expect(await diskimg(words.slice(1))).toMatchObject({ code: 0 });
    const repaired = await judged(temp('rounded.zvhd2'), 'huawei-ims', { diskSize: 2 * GiB });
    expect(repaired.of('disk-size.fits')?.verdict).toBe('pass');
    expect(repaired.size).toMatchObject({ guestSize: 2 * GiB, fits: true, smallestDiskGiB: 2 });
  });

  it('is nothing to be told of when force_size was given', async () => {
    const { of, size } = await judged(temp('exact.vhd'), 'huawei-ims', { diskSize: 2 * GiB });
    expect(size).toMatchObject({ guestSize: 2 * GiB, smallestDiskGiB: 2, fits: true });
    expect(size).not.toHaveProperty('roundedUp');
    expect(of('vhd.size')?.verdict).toBe('pass');
  });

  it('is no whole MiB for Azure', async () => {
    const { of } = await judged(temp('rounded.vhd'), 'azure');
    expect(of('virtual-size.multiple')).toMatchObject({
      verdict: 'fail',
      fix: expect.stringContaining('--size 2G -O vhd -o subformat=fixed'),
    });
  });
});

describe('sizes', () => {
  it('of a ZVHD2 are whole GiB, and it tells what it was made from', async () => {
    writeFileSync(temp('small.raw'), Buffer.alloc(3 * MiB, 7));
    await convert(temp('small.raw'), temp('small.zvhd2'), { format: 'zvhd2' });
    const { size } = await judged(temp('small.zvhd2'), 'huawei-ims');
    expect(size).toEqual({
      guestSize: GiB,
      cloudSize: GiB,
      cloudSizeIs: 'its size, rounded up to whole GiB as its readers do',
      smallestDiskGiB: 1,
      originalSize: 3 * MiB,
    });
  });
});

describe('what fast import of a raw disk wants beside it', () => {
  const verdict = async (name: string) =>
    (await judged(temp(name), 'huawei-ims', { import: 'fast' })).of('fast.raw.companion');

  it('is found, and missed', async () => {
    writeFileSync(temp('fast.raw'), Buffer.alloc(MiB));
    expect(await verdict('fast.raw')).toMatchObject({
      verdict: 'fail',
      seen: 'no fast.mf',
      cloudCode: 'IMG.0158',
    });
    writeFileSync(temp('fast.mf'), '');
    expect(await verdict('fast.raw')).toMatchObject({ verdict: 'fail', seen: 'fast.mf is empty' });
    writeFileSync(temp('fast.mf'), 'bits');
    expect(await verdict('fast.raw')).toMatchObject({ verdict: 'pass' });
  });

  it('is nothing for a ZVHD2, nor for normal import', async () => {
    await createImage(temp('fast.zvhd2'), { format: 'zvhd2', size: GiB });
    expect(await verdict('fast.zvhd2')).toBeUndefined();
    expect((await judged(temp('fast.raw'), 'huawei-ims')).of('fast.raw.companion')).toBeUndefined();
  });
});

describe('images that are not whole', () => {
  it('an overlay is judged without its base, and fails', async () => {
    await createImage(temp('base.qcow2'), { format: 'qcow2', size: GiB });
    await createImage(temp('overlay.qcow2'), {
      format: 'qcow2',
      backing: { file: temp('base.qcow2'), format: 'qcow2' },
    });
    const { of, with: having } = await judged(temp('overlay.qcow2'), 'openstack');
    expect(of('qcow2.backing-file')).toMatchObject({
      verdict: 'fail',
      fix: expect.stringContaining('--allow-path .'),
    });
    expect(having('pass')).not.toContain('qcow2.backing-file');
    const { of: huawei } = await judged(temp('overlay.qcow2'), 'huawei-ims');
    expect(huawei('delta-volumes')?.verdict).toBe('fail');
    expect(huawei('disk.encrypted')).toMatchObject({
      verdict: 'not-checked',
      reason: expect.stringContaining('[needs-backing]'),
    });
  });

  it('a file that is no sound image is an error, with a code', async () => {
    const bytes = Buffer.alloc(4096);
    bytes.write('QFI\xfb', 'latin1');
    bytes.writeUInt32BE(77, 4);
    writeFileSync(temp('broken.qcow2'), bytes);
    await expect(preflight(temp('broken.qcow2'), 'azure')).rejects.toMatchObject({
      code: 'unsupported-version',
    });
    const { code, out, err } = await diskimg(['preflight', '--for', 'azure', temp('broken.qcow2')]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^diskimg: \[unsupported-version\] .*\n$/);
  });
});

it('encrypted: the rule fails, and nothing on the disk is said to be right', async () => {
  writeFileSync(temp('secret.qcow2'), fixtureBytes(fixtureNamed('qcow2/encrypted-luks')));
  const { of, verdict } = await judged(temp('secret.qcow2'), 'huawei-ims');
  expect(verdict).toBe('fail');
  expect(of('disk.encrypted')?.verdict).toBe('fail');
  expect(of('iso.as-iso-image')).toMatchObject({
    verdict: 'not-checked',
    reason: expect.stringContaining('[encrypted]'),
  });
});

describeWith(['qemu-img'], 'qcow2 of qemu-img', () => {
  it('with a snapshot inside', async () => {
    await qemuImg(['create', '-q', '-f', 'qcow2', temp('snap.qcow2'), '64M']);
    await qemuImg(['snapshot', '-c', 'before', temp('snap.qcow2')]);
    const { of } = await judged(temp('snap.qcow2'), 'huawei-ims');
    expect(of('internal-snapshots')).toMatchObject({ verdict: 'warn', seen: '1 internal snapshot' });
  });
});

it('every fixture gets a report or an error with a code, for every cloud', async () => {
  for (const fixture of fixtures) {
    const bytes = fixtureBytes(fixture);
    if (bytes.length > MiB) continue;
    const profile = profiles[bytes.length % profiles.length];
    if (profile === undefined) throw new Error('there is no profile');
    const outcome = await preflight(new Uint8Array(bytes), profile).then(
      ({ verdict }) => verdict,
      (error) => error.code,
    );
    expect(outcome).toEqual(expect.any(String));
    expect(outcome).not.toBe('worker-failed');
  }
});

describe('the command', () => {
  const report = (args: readonly string[], io = {}) => diskimg(['preflight', ...args], io);

  beforeAll(async () => {
    mkdirSync(temp('a folder'));
    await createImage(temp('a folder/my disk.vhd'), {
      format: 'vhd',
      size: GiB,
      options: { subformat: 'fixed' },
    });
  });

  it('exits with 0 when nothing fails, and 1 when something does', async () => {
    const ok = await report(['--for', 'azure', '--data-disk', temp('a folder/my disk.vhd')]);
    expect(ok.code).toBe(0);
    expect(ok.out).toMatch(/Nothing stands in its way: /);
    const failing = await report(['--for', 'huawei-ims', '--data-disk', temp('a folder/my disk.vhd')]);
    expect(failing.code).toBe(1);
    expect(failing.out).toMatch(/^FAIL {2}name\.no-spaces: my disk\.vhd$/m);
    expect(failing.out).toMatch(/^It will be refused, or will not start: 1 failed, /m);
  });

  it('prints what the library says as JSON, in a shape that is stable', async () => {
    const path = temp('a folder/my disk.vhd');
    const { out, code } = await report(['--for', 'azure', '--os', 'linux', '--output', 'json', path]);
    const library = await preflight(path, 'azure', { os: 'linux' });
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(library)));
    expect(Object.keys(library)).toEqual([
      ...['profile', 'title', 'image', 'format', 'verdict', 'counts', 'facts', 'size', 'rules'],
    ]);
    expect(code).toBe(library.verdict === 'fail' ? 1 : 0);
    const [first] = library.rules;
    expect(first).toMatchObject({ rule: expect.any(String), verdict: 'fail', sources: expect.any(Array) });
    expect(first?.sources[0]?.url).toMatch(/^https:/);
  });

  it('has colours for terminals only, and not with NO_COLOR', async () => {
    const args = ['--for', 'azure', temp('a folder/my disk.vhd')];
    expect((await report(args)).out).not.toContain('\x1b');
    expect((await report(args, { isOutputTerminal: true })).out).toContain('\x1b[31mFAIL');
    expect((await report(args, { isOutputTerminal: true, env: { NO_COLOR: '1' } })).out).not.toContain(
      '\x1b',
    );
    expect((await report(args, { isOutputTerminal: true, env: { TERM: 'dumb' } })).out).not.toContain('\x1b');
  });

  it('shows passes with --all, each with its source', async () => {
    const { out } = await report(['--for', 'azure', '--all', temp('a folder/my disk.vhd')]);
    expect(out).toMatch(
      /^pass {2}virtual-size\.multiple: 1 GiB\n {6}wanted: a multiple of 1 MiB\n {6}source: /m,
    );
  });

  it('fits a screen for an image without trouble', async () => {
    const { out } = await report(['--for', 'azure', '--data-disk', temp('a folder/my disk.vhd')]);
    expect(out.split('\n').length).toBeLessThan(12);
  });

  it('takes what is piped in', async () => {
    async function* disk() {
      yield new Uint8Array(MiB);
    }
    const { out, code } = await report(['--for', 'digitalocean', '-f', 'raw', '-'], { stdin: disk() });
    expect(code).toBe(1);
    expect(out).toMatch(/^FAIL {2}raw\.partition-table/m);
  });

  it('takes a profile of the user', async () => {
    const profile = {
      name: 'ours',
      title: 'Our cloud',
      sources: { R: { title: 'Our runbook', url: 'https://example.com/', date: '2026-05' } },
      rules: [
        { id: 'small', severity: 'error', requires: { kind: 'virtual-size', max: MiB }, sources: ['R'] },
      ],
    };
    writeFileSync(temp('ours.json'), JSON.stringify(profile));
    const { out, code } = await report(['--profile', temp('ours.json'), temp('a folder/my disk.vhd')]);
    expect(code).toBe(1);
    expect(out).toMatch(/^Our cloud: /);
    expect(out).toMatch(/source: Our runbook, 2026-05/);
    writeFileSync(temp('bad.json'), JSON.stringify({ ...profile, rules: [{}] }));
    const bad = await report(['--profile', temp('bad.json'), temp('a folder/my disk.vhd')]);
    expect(bad).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^diskimg: \[bad-profile\] rules\[0\]: id is missing/),
    });
  });

  test.each([
    [['--for', 'azure', '--profile', 'x.json'], 'bad-option'],
    [[], 'bad-option'],
    [['--for', 'azure', '--fast-import'], 'bad-option'],
    [['--for', 'huawei-ims', '--disk-size', '0'], 'bad-option'],
  ])('refuses %j', async (flags, code) => {
    const { err, code: exit } = await report([...flags, temp('a folder/my disk.vhd')]);
    expect(exit).toBe(1);
    expect(err).toContain(`[${code}]`);
  });
});
