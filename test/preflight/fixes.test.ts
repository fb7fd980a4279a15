/** Commands that reports offer: they run, they make what the cloud takes, and a shell takes every name for one word. */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { type ImportFacts, preflight, profileNamed, profiles } from '../../src/index.ts';
import { fixesFor } from '../../src/preflight/fixes.ts';
import { diskimg } from '../support/command.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const facts: ImportFacts = { disk: 'data' };
const bare = { facts, size: undefined };

const plain = profiles.filter(({ target }) => target !== undefined && target.archiveMember === undefined);

test.each(plain.map(({ name }) => name))('what is offered for %s makes what it takes', async (cloud) => {
  const image = temp(`${cloud}.img`);
  writeFileSync(image, Buffer.alloc(24 * MiB + 512, 5));
  const fixes = fixesFor(image, profileNamed(cloud), { facts, size: 25 * MiB });
  const words = (fixes.convert ?? '').split(' ');
  expect(words.slice(0, 4)).toEqual(['diskimg', 'convert', '--size', '25M']);
  expect(await diskimg(words.slice(1))).toMatchObject({ code: 0 });
  const output = words.at(-1) ?? '';
  expect(output).not.toBe(image);
  const { rules } = await preflight(output, cloud, facts);
  const wrong = rules.filter(({ verdict, rule }) => verdict === 'fail' && rule !== 'raw.partition-table');
  expect(wrong).toEqual([]);
});

describe('names', () => {
  const azure = profileNamed('azure');

  test.each([
    "it's.vhd",
    'a disk.vhd',
    '$(reboot).vhd',
    '`reboot`.vhd',
    '-rf.vhd',
    'line\nfeed.vhd',
    '\x1b[31mred.vhd',
    'a\\b.vhd',
    '"quoted";true.vhd',
    '*.vhd',
    'диск.vhd',
  ])('%j is one word for a shell, and sends a terminal nothing that it obeys', (name) => {
    const command = fixesFor(name, azure, bare).convert ?? '';
    expect(command).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    const script = `diskimg() { printf '%s\\0' "$@"; }; ${command}`;
    const words = execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1);
    const [source = '', output = ''] = words.slice(-2);
    expect(source.replace(/^\.\//, '')).toBe(name);
    expect(output).toMatch(/\.vhd$/);
    expect(source.startsWith('-')).toBe(false);
  });

  test.each([
    ['disk.qcow2', 'disk.vhd'],
    ['disk.vhd', 'disk-fixed.vhd'],
    ['disk.raw.gz', 'disk.vhd'],
    ['images.d/disk', 'images.d/disk.vhd'],
    ['https://example.com/a/disk.qcow2?token=1', 'disk.vhd'],
    ['-', 'disk.vhd'],
  ])('%s is converted into %s', (name, output) => {
    expect(fixesFor(name, azure, bare).convert?.split(' ').at(-1)).toBe(output);
  });

  it('of an archive goes through --for, and through tar where the cloud is one of the user', () => {
    const gcp = profileNamed('gcp');
    const facts: ImportFacts = { os: 'linux', boot: 'uefi', arch: 'x86' };
    expect(fixesFor('d.qcow2', gcp, { facts, size: undefined }).convert).toBe(
      'diskimg convert --for gcp --os linux --boot uefi --arch x86 d.qcow2 d.tar.gz',
    );
    expect(fixesFor('d.qcow2', { ...gcp, name: 'ours' }, { facts, size: undefined }).convert).toBe(
      'diskimg convert -O raw d.qcow2 disk.raw && tar --format=oldgnu -Sczf d.tar.gz disk.raw',
    );
  });

  it('without a target nothing is offered', () => {
    const { target: _, ...profile } = azure;
    expect(fixesFor('d.qcow2', profile, bare).convert).toBeUndefined();
    expect(fixesFor('d.qcow2', profile, bare).resized(MiB)).toBeUndefined();
  });
});
