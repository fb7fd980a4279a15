/** Images that no cloud can take as they are: in an OVA, encrypted, or in several files; and the commands that make one of them. */

import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it, test } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { convert, convertFor, type PreflightOptions, preflight, profiles } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { difference } from '../support/guest-disks.ts';
import { describeWith, qemuImg } from '../support/native-tools.ts';
import { ovfText, tarOf } from '../support/ova.ts';
import { seededGuest } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const disk = seededGuest(512 * KiB, 81);

async function verdictOf(name: string, cloud: string, rule: string, options: PreflightOptions = {}) {
  const { rules } = await preflight(temp(name), cloud, { disk: 'data', ...options });
  return rules.find((one) => one.rule === rule);
}

const create = (name: string, format: string, ...flags: readonly string[]): Promise<string> =>
  qemuImg(['create', '-q', '-f', format, ...flags, temp(name)]);

describeWith(['qemu-img'], 'images in several files, or in one that is locked', () => {
  beforeAll(async () => {
    writeFileSync(temp('disk.raw'), disk);
    const as = (name: string, format: string, ...flags: readonly string[]): Promise<string> =>
      qemuImg(['convert', '-f', 'raw', '-O', format, ...flags, temp('disk.raw'), temp(name)]);
    await as('stream.vmdk', 'vmdk', '-o', 'subformat=streamOptimized');
    await as('flat.vmdk', 'vmdk', '-o', 'subformat=monolithicFlat');
    await as('split.vmdk', 'vmdk', '-o', 'subformat=twoGbMaxExtentSparse');
    await as('base.vmdk', 'vmdk');
    await create('snapshot.vmdk', 'vmdk', '-b', temp('base.vmdk'), '-F', 'vmdk');
    for (const format of ['qed', 'qcow', 'qcow2']) {
      await create(`overlay.${format}`, format, '-b', temp('disk.raw'), '-F', 'raw');
    }
    writeFileSync(temp('child.vhd'), fixtureBytes(fixtureNamed('vhd/differencing')));
    writeFileSync(temp('plain.vdi'), fixtureBytes(fixtureNamed('vdi/dynamic')));
    writeFileSync(temp('plain.vhdx'), fixtureBytes(fixtureNamed('vhdx/dynamic')));
    writeFileSync(temp('secret.qcow2'), fixtureBytes(fixtureNamed('qcow2/encrypted-luks')));
    const files = {
      'm.ovf': ovfText([{ file: 'stream.vmdk' }]),
      'stream.vmdk': readFileSync(temp('stream.vmdk')),
    };
    writeFileSync(temp('one.ova'), tarOf(temp('.'), files));
    writeFileSync(
      temp('two.ova'),
      tarOf(temp('.'), {
        'm.ovf': ovfText([{ file: 'stream.vmdk' }, { file: 'a disk.raw' }]),
        'stream.vmdk': files['stream.vmdk'],
        'a disk.raw': disk,
      }),
    );
  });

  test.each([
    ['flat.vmdk', 'alibaba', 'image.in-one-file', 'fail'],
    ['flat.vmdk', 'tencent', 'image.in-one-file', 'fail'],
    ['flat.vmdk', 'digitalocean', 'image.in-one-file', 'fail'],
    ['flat.vmdk', 'oci', 'image.in-one-file', 'fail'],
    ['flat.vmdk', 'oci', 'vmdk.types', 'warn'],
    ['flat.vmdk', 'huawei-ims', 'vmdk.flat-extent', 'fail'],
    ['flat.vmdk', 'openstack', 'vmdk.types', 'fail'],
    ['flat.vmdk', 'aws-import', 'formats', 'fail'],
    ['split.vmdk', 'alibaba', 'image.in-one-file', 'fail'],
    ['split.vmdk', 'huawei-ims', 'vmdk.flat-extent', 'fail'],
    ['split.vmdk', 'openstack', 'vmdk.types', 'fail'],
    ['snapshot.vmdk', 'alibaba', 'image.in-one-file', 'fail'],
    ['snapshot.vmdk', 'oci', 'image.in-one-file', 'fail'],
    ['snapshot.vmdk', 'huawei-ims', 'delta-volumes', 'fail'],
    ['base.vmdk', 'alibaba', 'image.in-one-file', 'pass'],
    ['base.vmdk', 'openstack', 'vmdk.types', 'pass'],
    ['base.vmdk', 'aws-import', 'formats', 'fail'],
    ['stream.vmdk', 'alibaba', 'image.in-one-file', 'pass'],
    ['stream.vmdk', 'aws-import', 'formats', 'pass'],
    ['overlay.qed', 'huawei-ims', 'delta-volumes', 'fail'],
    ['overlay.qcow', 'huawei-ims', 'delta-volumes', 'fail'],
    ['overlay.qcow2', 'tencent', 'image.in-one-file', 'fail'],
    ['overlay.qed', 'alibaba', 'formats', 'fail'],
    ['child.vhd', 'alibaba', 'image.in-one-file', 'fail'],
    ['child.vhd', 'huawei-ims', 'delta-volumes', 'fail'],
    ['child.vhd', 'aws-import', 'formats', 'fail'],
    ['plain.vdi', 'digitalocean', 'image.in-one-file', 'pass'],
    ['plain.vdi', 'aws-import', 'formats', 'fail'],
    ['plain.vhdx', 'azure', 'formats', 'fail'],
    ['plain.vhdx', 'digitalocean', 'formats', 'pass'],
    ['secret.qcow2', 'alibaba', 'image.encrypted', 'fail'],
    ['secret.qcow2', 'tencent', 'image.encrypted', 'fail'],
    ['secret.qcow2', 'digitalocean', 'image.encrypted', 'fail'],
    ['secret.qcow2', 'huawei-ims', 'disk.encrypted', 'fail'],
    ['secret.qcow2', 'oci', 'disk.encrypted', 'warn'],
    ['overlay.qcow2', 'alibaba', 'image.encrypted', 'pass'],
  ])('%s, %s: %s is %s', async (name, cloud, rule, verdict) => {
    const found = await verdictOf(name, cloud, rule);
    expect(found).toMatchObject({ rule, verdict });
    if (verdict !== 'pass') expect(found?.fix).toMatch(/^diskimg convert /);
  });

  test.each(profiles.map(({ name }) => name))('an OVA, %s', async (cloud) => {
    const rule = cloud === 'openstack' ? 'format.as-declared' : 'formats';
    const found = await verdictOf('one.ova', cloud, rule);
    const expected = cloud === 'aws-import' ? 'pass' : cloud === 'openstack' ? 'warn' : 'fail';
    expect(found).toMatchObject({
      verdict: expected,
      seen: expect.stringContaining('stream.vmdk in an OVA'),
    });
    if (expected !== 'pass') expect(found?.fix).toMatch(/^diskimg convert /);
  });

  it('of several disks in an OVA one is judged, and its command names it', async () => {
    await expect(preflight(temp('two.ova'), 'alibaba')).rejects.toMatchObject({ code: 'needs-member' });
    const found = await verdictOf('two.ova', 'alibaba', 'formats', { input: { member: 'a disk.raw' } });
    const output = temp('a disk.qcow2');
    expect(found?.fix).toBe(
      `diskimg convert --member 'a disk.raw' -O qcow2 -o compress=on ${temp('two.ova')} '${output}'`,
    );
    const args = [
      'convert',
      '--member',
      'a disk.raw',
      '-O',
      'qcow2',
      '-o',
      'compress=on',
      temp('two.ova'),
      output,
    ];
    expect(await diskimg(args)).toMatchObject({ code: 0 });
    expect(await verdictOf('a disk.qcow2', 'alibaba', 'formats')).toMatchObject({ verdict: 'pass' });
    const { code, out } = await diskimg(['preflight', '--for', 'aws-import', '--data-disk', temp('one.ova')]);
    expect([code, out]).toEqual([0, expect.stringContaining('AWS VM Import/Export (data disk): ')]);
  });

  it('an OVA with what the cloud does not take in one is refused, too', async () => {
    const files = { 'm.ovf': ovfText([{ file: 'd.qcow2' }]), 'd.qcow2': readFileSync(temp('overlay.qcow2')) };
    writeFileSync(temp('qcow2.ova'), tarOf(temp('.'), files));
    expect(await verdictOf('qcow2.ova', 'aws-import', 'formats')).toMatchObject({
      verdict: 'fail',
      seen: 'qcow2 as d.qcow2 in an OVA',
    });
  });

  it('convert --for takes a disk out of an OVA, and the lock off an image, and says so', async () => {
    const taken = await convertFor(temp('two.ova'), temp('taken.qcow2'), 'alibaba', {
      facts: { disk: 'data' },
      input: { member: 'stream.vmdk' },
    });
    expect(taken.changes).toContainEqual(
      expect.objectContaining({ what: 'archive', from: 'stream.vmdk in an OVA' }),
    );
    const unlocked = await convertFor(temp('secret.qcow2'), temp('open.qcow2'), 'alibaba', {
      facts: { disk: 'data' },
      input: { passphrase: 'secret' },
    });
    expect(unlocked.changes).toContainEqual(expect.objectContaining({ what: 'encryption' }));
    const secret = Buffer.alloc(MiB).fill(0x11, 0, 8 * KiB);
    for (const [name, bytes] of [
      ['taken.qcow2', disk],
      ['open.qcow2', secret],
    ] as const) {
      await convert(temp(name), temp('back.raw'), { format: 'raw' });
      expect(difference(readFileSync(temp('back.raw')), bytes)).toBeUndefined();
    }
  });

  it('an image that was unlocked is encrypted all the same', async () => {
    const found = await verdictOf('secret.qcow2', 'alibaba', 'image.encrypted', {
      input: { passphrase: 'secret' },
    });
    expect(found).toMatchObject({ verdict: 'fail', fix: expect.stringContaining('diskimg convert') });
  });
});
