/** gzip, packed in blocks at once: one member, the same for every way to cut the input. */

import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it, test } from 'vitest';
import { gzipped } from '../../src/codecs/gzip.ts';
import { seededGuest } from '../support/seeded-guest.ts';

const MiB = 1024 * 1024;

async function packed(bytes: Uint8Array, step: number): Promise<Buffer> {
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
  }
  const parts: Uint8Array[] = [];
  for await (const part of gzipped(chunks())) parts.push(part);
  return Buffer.concat(parts);
}

describe('what is packed', () => {
  const data = new Uint8Array(5 * MiB + 77);
  data.set(seededGuest(MiB, 3, 5000), 100);
  data.set(seededGuest(MiB, 4, 5000), 4 * MiB + 13);

  test.each([0, 1, 511, MiB, MiB + 1, data.length])(
    '%d bytes are unpacked by zlib and gzip',
    async (length) => {
      const bytes = data.subarray(0, length);
      const result = await packed(bytes, 100_000);
      expect(gunzipSync(result).equals(bytes)).toBe(true);
      expect(execFileSync('gzip', ['-dc'], { input: result, maxBuffer: 8 * MiB }).equals(bytes)).toBe(true);
    },
  );

  it('is the same however it is cut', async () => {
    const [first, ...others] = await Promise.all(
      [7 * MiB, MiB, 65_536, 99_991].map((step) => packed(data, step)),
    );
    for (const other of others) expect(other.equals(first as Buffer)).toBe(true);
  });

  it('holds zeros in little', async () => {
    expect((await packed(new Uint8Array(32 * MiB), MiB)).length).toBeLessThan(40_000);
  });
});

it('passes on what the input throws', async () => {
  async function* broken() {
    yield new Uint8Array(3 * MiB).fill(1);
    throw new Error('the disk is gone');
  }
  const reading = async () => {
    for await (const part of gzipped(broken())) expect(part.length).toBeGreaterThan(0);
  };
  await expect(reading()).rejects.toThrow('the disk is gone');
});
