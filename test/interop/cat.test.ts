/** diskimg cat beside qemu-img dd: the same bytes of the same range. */

import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { diskimg } from '../support/command.ts';
import { describeWith, qemuFormat, qemuImg } from '../support/native-tools.ts';
import { seededGuest, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const SIZE = 5 * MiB + 1536;

describeWith(['qemu-img'], 'diskimg cat and qemu-img dd', () => {
  beforeAll(async () => {
    writeFileSync(temp('disk.raw'), seededGuest(SIZE, 21));
    const convert = ['convert', '-f', 'raw', temp('disk.raw')];
    await qemuImg([...convert, '-c', '-O', 'qcow2', temp('disk.qcow2')]);
    await qemuImg([...convert, '-O', 'vpc', '-o', 'force_size=on', temp('disk.vhd')]);
  });

  test.each(['raw', 'qcow2', 'vhd'])('read the same ranges of %s', async (format) => {
    const path = temp(`disk.${format}`);
    for (const [unit, skip, count] of [
      [512, 0, 1],
      [512, 3, 5000],
      [4096, 511, 3],
      [MiB, 1, 3],
      [512, SIZE / 512 - 1, 1],
    ] as const) {
      const part = temp(`part.${format}`);
      const dd = ['dd', '-f', qemuFormat(format), '-O', 'raw', `if=${path}`, `of=${part}`];
      await qemuImg([...dd, `bs=${unit}`, `skip=${skip}`, `count=${skip + count}`]);
      // To this qemu-img the count is where it ends; to others it may be how much follows.
      const theirs = readFileSync(part).subarray(0, unit * count);
      const range = ['--offset', `${unit * skip}`, '--length', `${unit * count}`];
      const { code, out } = await diskimg(['cat', '-f', format, ...range, path]);
      expect(code).toBe(0);
      expect(sha256(Buffer.from(out, 'latin1'))).toBe(sha256(theirs));
    }
  });
});
