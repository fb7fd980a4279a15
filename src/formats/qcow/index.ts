/** QCOW, version 1: what qcow2 has replaced; read only. */

import { defineReadOnlyFormat } from '../../image/format.ts';
import { isQcow } from './header.ts';

export const qcow = defineReadOnlyFormat({
  name: 'qcow',
  title: "QEMU's first copy-on-write format",
  aliases: ['qcow1'],
  suffixes: ['.qcow'],
  tellsHoles: true,
  openOptions: {},
  probe: ({ head }) => isQcow(head),
  open: async (...reading) => (await import('./reader.ts')).openQcow(...reading),
  check: async (source, request) => (await import('./check.ts')).checkQcow(source, request),
});
