/** The OVA in native-fixtures/, which qemu-img and tar have made: its disks are those that qemu-img reads. */

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, it, test } from 'vitest';
import { type ArchiveInfo, checkImage, convert, describeImage, serveImage } from '../../src/index.ts';
import { fixturePath } from '../support/fixtures.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
writeFileSync(temp('two-disks.ova'), gunzipSync(readFileSync(fixturePath('ova/two-disks.ova.gz'))));
const digests = readFileSync(fixturePath('ova/digests.txt'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split('  ') as [digest: string, member: string]);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test.each(digests)('%s is the disk %s', async (digest, member) => {
  await convert(temp('two-disks.ova'), temp('guest.raw'), { format: 'raw', input: { member } });
  expect(sha256(readFileSync(temp('guest.raw')))).toBe(digest);
  await convert(fixturePath('ova/two-disks.ova.gz'), temp('guest.raw'), { format: 'raw', input: { member } });
  expect(sha256(readFileSync(temp('guest.raw')))).toBe(digest);
  expect(await checkImage(temp('two-disks.ova'), { member, data: true })).toMatchObject({ findings: [] });
});

it('its list has them, and each is as large as the descriptor says', async () => {
  const { disks } = (await describeImage(temp('two-disks.ova'))) as ArchiveInfo;
  expect(disks.map(({ name }) => name)).toEqual(digests.map(([, member]) => member));
  for (const disk of disks) {
    expect(disk.capacity).toBe(disk['virtual-size']);
    expect(disk['ovf-size']).toBe(disk['stored-size']);
  }
});

it('a disk in it is served', async () => {
  const [digest, member] = digests[0] as [string, string];
  const server = await serveImage(temp('two-disks.ova'), { format: 'raw', input: { member } });
  try {
    const answer = await fetch(server.url);
    expect(sha256(new Uint8Array(await answer.arrayBuffer()))).toBe(digest);
  } finally {
    await server.close();
  }
});
