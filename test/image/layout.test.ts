import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAllocationBits, freezeAllocation, markStored } from '../../src/image/allocation.ts';
import { type Layout, layOut, type Piece } from '../../src/image/layout.ts';
import { layoutSource } from '../../src/image/layout-source.ts';
import { bytesSection, paddingSection, type Section, tableSection } from '../../src/image/section.ts';

const runs = { seed: 7, numRuns: 200 };
const identity = { uuid: new Uint8Array(16), timestamp: 0 };

function layoutOf(shape: Partial<Layout>, head: number, tail: number): Layout {
  return {
    kind: 'layout',
    virtualSize: 40,
    unit: 16,
    dataStart: head,
    placement: 'packed',
    blockHead: Uint8Array.of(1, 2),
    sections: () => ({
      head: [bytesSection('head', new Uint8Array(head).fill(3))],
      tail: [bytesSection('tail', new Uint8Array(tail).fill(4)), paddingSection(tail, 8)],
    }),
    ...shape,
  };
}

function fileOf(layout: Layout, stored: readonly number[]) {
  const bits = createAllocationBits(Math.ceil(layout.virtualSize / layout.unit));
  for (const block of stored) markStored(bits, block);
  return layOut(layout, freezeAllocation(bits), identity);
}

const plain = (piece: Piece) =>
  piece.kind === 'bytes' ? { ...piece, bytes: [...piece.bytes] } : { ...piece };

describe('a packed layout', () => {
  const file = fileOf(layoutOf({}, 4, 3), [0, 2]);

  it('stands as head, whole blocks each behind its own head, and tail', () => {
    expect([file.size, file.dataEnd]).toEqual([4 + 2 * 18 + 8, 40]);
    expect([...file.pieces(0, file.size)].map(plain)).toEqual([
      { kind: 'bytes', fileOffset: 0, length: 4, bytes: [3, 3, 3, 3] },
      { kind: 'bytes', fileOffset: 4, length: 2, bytes: [1, 2] },
      { kind: 'guest', fileOffset: 6, length: 16, guestOffset: 0 },
      { kind: 'bytes', fileOffset: 22, length: 2, bytes: [1, 2] },
      { kind: 'guest', fileOffset: 24, length: 8, guestOffset: 32 },
      { kind: 'zero', fileOffset: 32, length: 8 },
      { kind: 'bytes', fileOffset: 40, length: 3, bytes: [4, 4, 4] },
      { kind: 'bytes', fileOffset: 43, length: 5, bytes: [0, 0, 0, 0, 0] },
    ]);
  });

  it('is cut anywhere', () => {
    expect([...file.pieces(5, 30)].map(plain)).toEqual([
      { kind: 'bytes', fileOffset: 5, length: 1, bytes: [2] },
      { kind: 'guest', fileOffset: 6, length: 16, guestOffset: 0 },
      { kind: 'bytes', fileOffset: 22, length: 2, bytes: [1, 2] },
      { kind: 'guest', fileOffset: 24, length: 6, guestOffset: 32 },
    ]);
    expect([...file.pieces(34, 41)].map(plain)).toEqual([
      { kind: 'zero', fileOffset: 34, length: 6 },
      { kind: 'bytes', fileOffset: 40, length: 1, bytes: [4] },
    ]);
    for (let at = 0; at <= file.size; at++) expect([...file.pieces(at, at)]).toEqual([]);
  });

  it('is nothing but head and tail when no block is stored', () => {
    expect([...fileOf(layoutOf({}, 4, 8), []).pieces(0, 12)].map(({ kind }) => kind)).toEqual([
      'bytes',
      'bytes',
    ]);
  });
});

describe('a layout in place', () => {
  const layout = layoutOf({ placement: 'in-place', virtualSize: 70, blockHead: new Uint8Array(0) }, 4, 8);

  it('has each guest byte at its own offset, stored or not, and ends with the disk', () => {
    const file = fileOf(layout, [1, 2, 4]);
    expect([file.size, file.dataEnd]).toEqual([82, 74]);
    expect([...file.pieces(0, file.size)].map(plain).slice(1, -1)).toEqual([
      { kind: 'zero', fileOffset: 4, length: 16 },
      { kind: 'guest', fileOffset: 20, length: 32, guestOffset: 16 },
      { kind: 'zero', fileOffset: 52, length: 16 },
      { kind: 'guest', fileOffset: 68, length: 6, guestOffset: 64 },
    ]);
  });
});

describe('any layout', () => {
  const shape = fc.record({
    placement: fc.constantFrom('packed', 'in-place'),
    virtualSize: fc.nat(200),
    unit: fc.constantFrom(1, 2, 16, 64),
    blockHead: fc.uint8Array({ maxLength: 3 }),
  });

  it('tiles any range with pieces that say what the whole file does', () =>
    fc.assert(
      fc.asyncProperty(
        shape,
        fc.nat(9),
        fc.nat(9),
        fc.array(fc.nat(199)),
        async (given, head, tail, wanted) => {
          const layout = layoutOf(given, head, tail);
          const blockCount = Math.ceil(given.virtualSize / given.unit);
          const file = fileOf(
            layout,
            wanted.filter((block) => block < blockCount),
          );
          const guest = Uint8Array.from({ length: given.virtualSize }, (_, i) => i + 1);
          const read = async (into: Uint8Array, at: number) => into.set(guest.subarray(at, at + into.length));
          const source = layoutSource(file, { virtualSize: guest.length, read }, 'laid out');
          const whole = new Uint8Array(file.size).fill(0xa5);
          await source.read(whole, 0);
          for (let from = 0; from <= file.size; from += 3) {
            const to = Math.min(from * 2, file.size);
            let at = from;
            for (const { fileOffset, length } of file.pieces(from, to)) {
              expect([fileOffset, length > 0]).toEqual([at, true]);
              at += length;
            }
            expect(at).toBe(Math.max(from, to));
            const part = new Uint8Array(Math.max(to - from, 0)).fill(0xa5);
            await source.read(part, from);
            expect(part).toEqual(whole.slice(from, from + part.length));
          }
        },
      ),
      runs,
    ));

  it('refuses a head that does not end where the data begins', () => {
    expect(() => fileOf(layoutOf({ dataStart: 5 }, 4, 3), [])).toThrow(RangeError);
  });

  it('is zero past the end of a source that is smaller', async () => {
    const file = fileOf(layoutOf({ placement: 'in-place', virtualSize: 48 }, 0, 0), [0, 1, 2]);
    const read = async (into: Uint8Array) => void into.fill(7);
    const bytes = new Uint8Array(48).fill(0xa5);
    await layoutSource(file, { virtualSize: 20, read }, 'grown').read(bytes, 0);
    expect([...bytes]).toEqual([...new Array(20).fill(7), ...new Array(28).fill(0)]);
  });

  it('gives nothing past its end', async () => {
    const file = fileOf(layoutOf({}, 4, 8), []);
    const source = layoutSource(file, { virtualSize: 40, read: async () => {} }, 'laid out');
    await expect(source.read(new Uint8Array(2), 11)).rejects.toMatchObject({ code: 'truncated' });
  });
});

describe('sections', () => {
  const bytes = Uint8Array.from({ length: 40 }, (_, i) => i + 1);
  const sections: Record<string, [Section, Uint8Array]> = {
    bytes: [bytesSection('bytes', bytes), bytes],
    padding: [paddingSection(24, 64), new Uint8Array(40)],
    'a table': [
      tableSection('table', 10, 4, (view, at, index) =>
        view.setUint32(at, index * 4 * 0x01010101 + 0x01020304),
      ),
      bytes,
    ],
  };

  it.each(Object.entries(sections))('of %s are the same in any part', (_, [section, expected]) => {
    expect(section.length).toBe(40);
    for (let from = 0; from <= 40; from++) {
      for (let to = from; to <= 40; to++) {
        const part = new Uint8Array(to - from);
        section.render(part, from);
        expect(part).toEqual(expected.slice(from, to));
      }
    }
  });

  it('of padding reach to the next unit, or are empty on one', () => {
    expect([0, 1, 511, 512, 513].map((end) => paddingSection(end, 512).length)).toEqual([0, 511, 1, 0, 511]);
  });
});
