/** What comes in one direction, kept in a temporary file: how much may come, and how much of it may be data. */

import { expect, test } from 'vitest';
import { MAX_EXPANSION, mostData } from '../../src/conversion/expansion.ts';
import { spoolToFile } from '../../src/io/file-spool.ts';

const MiB = 1024 * 1024;

async function* body(zeros: number, data: number) {
  for (let i = 0; i < zeros; i++) yield new Uint8Array(MiB);
  for (let i = 0; i < data; i++) yield new Uint8Array(MiB).fill(1);
}

const spooling = (zeros: number, data: number, more: object) =>
  spoolToFile({ name: 'disk.zst', maxBytes: 100 * MiB, body: body(zeros, data), ...more });

test('zeros are no data: a disk may be as large as it likes', async () => {
  const source = await spooling(40, 3, { maxDataBytes: 3 * MiB });
  expect(source.size).toBe(43 * MiB);
  await source.close();
});

test('a bomb is stopped where its data passes the limit', async () => {
  await expect(spooling(2, 4, { maxDataBytes: 3 * MiB })).rejects.toMatchObject({
    code: 'over-budget',
    hint: expect.stringContaining('--max-expansion'),
  });
  await expect(spooling(90, 11, {})).rejects.toMatchObject({ hint: expect.stringContaining('--max-spool') });
});

test('less than 1 GiB is never too much, and beyond it a multiple of the file', () => {
  expect(mostData(0, MAX_EXPANSION)).toBe(2 ** 30);
  expect(mostData(MiB, 4000)).toBe(4000 * MiB);
});
