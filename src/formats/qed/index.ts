/** QED: QEMU's former format for speed; read only, because qcow2 has replaced it. */

import { defineReadOnlyFormat } from '../../image/format.ts';
import { hasMagic } from './header.ts';

export const qed = defineReadOnlyFormat({
  name: 'qed',
  title: "QEMU's Enhanced Disk",
  aliases: [],
  suffixes: ['.qed'],
  tellsHoles: true,
  openOptions: {},
  probe: ({ head }) => hasMagic(head),
  open: async (...reading) => (await import('./reader.ts')).openQed(...reading),
  check: async (source, request) => (await import('./check.ts')).checkQed(source, request),
});
