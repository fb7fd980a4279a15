/** Memory of parts that is used again: never while someone has it, and never with what was in it. */

import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { type PrepareOptions, prepare } from '../../src/index.ts';
import { createStock } from '../../src/prepared/stock.ts';
import { seededGuest, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
beforeAll(() => writeFileSync(temp('disk'), seededGuest(9 * MiB + 512, 12)));

describe('a stock', () => {
  it('gives what came back again, as zeros', () => {
    const stock = createStock(4);
    const bytes = stock.take(4);
    bytes.fill(7);
    stock.giveBack(bytes);
    expect(stock.take(4)).toBe(bytes);
    expect([...bytes]).toEqual([0, 0, 0, 0]);
    expect(stock.take(4)).not.toBe(bytes);
  });

  it('takes nothing twice, nothing of others, and nothing whose memory is gone', () => {
    const stock = createStock(4);
    const [twice, gone, foreign, short] = [stock.take(4), stock.take(4), new Uint8Array(4), stock.take(3)];
    structuredClone(gone, { transfer: [gone.buffer] });
    for (const bytes of [twice, twice, gone, foreign, short]) stock.giveBack(bytes);
    const [first, second] = [stock.take(4), stock.take(4)];
    expect(first).toBe(twice);
    expect([twice, gone, foreign]).not.toContain(second);
    expect(second.length).toBe(4);
  });
});

it.each([
  { format: 'raw' },
  { format: 'qcow2' },
  { format: 'zvhd2' },
  { format: 'qcow2', options: { compress: true } },
])('parts of %j are the file when their memory goes round', async (options) => {
  await using output = await prepare(temp('disk'), {
    input: { format: 'raw' },
    ...options,
  } as PrepareOptions);
  const expected = Buffer.concat(await Array.fromAsync(output.stream()));
  const file = Buffer.alloc(expected.length, 0xee);
  const memory = new Set<Uint8Array>();
  for await (const part of output.parts(65_536)) {
    const bytes = await part.read();
    file.set(bytes, part.start);
    memory.add(bytes);
    bytes.fill(0xdd);
    part.release(bytes);
    if (part.number === 2) file.set(await part.read(), part.start);
  }
  expect(sha256(file)).toBe(sha256(expected));
  expect(memory.size).toBeLessThan(Math.ceil(expected.length / 65_536));
});
