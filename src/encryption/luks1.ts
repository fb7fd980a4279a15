/**
 * LUKS version 1 ("LUKS1 On-Disk Format Specification", version 1.2.3): a volume key, kept in eight slots, each behind a
 * passphrase of its own and split over 4,000 stripes, so that what is left of an erased slot is worth nothing.
 */

import { promisify } from 'node:util';
import { alignUp, SECTOR } from '../binary/align.ts';
import { nodeCrypto } from '../binary/node-crypto.ts';
import { bytes, chars, type Decoded, struct, u16, u32 } from '../binary/struct.ts';
import { CorruptImageError, UnknownFormatError, UnsupportedFeatureError, withDetails } from '../errors.ts';
import { type CipherSpec, requireHash, type SectorCipher, sectorCipher } from './sector-cipher.ts';

export const keySlot = struct('LUKS key slot', 48, 'big', {
  active: u32(0), // 0x00AC71F3 enabled, 0x0000DEAD disabled
  iterations: u32(4), // of PBKDF2
  salt: bytes(8, 32),
  keyMaterialOffset: u32(40), // in sectors
  stripes: u32(44),
});

export const luksHeader = struct('LUKS header', 208, 'big', {
  magic: chars(0, 6),
  version: u16(6),
  cipherName: chars(8, 32),
  cipherMode: chars(40, 32),
  hashSpec: chars(72, 32),
  payloadOffset: u32(104), // in sectors
  keyBytes: u32(108),
  mkDigest: bytes(112, 20),
  mkDigestSalt: bytes(132, 32),
  mkDigestIterations: u32(164),
  uuid: chars(168, 40),
});

export const LUKS_MAGIC = 'LUKS\xba\xbe';
const SLOTS = 8;
const ENABLED = 0x00ac71f3;
const DISABLED = 0x0000dead;
const STRIPES = 4000;
/** Key material begins here, and at multiples of it, in bytes. */
const KEY_MATERIAL_ALIGNMENT = 4096;
const DIGEST_BYTES = 20;

/** Bytes of the header with its key slots. */
export const LUKS1_HEADER_LENGTH = luksHeader.size + SLOTS * keySlot.size;

/** Of AES-256 with XTS, which takes two keys. */
export const VOLUME_KEY_BYTES = 64;
const MAX_KEY_BYTES = 64;

/** Iterations of all slots in use: a minute. A slot that an honest program makes takes seconds. */
const MAX_ITERATIONS = 100_000_000;

export type KeySlot = Decoded<typeof keySlot>;

export interface Luks1Header extends Decoded<typeof luksHeader> {
  readonly keySlots: readonly KeySlot[];
}

/**
 * The header. @param start its first {@link LUKS1_HEADER_LENGTH} bytes @param at where they stand, for errors
 * @throws UnknownFormatError `wrong-format`; UnsupportedFeatureError `unsupported-version`; CorruptImageError
 */
export function decodeLuks1(start: Uint8Array, at: number): Luks1Header {
  const decoded = luksHeader.decode(start, at);
  const { magic, version } = decoded;
  if (magic !== LUKS_MAGIC) {
    throw new UnknownFormatError('wrong-format', "It does not begin with 'LUKS'.", { fileOffset: at });
  }
  if (version !== 1) {
    throw new UnsupportedFeatureError('unsupported-version', `LUKS version ${version}.`, {
      fileOffset: at + luksHeader.fields.version.at,
      hint: 'Version 1 is known. Decrypt a copy with cryptsetup, or convert it with cryptsetup convert --type luks1.',
    });
  }
  const header: Luks1Header = {
    ...decoded,
    cipherName: textOf(decoded.cipherName),
    cipherMode: textOf(decoded.cipherMode),
    hashSpec: textOf(decoded.hashSpec),
    uuid: textOf(decoded.uuid),
    keySlots: Array.from({ length: SLOTS }, (_, slot) =>
      keySlot.decode(start.subarray(slotOffset(slot)), at + slotOffset(slot)),
    ),
  };
  requireSound(header, at);
  return header;
}

/** Where each slot's key material stands: file ranges that count from the header. */
export const keyMaterialOf = ({ keySlots, keyBytes }: Luks1Header) =>
  keySlots.map(({ active, keyMaterialOffset }, slot) => ({
    slot,
    isEnabled: active === ENABLED,
    start: keyMaterialOffset * SECTOR,
    end: keyMaterialOffset * SECTOR + keyBytes * STRIPES,
    /** Of the field that tells it. */
    fileOffset: slotOffset(slot) + keySlot.fields.keyMaterialOffset.at,
  }));

const slotOffset = (slot: number): number => luksHeader.size + slot * keySlot.size;

const textOf = (field: string): string => field.replace(/\0.*$/s, '');

/** @throws CorruptImageError, UnsupportedFeatureError */
function requireSound(header: Luks1Header, at: number): void {
  const { keyBytes, payloadOffset, mkDigestIterations, keySlots } = header;
  const bad = (field: keyof typeof luksHeader.fields, message: string) =>
    new CorruptImageError('bad-header', message, { fileOffset: at + luksHeader.fields[field].at });
  if (keyBytes === 0 || keyBytes > MAX_KEY_BYTES) {
    throw bad('keyBytes', `The volume key has ${keyBytes} bytes, expected 1 to ${MAX_KEY_BYTES}.`);
  }
  if (mkDigestIterations === 0) throw bad('mkDigestIterations', 'The digest of the key has no iterations.');
  const payload = payloadOffset * SECTOR;
  let iterations = mkDigestIterations;
  for (const [slot, { active, stripes, keyMaterialOffset, ...rest }] of keySlots.entries()) {
    const inSlot = (field: keyof typeof keySlot.fields, message: string) =>
      new CorruptImageError('bad-header', `Key slot ${slot}: ${message}`, {
        fileOffset: at + slotOffset(slot) + keySlot.fields[field].at,
      });
    if (active === DISABLED) continue;
    if (active !== ENABLED) throw inSlot('active', 'it is neither enabled nor disabled.');
    if (stripes !== STRIPES) throw inSlot('stripes', `${stripes} stripes, expected ${STRIPES}.`);
    if (rest.iterations === 0) throw inSlot('iterations', 'it has no iterations.');
    const start = keyMaterialOffset * SECTOR;
    const end = start + keyBytes * STRIPES;
    if (start < LUKS1_HEADER_LENGTH || (payload !== 0 && end > payload)) {
      throw inSlot('keyMaterialOffset', `its key material at byte ${start} is not between header and data.`);
    }
    iterations += rest.iterations;
  }
  if (iterations <= MAX_ITERATIONS) return;
  const message = `The key slots take ${iterations} iterations, more than ${MAX_ITERATIONS}.`;
  throw new UnsupportedFeatureError('unsupported-feature', message, {
    fileOffset: at + slotOffset(0),
    hint: 'Change its passphrase with cryptsetup, which makes the slot anew.',
  });
}

/** The format-specific block of `qemu-img info`. */
export const luks1Facts = (header: Luks1Header) => {
  const [cipherMode, generator = '', hash] = header.cipherMode.split(/[-:]/);
  return {
    'ivgen-alg': generator,
    ...(hash !== undefined && { 'ivgen-hash-alg': hash }),
    'hash-alg': header.hashSpec,
    'cipher-alg': `${header.cipherName}-${(header.keyBytes * 8) / (cipherMode === 'xts' ? 2 : 1)}`,
    uuid: header.uuid,
    'cipher-mode': cipherMode,
    slots: header.keySlots.map(({ active, iterations, keyMaterialOffset, stripes }) => ({
      active: active === ENABLED,
      ...(active === ENABLED && { iters: iterations }),
      'key-offset': keyMaterialOffset * SECTOR,
      ...(active === ENABLED && { stripes }),
    })),
    'payload-offset': header.payloadOffset * SECTOR,
    'master-key-iters': header.mkDigestIterations,
  };
};

/** PBKDF2 (RFC 8018, section 5.2), away from this thread: password, salt, iterations, length, hash. */
const derive = (...how: [Uint8Array, Uint8Array, number, number, string]): Promise<Uint8Array> =>
  promisify(nodeCrypto().pbkdf2)(...how);

/** Reads at an offset that counts from the header's first byte. */
export type ReadKeyMaterial = (into: Uint8Array, offset: number) => Promise<void>;

/** An encrypted disk whose key is known. */
export interface OpenLuks {
  readonly volumeKey: Uint8Array;
  readonly cipher: SectorCipher;
}

/**
 * Opens a disk by its passphrase, which takes as long as its maker wanted, or by the key of an earlier time.
 * @param at where the header stands, for errors
 * @throws UnsupportedFeatureError `wrong-passphrase`, which says nothing more; and for a hash or cipher that is not at hand
 */
export async function openLuks1(
  header: Luks1Header,
  at: number,
  unlock: { readonly passphrase: () => Promise<Uint8Array> } | { readonly volumeKey: Uint8Array },
  read: ReadKeyMaterial,
): Promise<OpenLuks> {
  try {
    const volumeKey =
      'volumeKey' in unlock ? unlock.volumeKey : await volumeKeyOf(header, await unlock.passphrase(), read);
    return { volumeKey, cipher: sectorCipher(header, volumeKey) };
  } catch (error) {
    throw withDetails(error, { fileOffset: at });
  }
}

/** Tries each slot in use. */
async function volumeKeyOf(
  header: Luks1Header,
  passphrase: Uint8Array,
  read: ReadKeyMaterial,
): Promise<Uint8Array> {
  const { keyBytes, hashSpec, mkDigest } = header;
  requireHash(hashSpec);
  for (const { active, salt, iterations, keyMaterialOffset } of header.keySlots) {
    if (active !== ENABLED) continue;
    const material = new Uint8Array(alignUp(keyBytes * STRIPES, SECTOR));
    await read(material, keyMaterialOffset * SECTOR);
    const slotKey = await derive(passphrase, salt, iterations, keyBytes, hashSpec);
    sectorCipher(header, slotKey).decrypt(material, 0);
    const volumeKey = mergeStripes(material, keyBytes, hashSpec);
    slotKey.fill(0);
    material.fill(0);
    if (nodeCrypto().timingSafeEqual(await digestOf(volumeKey, header), mkDigest)) return volumeKey;
  }
  throw new UnsupportedFeatureError('wrong-passphrase', 'The passphrase does not open the image.', {
    hint: 'Check it: a line break at the end of the file with the passphrase is left out, all else counts.',
  });
}

const digestOf = (
  volumeKey: Uint8Array,
  {
    mkDigestSalt,
    mkDigestIterations,
    hashSpec,
  }: Pick<Luks1Header, 'mkDigestSalt' | 'mkDigestIterations' | 'hashSpec'>,
) => derive(volumeKey, mkDigestSalt, mkDigestIterations, DIGEST_BYTES, hashSpec);

/** The key that was split over `material` (section 2.4, "Anti-forensic splitting"). */
function mergeStripes(material: Uint8Array, keyBytes: number, hash: string): Uint8Array {
  let key: Uint8Array = new Uint8Array(keyBytes);
  for (let stripe = 0; stripe < STRIPES; stripe++) {
    const mixed = xored(key, material.subarray(stripe * keyBytes, (stripe + 1) * keyBytes));
    key = stripe === STRIPES - 1 ? mixed : diffuse(mixed, hash);
  }
  return key;
}

/** Splits a key over stripes; all but the last one are `random`. */
function splitKey(key: Uint8Array, random: Uint8Array, hash: string): Uint8Array {
  const material = new Uint8Array(key.length * STRIPES);
  material.set(random);
  let mixed: Uint8Array = new Uint8Array(key.length);
  for (let stripe = 0; stripe < STRIPES - 1; stripe++) {
    const at = stripe * key.length;
    mixed = diffuse(xored(mixed, random.subarray(at, at + key.length)), hash);
  }
  material.set(xored(mixed, key), random.length);
  return material;
}

const xored = (a: Uint8Array, b: Uint8Array): Uint8Array =>
  Uint8Array.from(a, (byte, i) => byte ^ (b[i] as number));

/** Every part of `bytes` as long as a digest becomes the digest of its number and itself. */
function diffuse(bytes: Uint8Array, hash: string): Uint8Array {
  const into = new Uint8Array(bytes.length);
  const number = new Uint8Array(4);
  const { createHash } = nodeCrypto();
  const { length: size } = createHash(hash).digest();
  for (let part = 0; part * size < bytes.length; part++) {
    new DataView(number.buffer).setUint32(0, part);
    const at = part * size;
    const mixed = createHash(hash)
      .update(number)
      .update(bytes.subarray(at, at + size))
      .digest();
    into.set(mixed.subarray(0, bytes.length - at), at);
  }
  return into;
}

/** What we encrypt with. */
export const OUTPUT_CIPHER: CipherSpec = { cipherName: 'aes', cipherMode: 'xts-plain64' };
const OUTPUT_HASH = 'sha256';

/** Bytes of a whole header, with the key material of all slots: where data may begin. */
export const luks1Length = (keyBytes: number): number =>
  KEY_MATERIAL_ALIGNMENT + SLOTS * alignUp(keyBytes * STRIPES, KEY_MATERIAL_ALIGNMENT);

/**
 * A new header with its key material, {@link luks1Length} bytes: AES-XTS with a key of {@link VOLUME_KEY_BYTES}, behind one
 * passphrase in the first slot. The others are disabled, and random.
 * @param random gives bytes of chance
 * @param iterations of PBKDF2 for the passphrase; an eighth of them for the digest of the key, as others do
 */
export async function encodeLuks1({
  volumeKey,
  passphrase,
  uuid,
  random,
  iterations,
}: {
  readonly volumeKey: Uint8Array;
  readonly passphrase: Uint8Array;
  readonly uuid: string;
  readonly random: (length: number) => Uint8Array;
  readonly iterations: number;
}): Promise<Uint8Array> {
  const keyBytes = volumeKey.length;
  const materialBytes = keyBytes * STRIPES;
  const file = random(luks1Length(keyBytes));
  file.fill(0, 0, KEY_MATERIAL_ALIGNMENT);
  const digest = {
    mkDigestSalt: random(32),
    mkDigestIterations: Math.max(1000, Math.floor(iterations / 8)),
    hashSpec: OUTPUT_HASH,
  };
  file.set(
    luksHeader.encode({
      ...{ magic: LUKS_MAGIC, version: 1, ...OUTPUT_CIPHER, ...digest, keyBytes, uuid },
      payloadOffset: file.length / SECTOR,
      mkDigest: await digestOf(volumeKey, digest),
    }),
  );
  const salt = random(32);
  for (let slot = 0; slot < SLOTS; slot++) {
    const offset = KEY_MATERIAL_ALIGNMENT + slot * alignUp(materialBytes, KEY_MATERIAL_ALIGNMENT);
    const isFirst = slot === 0;
    file.set(
      keySlot.encode({
        active: isFirst ? ENABLED : DISABLED,
        iterations: isFirst ? iterations : 0,
        salt: isFirst ? salt : new Uint8Array(32),
        keyMaterialOffset: offset / SECTOR,
        stripes: STRIPES,
      }),
      slotOffset(slot),
    );
  }
  const slotKey = await derive(passphrase, salt, iterations, keyBytes, OUTPUT_HASH);
  const material = splitKey(volumeKey, random(materialBytes - keyBytes), OUTPUT_HASH);
  sectorCipher(OUTPUT_CIPHER, slotKey).encrypt(material, 0);
  file.set(material, KEY_MATERIAL_ALIGNMENT);
  slotKey.fill(0);
  return file;
}

/** Derives a slot's key once with this many iterations: what a caller times. */
export const TRIAL_ITERATIONS = 100_000;

export async function tryIterations(): Promise<void> {
  await derive(new Uint8Array(16), new Uint8Array(32), TRIAL_ITERATIONS, VOLUME_KEY_BYTES, OUTPUT_HASH);
}
