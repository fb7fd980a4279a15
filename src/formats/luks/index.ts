/** LUKS 1: a raw disk, encrypted; read only. */

import { LUKS_MAGIC } from '../../encryption/luks1.ts';
import { defineReadOnlyFormat } from '../../image/format.ts';

export const luks = defineReadOnlyFormat({
  name: 'luks',
  title: 'a raw disk encrypted with LUKS 1',
  aliases: [],
  suffixes: ['.luks'],
  openOptions: {},
  probe: ({ head }) => String.fromCharCode(...head.subarray(0, LUKS_MAGIC.length)) === LUKS_MAGIC,
  open: async (...reading) => (await import('./reader.ts')).openLuks(...reading),
  check: async (source, request) => (await import('./check.ts')).checkLuks(source, request),
});
