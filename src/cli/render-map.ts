/** The map of a disk as a table, with the columns of `qemu-img map`: what holds data, and where. Pure. */

import type { MapEntry } from '../index.ts';

const WIDTH = 16;

const row = (cells: readonly string[]): string =>
  `${cells.map((cell, i) => (i < cells.length - 1 ? cell.padEnd(WIDTH) : cell)).join('')}\n`;

const hex = (value: number): string => (value === 0 ? '0' : `0x${value.toString(16)}`);

export const mapHeading = row(['Offset', 'Length', 'Mapped to', 'File']);

/** The row of an entry; nothing for zeros. `files` are the names by depth. */
export function mapRow({ start, length, data, offset, depth }: MapEntry, files: readonly string[]): string {
  if (!data) return '';
  const place = offset === undefined ? 'compressed' : hex(offset);
  return row([hex(start), hex(length), place, files[depth] ?? '']);
}
