import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memorySource, memoryTarget } from '../../src/io/memory.ts';
import { readBytes } from '../../src/io/source.ts';

describe('memory', () => {
  it('gives what is in it, and nothing past its end', async () => {
    const source = memorySource(Uint8Array.of(1, 2, 3, 4, 5));
    expect(await readBytes(source, 1, 3, 'A part')).toEqual(Uint8Array.of(2, 3, 4));
    expect(await readBytes(source, 5, 0, 'Nothing')).toHaveLength(0);
    for (const [at, length] of [
      [3, 3],
      [6, 0],
      [-1, 1],
    ] as const) {
      const refused = { name: 'CorruptImageError', code: 'truncated' };
      await expect(readBytes(source, at, length, 'A part')).rejects.toMatchObject(refused);
      await expect(source.read(new Uint8Array(length), at)).rejects.toMatchObject(refused);
    }
  });

  it('takes writes in any order, with zeros where there were none', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(200_000), fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 3 }))),
        async (writes) => {
          const target = memoryTarget();
          const model = new Uint8Array(200_100);
          for (const [at, parts] of writes) {
            await target.write(parts, at);
            model.set(Buffer.concat(parts), at);
          }
          expect(Buffer.compare(target.bytes(model.length), model)).toBe(0);
        },
      ),
      { seed: 11, numRuns: 50 },
    ));
});
