/** raw: the guest's bytes and nothing else. Recognised last, by nothing else having answered. */

import { defineFormat } from '../../image/format.ts';
import { rawLayout } from './layout.ts';

export const raw = defineFormat({
  name: 'raw',
  title: 'the bytes of the disk, nothing else',
  aliases: ['img'],
  suffixes: ['.raw', '.img'],
  compression: 'never',
  sizeUnit: 1,
  openOptions: {},
  createOptions: {},
  probe: () => false,
  open: async (source) => (await import('./reader.ts')).openRaw(source),
  check: async (source, request) => (await import('./check.ts')).checkRaw(source, request),
  grow: async (file, virtualSize) => (await import('./resize.ts')).growRaw(file, virtualSize),
  writer: (virtualSize) => rawLayout(virtualSize),
});
