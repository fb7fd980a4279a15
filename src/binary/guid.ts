/** GUIDs as they stand on disks: the first three groups little-endian, the others as they are written. */

const ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/** In lower case. @param guid 16 bytes */
export const guidText = (guid: Uint8Array): string =>
  uuidText(Uint8Array.from(ORDER, (at) => guid[at] as number));

/** Bytes in the order in which they are written, in lower case. @param uuid 16 bytes */
export function uuidText(uuid: Uint8Array): string {
  const hex = Array.from(uuid, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
