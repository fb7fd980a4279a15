/**
 * Ciphers of sectors: AES in XTS (IEEE 1619) and CBC mode, with the ways to number sectors that dm-crypt has. XTS and the
 * deciphering of CBC are one call of AES-ECB for many sectors, and an exclusive or around it: 1 GB/s, where a cipher of
 * Node's for each sector does 20 MB/s.
 */

import { SECTOR } from '../binary/align.ts';
import { nodeCrypto } from '../binary/node-crypto.ts';
import { UnsupportedFeatureError } from '../errors.ts';

/** Sectors of 512 bytes, enciphered each on its own. */
export interface SectorCipher {
  /** In place. @param bytes whole sectors @param firstSector number of the first one */
  decrypt(bytes: Uint8Array, firstSector: number): void;
  /** In place. @param bytes whole sectors @param firstSector number of the first one */
  encrypt(bytes: Uint8Array, firstSector: number): void;
}

/** As a LUKS header names it. */
export interface CipherSpec {
  /** `aes`. */
  readonly cipherName: string;
  /** `xts-plain64`, `cbc-essiv:sha256`, … */
  readonly cipherMode: string;
}

const BLOCK = 16;
/** Bytes that are worked on at a time: small enough for a core's own cache. */
const CHUNK = 64 * 1024;

const AES_KEYS: readonly number[] = [16, 24, 32];

/** @throws UnsupportedFeatureError for a cipher, a mode or a length of key that is not known */
export function sectorCipher({ cipherName, cipherMode }: CipherSpec, key: Uint8Array): SectorCipher {
  const [, mode, generator, , hash] = /^(xts|cbc)-(plain|plain64|essiv(:(\w+))?)$/.exec(cipherMode) ?? [];
  const isKnown = cipherName === 'aes' && mode !== undefined && generator !== undefined;
  const keyBytes = mode === 'xts' ? key.length / 2 : key.length;
  if (!isKnown || !AES_KEYS.includes(keyBytes)) {
    const what = `${cipherName}-${cipherMode} with ${key.length * 8} bits of key`;
    throw new UnsupportedFeatureError('unsupported-feature', `The image is encrypted with ${what}.`, {
      hint: 'AES with XTS or CBC is supported. Decrypt it with the software that it comes from.',
    });
  }
  const initial = initialBlocks(generator, hash, key);
  return mode === 'xts' ? xts(key, initial) : cbc(key, initial);
}

/** AES-ECB over whole blocks, again and again. */
type Ecb = (bytes: Uint8Array) => Uint8Array;

function ecb(key: Uint8Array, direction: 'encrypt' | 'decrypt'): Ecb {
  const name = `aes-${key.length * 8}-ecb`;
  const { createCipheriv, createDecipheriv } = nodeCrypto();
  const cipher =
    direction === 'encrypt' ? createCipheriv(name, key, null) : createDecipheriv(name, key, null);
  cipher.setAutoPadding(false);
  return (bytes) => cipher.update(bytes);
}

/** The IVs of a run of sectors, 16 bytes each. */
type InitialBlocks = (firstSector: number, count: number) => Uint8Array;

function initialBlocks(generator: string, hash: string | undefined, key: Uint8Array): InitialBlocks {
  if (generator === 'plain') return (first, count) => numbered(first % 2 ** 32, count, 2 ** 32);
  if (generator === 'plain64') return (first, count) => numbered(first, count, Infinity);
  const name = hash ?? 'sha256';
  requireHash(name);
  const encipher = ecb(nodeCrypto().createHash(name).update(key).digest(), 'encrypt');
  return (first, count) => encipher(numbered(first, count, Infinity));
}

/** @throws UnsupportedFeatureError */
export function requireHash(name: string): void {
  if (nodeCrypto().getHashes().includes(name)) return;
  throw new UnsupportedFeatureError(
    'unsupported-feature',
    `The image uses the hash ${JSON.stringify(name)}.`,
    {
      hint: 'This Node does not have it. Decrypt the image with the software that it comes from.',
    },
  );
}

/** Numbers of sectors, little-endian, in blocks of 16 bytes. */
function numbered(first: number, count: number, wrap: number): Uint8Array {
  const bytes = new Uint8Array(count * BLOCK);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) {
    const number = (first + i) % wrap;
    view.setUint32(i * BLOCK, number % 2 ** 32, true);
    view.setUint32(i * BLOCK + 4, Math.floor(number / 2 ** 32), true);
  }
  return bytes;
}

function xts(key: Uint8Array, initial: InitialBlocks): SectorCipher {
  const half = key.length / 2;
  const encipherTweaks = ecb(key.subarray(half), 'encrypt');
  const mask = new Uint8Array(CHUNK);
  const whitened = new Uint8Array(CHUNK);
  const apply =
    (block: Ecb) =>
    (bytes: Uint8Array, firstSector: number): void => {
      for (const { part, sector } of chunksOf(bytes, firstSector)) {
        fillTweaks(mask, encipherTweaks(initial(sector, part.length / SECTOR)));
        const middle = whitened.subarray(0, part.length);
        xorInto(middle, part, mask);
        xorInto(part, block(middle), mask);
      }
    };
  return {
    decrypt: apply(ecb(key.subarray(0, half), 'decrypt')),
    encrypt: apply(ecb(key.subarray(0, half), 'encrypt')),
  };
}

/** The tweaks of all blocks: that of a sector's first one, doubled in GF(2^128) from block to block. */
function fillTweaks(into: Uint8Array, first: Uint8Array): void {
  const from = new DataView(first.buffer, first.byteOffset, first.length);
  const words = new DataView(into.buffer, into.byteOffset, into.length);
  let at = 0;
  for (let sector = 0; sector < first.length; sector += BLOCK) {
    let a = from.getInt32(sector, true);
    let b = from.getInt32(sector + 4, true);
    let c = from.getInt32(sector + 8, true);
    let d = from.getInt32(sector + 12, true);
    for (const end = at + SECTOR; at < end; at += BLOCK) {
      words.setInt32(at, a, true);
      words.setInt32(at + 4, b, true);
      words.setInt32(at + 8, c, true);
      words.setInt32(at + 12, d, true);
      const carry = d >> 31; // all ones, or none
      d = (d << 1) | (c >>> 31);
      c = (c << 1) | (b >>> 31);
      b = (b << 1) | (a >>> 31);
      a = (a << 1) ^ (carry & 0x87);
    }
  }
}

function cbc(key: Uint8Array, initial: InitialBlocks): SectorCipher {
  const { createCipheriv } = nodeCrypto();
  const decipher = ecb(key, 'decrypt');
  const name = `aes-${key.length * 8}-cbc`;
  const before = new Uint8Array(CHUNK);
  return {
    decrypt(bytes, firstSector) {
      for (const { part, sector } of chunksOf(bytes, firstSector)) {
        // What each block was mixed with: the stored block before it, or the IV.
        before.set(part.subarray(0, part.length - BLOCK), BLOCK);
        const vectors = initial(sector, part.length / SECTOR);
        for (let i = 0; i * SECTOR < part.length; i++) {
          before.set(vectors.subarray(i * BLOCK, (i + 1) * BLOCK), i * SECTOR);
        }
        xorInto(part, decipher(part), before);
      }
    },
    encrypt(bytes, firstSector) {
      const count = bytes.length / SECTOR;
      const vectors = initial(firstSector, count);
      for (let i = 0; i < count; i++) {
        const cipher = createCipheriv(name, key, vectors.subarray(i * BLOCK, (i + 1) * BLOCK));
        cipher.setAutoPadding(false);
        const sector = bytes.subarray(i * SECTOR, (i + 1) * SECTOR);
        sector.set(cipher.update(sector));
      }
    },
  };
}

function* chunksOf(bytes: Uint8Array, firstSector: number) {
  if (bytes.length % SECTOR !== 0) throw new RangeError(`${bytes.length} bytes are no whole sectors`);
  for (let at = 0; at < bytes.length; at += CHUNK) {
    yield { part: bytes.subarray(at, at + CHUNK), sector: firstSector + at / SECTOR };
  }
}

/** `into` becomes `bytes` with `mask` over it; all of `into` is filled. */
function xorInto(into: Uint8Array, bytes: Uint8Array, mask: Uint8Array): void {
  const { length } = into;
  if ((into.byteOffset | bytes.byteOffset | mask.byteOffset) % 4 === 0) {
    const to = new Int32Array(into.buffer, into.byteOffset, length / 4);
    const from = new Int32Array(bytes.buffer, bytes.byteOffset, length / 4);
    const over = new Int32Array(mask.buffer, mask.byteOffset, length / 4);
    for (let i = 0; i < to.length; i++) to[i] = (from[i] as number) ^ (over[i] as number);
    return;
  }
  for (let i = 0; i < length; i++) into[i] = (bytes[i] as number) ^ (mask[i] as number);
}
