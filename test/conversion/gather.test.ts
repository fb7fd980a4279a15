import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gatherer } from '../../src/conversion/gather.ts';
import { memoryTarget } from '../../src/io/memory.ts';
import type { ByteTarget } from '../../src/io/target.ts';

/** A target that counts. */
function counting() {
  const memory = memoryTarget();
  const calls: number[] = [];
  const target: ByteTarget = {
    ...memory,
    write(parts, fileOffset) {
      calls.push(parts.length);
      return memory.write(parts, fileOffset);
    },
  };
  return { target, calls, bytes: memory.bytes };
}

describe('gathered writes', () => {
  it('are those that were asked for, and as many bytes', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(20), fc.uint8Array({ maxLength: 10 }))), async (writes) => {
        const { target, bytes } = counting();
        const model = new Uint8Array(1000);
        const output = gatherer(target);
        let at = 0;
        let length = 0;
        for (const [gap, part] of writes) {
          at += gap < 10 ? 0 : gap;
          await output.add(part, at);
          model.set(part, at);
          at += part.length;
          length += part.length;
        }
        expect(await output.flush()).toBe(length);
        expect(bytes(1000)).toEqual(model);
      }),
      { seed: 14, numRuns: 200 },
    ));

  it('go out with one call while they follow each other, as one part while they do so in memory', async () => {
    const buffer = Uint8Array.from({ length: 30 }, (_, i) => i);
    const { target, calls, bytes } = counting();
    const output = gatherer(target);
    for (let at = 0; at < 20; at += 5) {
      await output.add(new Uint8Array(0), 100 + at);
      await output.add(buffer.subarray(at, at + 5), 100 + at);
    }
    expect(calls).toEqual([]);
    await output.add(buffer.subarray(25, 30), 120);
    await output.add(buffer.subarray(20, 25), 200);
    await output.flush();
    expect(calls).toEqual([2, 1]);
    expect([...bytes(205).subarray(118)].filter(Boolean)).toEqual([
      18, 19, 25, 26, 27, 28, 29, 20, 21, 22, 23, 24,
    ]);
  });

  it('are none when nothing was asked for', async () => {
    const { target, calls } = counting();
    expect(await gatherer(target).flush()).toBe(0);
    expect(calls).toEqual([]);
  });
});
