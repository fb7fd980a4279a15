/** Several files as one: every range of the row is that of the bytes one behind the other. */

import { describe, expect, it } from 'vitest';
import { filesInRow } from '../../src/io/files-in-row.ts';
import { memorySource } from '../../src/io/memory.ts';
import type { ByteSource } from '../../src/io/source.ts';

const bytes = Uint8Array.from({ length: 10 }, (_, index) => index + 1);
const parts = [bytes.subarray(0, 3), new Uint8Array(0), bytes.subarray(3, 4), bytes.subarray(4)];
const row = filesInRow(parts.map((part, index) => memorySource(part, `part ${index}`)));

describe('files in a row', () => {
  it('give every range', async () => {
    expect(row.size).toBe(10);
    for (let from = 0; from <= 10; from++) {
      for (let to = from; to <= 10; to++) {
        const into = new Uint8Array(to - from);
        await row.read(into, from);
        expect(into).toEqual(bytes.slice(from, to));
      }
    }
  });

  it('end where the last one ends', async () => {
    await expect(row.read(new Uint8Array(2), 9)).rejects.toMatchObject({ code: 'truncated' });
  });

  it('know the holes of each, at their places in the row', () => {
    const holed: ByteSource = {
      ...memorySource(new Uint8Array(8)),
      dataRanges: (start, end) => [{ start: Math.max(start, 4), end: Math.min(end, 6) }],
    };
    const ranges = filesInRow([memorySource(bytes.subarray(0, 3)), holed]).dataRanges?.(1, 9);
    expect([...(ranges ?? [])]).toEqual([
      { start: 1, end: 3 },
      { start: 7, end: 9 },
    ]);
  });

  it('are closed and looked after together', async () => {
    const calls: string[] = [];
    const watched = (name: string): ByteSource => ({
      ...memorySource(bytes, name),
      requireUnchanged: async () => void calls.push(`${name} unchanged`),
      close: async () => void calls.push(`${name} closed`),
    });
    const both = filesInRow([watched('a'), watched('b')]);
    await both.requireUnchanged?.();
    await both.close();
    expect(calls).toEqual(['a unchanged', 'b unchanged', 'a closed', 'b closed']);
  });
});
