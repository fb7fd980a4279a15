/**
 * How the clusters of an encrypted qcow2 are deciphered (`docs/interop/qcow2.txt`, "Full disk encryption header pointer",
 * "Data encryption"). Tables are never enciphered, and compressed clusters neither.
 */

import { isAligned, SECTOR } from '../../binary/align.ts';
import { struct, u64 } from '../../binary/struct.ts';
import { unlockLegacyAes } from '../../encryption/legacy-aes.ts';
import {
  decodeLuks1,
  LUKS1_HEADER_LENGTH,
  luks1Facts,
  luks1Length,
  OUTPUT_CIPHER,
  openLuks1,
  VOLUME_KEY_BYTES,
} from '../../encryption/luks1.ts';
import { sectorCipher } from '../../encryption/sector-cipher.ts';
import type { OutputEncryption } from '../../image/encryption.ts';
import type { PackedExtent } from '../../image/extent.ts';
import type { Unlock } from '../../image/format.ts';
import type { Layout } from '../../image/layout.ts';
import type { JsonValue } from '../../image/reader.ts';
import type { Section } from '../../image/section.ts';
import { type ByteSource, readBytes, requireInside } from '../../io/source.ts';
import { corrupt, type Qcow2Header } from './header.ts';
import { ExtensionType } from './structs.ts';

/** What the extension of images that are encrypted with LUKS holds. */
export const encryptionHeader = struct('qcow2 encryption header extension', 16, 'big', {
  offset: u64(0), // of the LUKS header in the file, on a cluster
  length: u64(8), // bytes, with the key material
});

export interface Encryption {
  /** As qemu-img describes it. */
  readonly facts: JsonValue;
  /** With a passphrase or key only. */
  readonly unlocked?: Unlocked;
}

export interface Unlocked {
  readonly volumeKey: Uint8Array;
  /** Deciphers all of `bytes`, which `extent` describes, in place. */
  decipher(extent: PackedExtent, bytes: Uint8Array): void;
}

/** Values of the header's `cryptMethod`. */
const AES = 1;
export const LUKS = 2;

/**
 * @returns undefined for an image that is not encrypted, or by a method that is not known
 * @throws CorruptImageError; UnsupportedFeatureError `wrong-passphrase`, and for ciphers that are not at hand
 */
export async function openEncryption(
  source: ByteSource,
  header: Qcow2Header,
  unlock: Unlock | undefined,
): Promise<Encryption | undefined> {
  if (header.cryptMethod === AES) return openAes(unlock);
  return header.cryptMethod === LUKS ? openLuks(source, header, unlock) : undefined;
}

/** Sectors count on the virtual disk. */
async function openAes(unlock: Unlock | undefined): Promise<Encryption> {
  const facts = { format: 'aes' };
  if (unlock === undefined) return { facts };
  const { key, cipher } = await unlockLegacyAes(unlock);
  return {
    facts,
    unlocked: {
      volumeKey: key,
      decipher: ({ guestOffset }, bytes) => cipher.decrypt(bytes, guestOffset / SECTOR),
    },
  };
}

/** Sectors count in the file in which the clusters stand. */
async function openLuks(
  source: ByteSource,
  header: Qcow2Header,
  unlock: Unlock | undefined,
): Promise<Encryption> {
  const offset = luksPlace(source, header);
  const luks = decodeLuks1(await readBytes(source, offset, LUKS1_HEADER_LENGTH, 'The LUKS header'), offset);
  const facts = { format: 'luks', ...luks1Facts(luks) };
  if (unlock === undefined) return { facts };
  const { volumeKey, cipher } = await openLuks1(luks, offset, unlock, (into, at) =>
    source.read(into, offset + at),
  );
  return {
    facts,
    unlocked: {
      volumeKey,
      decipher: ({ fileOffset }, bytes) => cipher.decrypt(bytes, fileOffset / SECTOR),
    },
  };
}

/** Where the LUKS header with its key material stands. @throws CorruptImageError */
function luksPlace(source: ByteSource, { extensions, clusterSize, headerLength }: Qcow2Header): number {
  const data = extensions.data.get(ExtensionType.encryptionHeader);
  if (data === undefined) {
    throw corrupt(
      'bad-header',
      'The image is encrypted with LUKS, and no extension tells where its header is.',
      32,
    );
  }
  const { offset, length } = encryptionHeader.decode(data, headerLength);
  if (offset === 0 || !isAligned(offset, clusterSize) || length < LUKS1_HEADER_LENGTH) {
    const message = `The LUKS header has ${length} bytes at byte ${offset}, which is no place for it.`;
    throw corrupt('bad-reference', message, headerLength);
  }
  requireInside(source, offset, length, 'The LUKS header');
  return offset;
}

/** Bytes of the LUKS header that we write, with the key material of all slots. */
export const LUKS_BYTES = luks1Length(VOLUME_KEY_BYTES);

/** @param encryption undefined where the file is only measured */
export const luksSection = (encryption: OutputEncryption | undefined): Section => ({
  name: 'LUKS header',
  length: LUKS_BYTES,
  render(into, offset) {
    if (encryption === undefined) throw new TypeError('an encrypted image is written without its key');
    into.set(encryption.header.subarray(offset, offset + into.length));
  },
});

/** Enciphers clusters in place, with the numbers of their sectors in the file. */
export function clusterCipher({ volumeKey }: OutputEncryption): NonNullable<Layout['encipher']> {
  const cipher = sectorCipher(OUTPUT_CIPHER, volumeKey);
  return (cluster, fileOffset) => cipher.encrypt(cluster, fileOffset / SECTOR);
}
