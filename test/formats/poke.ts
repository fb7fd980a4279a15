/** Changes one thing in a sound image, and sees how it is refused. */

import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { onesComplementSum } from '../../src/binary/checksum.ts';
import {
  CorruptImageError,
  type ErrorCode,
  type FormatName,
  type ImageError,
  openImage,
  UnknownFormatError,
  UnsupportedFeatureError,
} from '../../src/index.ts';
import { guestDigest } from './guest-digest.ts';

/** Changes the bytes of an image, in place as a rule, and returns them. */
export type Poke = (image: Buffer) => Buffer;

/** What is changed, to what, how, and the code of the error that says so. */
export type Row = readonly [field: string, value: string, poke: Poke, code: ErrorCode];

const UNSUPPORTED: readonly ErrorCode[] = [
  'unsupported-version',
  'unsupported-feature',
  'encrypted',
  'needs-backing',
  'needs-data-file',
  'needs-parent',
];

const classOf = (code: ErrorCode): typeof ImageError => {
  if (code === 'wrong-format') return UnknownFormatError;
  return UNSUPPORTED.includes(code) ? UnsupportedFeatureError : CorruptImageError;
};

/** No refusal takes longer than this, in milliseconds, or more memory, in bytes: nothing is believed before it is checked. */
const MAX_TIME = 2000;
const MAX_MEMORY = 64 * MiB;

/** A test for each row: the poked image is refused when it is opened, or else when all of it is read. */
export function testPokes(format: FormatName, image: () => Uint8Array, rows: readonly Row[]): void {
  test.each(rows)('%s: %s', async (_field, _value, poke, code) => {
    const poked = poke(Buffer.from(image()));
    const memory = process.memoryUsage().arrayBuffers;
    const start = performance.now();
    const error = await readAll(poked, format);
    expect(performance.now() - start).toBeLessThan(MAX_TIME);
    expect(process.memoryUsage().arrayBuffers - memory).toBeLessThan(MAX_MEMORY);
    expect(error).toMatchObject({ code, fileOffset: expect.any(Number) });
    expect(error).toBeInstanceOf(classOf(code));
    expect(error?.fileOffset).toBeGreaterThanOrEqual(0);
    expect(error?.message).toMatch(/\.$/);
  });
}

async function readAll(image: Uint8Array, format: FormatName): Promise<ImageError | undefined> {
  try {
    await using opened = await openImage(image, { format });
    await guestDigest(opened);
    return undefined;
  } catch (error) {
    return error as ImageError;
  }
}

export const u8 =
  (at: number, value: number): Poke =>
  (image) => {
    image.writeUInt8(value, at);
    return image;
  };

export const be32 =
  (at: number, value: number): Poke =>
  (image) => {
    image.writeUInt32BE(value, at);
    return image;
  };

export const be64 =
  (at: number, value: bigint | number): Poke =>
  (image) => {
    image.writeBigUInt64BE(BigInt(value), at);
    return image;
  };

export const le32 =
  (at: number, value: number): Poke =>
  (image) => {
    image.writeUInt32LE(value, at);
    return image;
  };

export const le64 =
  (at: number, value: bigint | number): Poke =>
  (image) => {
    image.writeBigUInt64LE(BigInt(value), at);
    return image;
  };

/** Several pokes, one after the other. */
export const all =
  (...pokes: readonly Poke[]): Poke =>
  (image) =>
    pokes.reduce((bytes, poke) => poke(bytes), image);

/** Computes the checksum of a record again, so that only the poked field is wrong. */
export function sealBigEndian(record: Buffer, checksumAt: number): void {
  record.writeUInt32BE(onesComplementSum(record, checksumAt), checksumAt);
}

export function sealLittleEndian(record: Buffer, checksumAt: number): void {
  record.writeUInt32LE(onesComplementSum(record, checksumAt), checksumAt);
}

/** The first compressed block of a qcow2 with clusters of 64 KiB, spoilt: the metadata stays sound. */
export const withBadPayload: Poke = (image) => {
  const l1 = Number(image.readBigUInt64BE(40));
  const l2 = Number(image.readBigUInt64BE(l1) & 0x00ff_ffff_ffff_fe00n);
  const payload = Number(image.readBigUInt64BE(l2) & 0x003f_ffff_ffff_ffffn);
  image.fill(0xff, payload, payload + 64);
  return image;
};
