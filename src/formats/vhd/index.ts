/** VHD: Microsoft's Virtual Hard Disk, fixed and dynamic. */

import { SECTOR } from '../../binary/align.ts';
import { defineFormat } from '../../image/format.ts';
import { choice } from '../../image/options.ts';
import { vhdDifferencing, vhdLayout } from './layout.ts';
import { FOOTER_COOKIE } from './structs.ts';

const isFooter = (bytes: Uint8Array): boolean =>
  String.fromCharCode(...bytes.subarray(0, FOOTER_COOKIE.length)) === FOOTER_COOKIE;

export const vhd = defineFormat({
  name: 'vhd',
  title: 'Virtual Hard Disk of Virtual PC, Hyper-V, Azure and Xen',
  aliases: ['vpc'],
  suffixes: ['.vhd', '.vpc'],
  compression: 'never',
  sizeUnit: SECTOR,
  openOptions: {
    size: choice(
      'size',
      ['current', 'chs'],
      undefined,
      'which size the guest sees; by default as the creator of the image does',
    ),
  },
  createOptions: {
    subformat: choice(
      'subformat',
      ['dynamic', 'fixed'],
      'dynamic',
      'dynamic grows with its data; fixed is raw data with a footer',
    ),
  },
  probe: ({ head, tail }) =>
    isFooter(head) || isFooter(tail) || (tail.length === SECTOR && isFooter(tail.subarray(1))),
  open: async (...reading) => (await import('./reader.ts')).openVhd(...reading),
  check: async (source, request) => (await import('./check.ts')).checkVhd(source, request),
  hasOverlays: true,
  grow: async (file, virtualSize) => (await import('./resize.ts')).growVhd(file, virtualSize),
  writer: (virtualSize, { subformat }, { base }) =>
    base ? vhdDifferencing(virtualSize, subformat, base) : vhdLayout(virtualSize, subformat),
});
