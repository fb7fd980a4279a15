/** VDI: VirtualBox's Virtual Disk Image, dynamic and static. */

import { SECTOR } from '../../binary/align.ts';
import { defineFormat } from '../../image/format.ts';
import { choice, text } from '../../image/options.ts';
import { hasSignature } from './header.ts';
import { vdiLayout } from './layout.ts';

export const vdi = defineFormat({
  name: 'vdi',
  title: "VirtualBox's Virtual Disk Image",
  aliases: [],
  suffixes: ['.vdi'],
  compression: 'never',
  sizeUnit: SECTOR,
  openOptions: {
    parent: text('parent', 'the file on which a differencing image builds; it names none itself'),
  },
  createOptions: {
    subformat: choice(
      'subformat',
      ['dynamic', 'static'],
      'dynamic',
      'dynamic grows with its data; static has all blocks',
      { fixed: 'static' },
    ),
  },
  probe: ({ head }) => hasSignature(head),
  open: async (...reading) => (await import('./reader.ts')).openVdi(...reading),
  check: async (source, request) => (await import('./check.ts')).checkVdi(source, request),
  writer: (virtualSize, { subformat }) => vdiLayout(virtualSize, subformat),
});
