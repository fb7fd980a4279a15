/** What scripts say to qemu-img: what means something here does it, what changes nothing is passed over, the rest has its reason. */

import { writeFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { diskimg } from '../support/command.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const raw = () => temp('disk.raw');
const qcow2 = () => temp('disk.qcow2');
const old = () => temp('snapshots.qcow2');

beforeAll(async () => {
  writeFileSync(raw(), Buffer.alloc(1024 * 1024, 'diskimg '));
  writeFileSync(old(), fixtureBytes(fixtureNamed('qcow2/snapshots')));
  await diskimg(['convert', raw(), qcow2()]);
});

test.each([
  ['check -q -f qcow2 -T none -U', () => [qcow2()]],
  ['check -f qcow2 --output=json', () => [qcow2()]],
  ['compare -s -p -q -f qcow2 -F raw -T none -U', () => [qcow2(), raw()]],
  ['map --output=json -f qcow2 -U --start-offset=4k --max-length=64k', () => [qcow2()]],
  ['measure -U -f raw -O qcow2 -o cluster_size=4k --output=json', () => [raw()]],
  ['measure -O raw -l snapshot.id=1', () => [old()]],
  ['info -U -f qcow2 --output=json', () => [qcow2()]],
  ['convert -q -m 4 -W -C -U -t none -T writeback -S 4k -f qcow2 -O vpc', () => [qcow2(), temp('disk.vhd')]],
  ['convert -n --target-is-zero -O raw', () => [qcow2(), raw()]],
  ['convert -l snapshot.id=1', () => [old(), temp('old.raw')]],
  ['create -q -f qcow2 -o compat=1.1,cluster_size=64k', () => [temp('new.qcow2'), '1G']],
  ['resize -q -f qcow2', () => [temp('new.qcow2'), '+1G']],
])('%s', async (flags, images) => {
  const { code, err } = await diskimg([...flags.split(' '), ...images()]);
  expect(err).not.toContain('error');
  expect(code, err).toBe(0);
});

test('check -q prints nothing: the exit code tells', async () => {
  expect(await diskimg(['check', '-q', qcow2()])).toEqual({ code: 0, out: '', err: '' });
});

test.each([
  ['check -r all', 'repaired'],
  ['convert -r 1M -O raw', 'speed'],
  ['convert --bitmaps -O qcow2', 'qemu-img convert'],
  ['info --backing-chain', 'nothing that an image names'],
  ['resize --shrink', 'convert --size'],
  ['resize --preallocation full', 'empty'],
  ['map --image-opts', '-f'],
  ['convert --object secret,id=s,data=x -O raw', '--passphrase-file'],
])('%s is refused, with what to do', async (flags, hint) => {
  const { code, err } = await diskimg([...flags.split(' '), qcow2(), temp('no.raw')]);
  expect(code).toBe(1);
  expect(err).toMatch(/^diskimg: \[bad-option\] /);
  expect(err).toContain(hint);
});

test('help has none of them', async () => {
  const { out } = await diskimg(['help', 'convert']);
  expect(out).not.toMatch(/force-share|target-is-zero|--object/);
});
