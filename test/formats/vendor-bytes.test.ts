/**
 * ZVHD and ZVHD2 byte for byte: the vendor's own files, decoded and written again by us, are the vendor's files but
 * for what must differ: unique id, timestamp, checksum, the payloads that two compressors make of the same block,
 * and the rubbish that the vendor leaves in padding.
 */

import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { KiB } from '../../src/binary/align.ts';
import { convert } from '../../src/index.ts';
import { memorySource } from '../../src/io/memory.ts';
import { type Fixture, fixtureBytes, fixtures } from '../support/fixtures.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

const PAGE = 4096;
const RECORD_HEADER = 48;

const TIMESTAMP = [24, 28] as const;
const CHECKSUM = [64, 68] as const;
const UNIQUE_ID = [68, 84] as const;
/** Index offset and bitmap offset: they follow from the lengths of the payloads. */
const TABLE_OFFSETS = [96, 112] as const;
const PAYLOAD_LENGTH = [12, 16] as const;

type Range = readonly [from: number, to: number];

/** Offsets at which two runs of bytes differ, the first few, outside of `ignored` ranges. */
function differences(ours: Buffer, theirs: Buffer, ...ignored: readonly Range[]): number[] {
  const found: number[] = ours.length === theirs.length ? [] : [Math.min(ours.length, theirs.length)];
  for (let at = 0; at < ours.length && found.length < 8; at++) {
    const isIgnored = ignored.some(([from, to]) => from <= at && at < to);
    if (!isIgnored && ours[at] !== theirs[at]) found.push(at);
  }
  return found;
}

const isZero = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0);

interface Record {
  readonly header: Buffer;
  readonly block: number;
  readonly start: number;
  readonly end: number;
  readonly payloadLength: number;
  /** Between the payload and the end mark. */
  readonly padding: Buffer;
  readonly endMark: string;
}

/** The records from the front, as zvhd.md describes them; nothing of diskimg's reader is used. */
function recordsOf(image: Buffer, dataEnd: number): Record[] {
  const records: Record[] = [];
  for (let start = PAGE; start < dataEnd; ) {
    const header = image.subarray(start, start + RECORD_HEADER);
    const payloadLength = header.readUInt32LE(12);
    const end = start + Math.ceil((RECORD_HEADER + payloadLength + 4) / PAGE) * PAGE;
    records.push({
      header,
      block: header.readUInt32LE(16),
      start,
      end,
      payloadLength,
      padding: image.subarray(start + RECORD_HEADER + payloadLength, end - 4),
      endMark: image.toString('latin1', end - 4, end),
    });
    start = end;
  }
  return records;
}

/** A ZVHD2 by its final footer. */
function zvhd2Parts(image: Buffer) {
  const final = image.subarray(-PAGE);
  const indexOffset = Number(final.readBigUInt64LE(96));
  const bitmapOffset = Number(final.readBigUInt64LE(104));
  const indexEnd = indexOffset + final.readUInt32LE(112);
  const bitmapEnd = bitmapOffset + final.readUInt32LE(116);
  const dataEnd = indexOffset - PAGE;
  return {
    initial: image.subarray(0, PAGE),
    records: recordsOf(image, dataEnd),
    middle: image.subarray(dataEnd, indexOffset),
    indexOffset,
    index: image.subarray(indexOffset, indexEnd),
    indexEnd,
    bitmapOffset,
    bitmap: image.subarray(bitmapOffset, bitmapEnd),
    bitmapEnd,
    final,
    size: image.length,
  };
}

async function writtenAgain(fixture: Fixture): Promise<Buffer> {
  const path = temp(fixture.file.replace('/', '-'));
  const source = memorySource(fixtureBytes(fixture));
  if (fixture.format === 'zvhd') await convert(source, path, { format: 'zvhd', size: 'original' });
  else {
    const compressionType = fixture.file.includes('zlib') ? 'zlib' : 'zstd';
    await convert(source, path, { format: 'zvhd2', size: 'original', options: { compressionType } });
  }
  return readFileSync(path);
}

function expectSameRecords(ours: readonly Record[], theirs: readonly Record[]): void {
  expect(ours.length).toBe(theirs.length);
  for (const [i, record] of ours.entries()) {
    expect(differences(record.header, (theirs[i] as Record).header, PAYLOAD_LENGTH)).toEqual([]);
    expect(record.endMark).toBe('end\0');
    expect(theirs[i]?.endMark).toBe('end\0');
    expect(isZero(record.padding)).toBe(true);
  }
}

const footerDifferences = (ours: Buffer, theirs: Buffer, ...ignored: readonly Range[]): number[] =>
  differences(ours, theirs, TIMESTAMP, CHECKSUM, UNIQUE_ID, ...ignored);
const checksumOf = (page: Buffer): number => page.readUInt32LE(64);

const zvhd2Files = fixtures.filter(({ format }) => format === 'zvhd2');
const zvhdFiles = fixtures.filter(({ format }) => format === 'zvhd');

describe.each(zvhd2Files)('$file', (fixture) => {
  const theirs = zvhd2Parts(Buffer.from(fixtureBytes(fixture)));
  let ours: ReturnType<typeof zvhd2Parts>;
  beforeAll(async () => {
    ours = zvhd2Parts(await writtenAgain(fixture));
  });

  test('initial footer: every byte but timestamp, checksum and unique id', () => {
    expect(footerDifferences(ours.initial, theirs.initial)).toEqual([]);
  });

  test('middle footer: the initial one with the count, and a checksum that does not hold', () => {
    expect(footerDifferences(ours.middle, theirs.middle)).toEqual([]);
    for (const parts of [ours, theirs]) {
      expect(checksumOf(parts.middle)).toBe(checksumOf(parts.initial));
      expect(differences(parts.middle, parts.initial, [136, 140])).toEqual([]);
    }
  });

  test('final footer: besides, index and bitmap stand elsewhere when payloads have other lengths', () => {
    expect(footerDifferences(ours.final, theirs.final, TABLE_OFFSETS)).toEqual([]);
    for (const parts of [ours, theirs]) {
      expect(parts.indexEnd).toBe(parts.bitmapOffset);
      expect(parts.bitmapEnd).toBe(parts.size - PAGE);
    }
  });

  test('one identity in all three footers', () => {
    const { initial, middle, final } = ours;
    for (const page of [middle, final]) {
      expect(page.subarray(...TIMESTAMP)).toEqual(initial.subarray(...TIMESTAMP));
      expect(page.subarray(...UNIQUE_ID)).toEqual(initial.subarray(...UNIQUE_ID));
    }
  });

  test('records: header, order, end mark; zeros in the padding', () => {
    expectSameRecords(ours.records, theirs.records);
    expect(ours.records.map(({ block }) => block)).toEqual(fixture.storedBlocks);
  });

  test('bitmap: every byte', () => {
    expect(differences(ours.bitmap, theirs.bitmap)).toEqual([]);
  });

  test('index: an entry for each record, in whole segments; ours ends in zeros', () => {
    expect(ours.index.length).toBe(theirs.index.length);
    expect(ours.index.length % (512 * KiB)).toBe(0);
    for (const { index, records } of [ours, theirs]) {
      for (const [i, { start, end, block }] of records.entries()) {
        const entry = index.subarray(i * 16);
        expect(Number(entry.readBigUInt64LE(0))).toBe(start);
        expect(entry.readUInt32LE(8)).toBe(block);
        expect(entry.readUInt32LE(12)).toBe(end - start);
      }
    }
    expect(isZero(ours.index.subarray(ours.records.length * 16))).toBe(true);
  });
});

describe.each(zvhdFiles)('$file', (fixture) => {
  const theirs = Buffer.from(fixtureBytes(fixture));
  let ours: Buffer;
  beforeAll(async () => {
    ours = await writtenAgain(fixture);
  });

  test('both footers: every byte but timestamp, checksum and unique id', () => {
    expect(footerDifferences(ours.subarray(0, PAGE), theirs.subarray(0, PAGE))).toEqual([]);
    for (const image of [ours, theirs]) {
      expect(image.subarray(-PAGE).equals(image.subarray(0, PAGE))).toBe(true);
    }
  });

  test('records: header, order, end mark; zeros in the padding', () => {
    const records = recordsOf(ours, ours.length - PAGE);
    expectSameRecords(records, recordsOf(theirs, theirs.length - PAGE));
    expect(records.map(({ block }) => block)).toEqual(fixture.storedBlocks);
  });

  test('the zlib header stands in the first record only', () => {
    for (const image of [ours, theirs]) {
      const first = recordsOf(image, image.length - PAGE)[0];
      if (first === undefined) continue;
      const header = image.subarray(first.start + RECORD_HEADER, first.start + RECORD_HEADER + 2);
      expect(header.readUInt16BE(0) % 31).toBe(0);
      expect((header[0] as number) & 0x0f).toBe(8);
    }
  });
});
