import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { convert } from '../../src/index.ts';
import { orderedGate } from '../../src/workers/pool.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

describe('the gate before the pool', () => {
  it('lets callers in by the order in which they came, never more than it has places', async () => {
    const gate = orderedGate(2);
    const entered: number[] = [];
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 50 }, async (_, caller) => {
        await gate.enter();
        entered.push(caller);
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setTimeout(resolve, (caller * 7) % 5));
        inside -= 1;
        gate.leave();
      }),
    );
    expect(entered).toEqual([...entered].sort((a, b) => a - b));
    expect(most).toBe(2);
  });
});

describe('many pools of many threads', () => {
  it('never stall, and all write the same file', async () => {
    const source = temp('source.raw');
    writeFileSync(
      source,
      new Uint8Array(40 * 1024 * 1024).map((_, i) => i >> 16),
    );
    const options = { format: 'qcow2', options: { compress: true, compressionLevel: 1 } } as const;
    await convert(source, temp('expected.qcow2'), { ...options, threads: 1 });
    const expected = readFileSync(temp('expected.qcow2'));
    for (let round = 0; round < 3; round++) {
      const names = [2, 3, 5].map((threads) => ({ threads, path: temp(`${round}-${threads}.qcow2`) }));
      await Promise.all(names.map(({ threads, path }) => convert(source, path, { ...options, threads })));
      for (const { path } of names) expect(readFileSync(path).equals(expected)).toBe(true);
    }
  });
});
