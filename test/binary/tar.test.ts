/** Archives of old GNU flavour: ours as GNU tar reads them, and headers that are none. */

import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { parseTarHeader, TAR_BLOCK, tarEnd, tarHeader } from '../../src/binary/tar.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const GiB = 1024 ** 3;

describe('a header', () => {
  test.each([0, 1, 512, 8 * GiB - 1, 8 * GiB, 9 * GiB + 5, 64 * 1024 * GiB])(
    'of %d bytes is read back',
    (size) => {
      expect(parseTarHeader(tarHeader('disk.raw', size))).toEqual({
        name: 'disk.raw',
        size,
        storedSize: size,
        isSparse: false,
        runs: [],
        hasMoreRuns: false,
      });
    },
  );

  it('is what GNU tar writes for the same file', () => {
    writeFileSync(temp('disk.raw'), 'twelve bytes');
    const args = ['--format=oldgnu', '--owner=root:0', '--group=root:0', '--mode=644', '--mtime=@0'];
    execFileSync('tar', [...args, '-C', temp('.'), '-cf', temp('theirs.tar'), 'disk.raw']);
    const ours = Buffer.concat([tarHeader('disk.raw', 12), Buffer.from('twelve bytes'), tarEnd(12)]);
    expect(execFileSync('cat', [temp('theirs.tar')]).equals(ours)).toBe(true);
  });

  it('of a file of 9 GiB is what GNU tar lists', () => {
    const size = 9 * GiB + 5;
    const file = openSync(temp('large.tar'), 'w');
    writeSync(file, tarHeader('disk.raw', size));
    ftruncateSync(file, TAR_BLOCK + size + tarEnd(size).length);
    closeSync(file);
    expect(execFileSync('tar', ['-tvf', temp('large.tar')], { encoding: 'utf8' })).toMatch(
      new RegExp(`^-rw-r--r-- root/root +${size} .* disk\\.raw\n$`),
    );
  });

  it('is none where a bit of it is another one', () => {
    const header = tarHeader('disk.raw', 4096);
    for (let at = 0; at < 345; at++) {
      const other = Uint8Array.from(header);
      other[at] = (other[at] ?? 0) ^ 0x10;
      // Its own field may hold the same number with other characters.
      if (at < 148 || at >= 156) expect(parseTarHeader(other)).toBeUndefined();
    }
    expect(parseTarHeader(new Uint8Array(TAR_BLOCK))).toBeUndefined();
    expect(parseTarHeader(new Uint8Array(TAR_BLOCK).fill(255))).toBeUndefined();
  });
});
