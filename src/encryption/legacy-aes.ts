/**
 * The first encryption of QCOW and qcow2 (`crypt_method` 1): AES-128 in CBC mode, with the number of the guest's sector as
 * IV, and the passphrase itself as key. Nothing in the image tells whether a passphrase is right.
 */

import { type SectorCipher, sectorCipher } from './sector-cipher.ts';

const KEY_BYTES = 16;

export interface LegacyAes {
  readonly key: Uint8Array;
  /** The sectors that it is given count on the virtual disk. */
  readonly cipher: SectorCipher;
}

export async function unlockLegacyAes(
  unlock: { readonly passphrase: () => Promise<Uint8Array> } | { readonly volumeKey: Uint8Array },
): Promise<LegacyAes> {
  const key = 'volumeKey' in unlock ? unlock.volumeKey : keyOf(await unlock.passphrase());
  return { key, cipher: sectorCipher({ cipherName: 'aes', cipherMode: 'cbc-plain64' }, key) };
}

/** The first 16 bytes of the passphrase, filled up with zeros. */
function keyOf(passphrase: Uint8Array): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  key.set(passphrase.subarray(0, KEY_BYTES));
  return key;
}
