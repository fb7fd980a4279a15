/** Two physical volumes of 64 MiB with what lvm2 wrote on them; native-fixtures/lvm/make.sh has made them. */

import { fixtureBytes } from './fixtures.ts';

/** Bytes of an extent, and where the first one stands. */
export const EXTENT = 4 * 1024 * 1024;
export const FIRST_EXTENT = 1024 * 1024;

export function physicalVolume(name: 'pv0' | 'pv1'): Uint8Array {
  const bytes = new Uint8Array(64 * 1024 * 1024);
  bytes.set(fixtureBytes({ file: `lvm/${name}.img.gz` }));
  return bytes;
}
