/** VMDK: VMware's virtual disk. */

import { SECTOR } from '../../binary/align.ts';
import { OptionError } from '../../errors.ts';
import { defineFormat } from '../../image/format.ts';
import { choice, onOff, optionalInteger } from '../../image/options.ts';
import { vmdkAppender } from './appender.ts';
import { hasCowdMagic } from './cowd.ts';
import { adapterTypes, isDescriptor } from './descriptor.ts';
import { hasMagic } from './header.ts';
import { vmdkLayout } from './layout.ts';
import { hasSeSparseMagic } from './sesparse.ts';

export const vmdk = defineFormat({
  name: 'vmdk',
  title: "VMware's virtual disk",
  aliases: [],
  suffixes: ['.vmdk'],
  compression: 'optional',
  tellsHoles: true,
  sizeUnit: SECTOR,
  openOptions: {},
  createOptions: {
    compress: onOff('compress', false, 'compress grains, as -c does: streamOptimized'),
    subformat: choice(
      'subformat',
      ['monolithicSparse', 'streamOptimized'],
      undefined,
      'monolithicSparse by default; streamOptimized is compressed, for transfer and import',
    ),
    adapterType: choice('adapter_type', adapterTypes, 'ide', 'the controller that the disk is made for'),
    hardwareVersion: optionalInteger('hwversion', 3, 99, 'of the virtual machine, 4 by default'),
    compressionLevel: optionalInteger('compression_level', 1, 9, 'zlib level, 6 by default'),
  },
  probe: ({ head }) => hasMagic(head) || hasCowdMagic(head) || hasSeSparseMagic(head) || isDescriptor(head),
  open: async (...reading) => (await import('./reader.ts')).openVmdk(...reading),
  check: async (source, request) => (await import('./check.ts')).checkVmdk(source, request),
  writer(virtualSize, options) {
    const { compress, subformat = compress ? 'streamOptimized' : 'monolithicSparse' } = options;
    if (subformat === 'streamOptimized') return vmdkAppender(virtualSize, options);
    if (!compress) return vmdkLayout(virtualSize, options);
    throw new OptionError('bad-option', `${subformat} has no compression.`, {
      format: 'vmdk',
      hint: 'Leave compression out, or subformat: streamOptimized is the one that is compressed.',
    });
  },
});
