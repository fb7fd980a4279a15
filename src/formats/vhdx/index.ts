/** VHDX: Hyper-V's format since Windows 8, fixed and dynamic. */

import { MiB, SECTOR } from '../../binary/align.ts';
import { defineFormat } from '../../image/format.ts';
import { choice, type Option, powerOfTwoSize } from '../../image/options.ts';
import { vhdxLayout } from './layout.ts';
import { FILE_SIGNATURE, hasSignature, MAX_BLOCK_SIZE, MIN_BLOCK_SIZE } from './structs.ts';

const sectorSizes: readonly unknown[] = [512, 4096];

const logicalSectorSize: Option<number> = {
  name: 'logical_sector_size',
  about:
    'the sectors that the guest sees; a system that was installed on one size does not start from the other',
  default: SECTOR,
  values: sectorSizes.join('|'),
  parse: (text) => (sectorSizes.includes(Number(text)) ? Number(text) : undefined),
  accepts: (value) => sectorSizes.includes(value),
};

export const vhdx = defineFormat({
  name: 'vhdx',
  title: 'Virtual Hard Disk v2 of Hyper-V',
  aliases: [],
  suffixes: ['.vhdx', '.avhdx'],
  compression: 'never',
  sizeUnit: SECTOR,
  openOptions: {},
  createOptions: {
    subformat: choice(
      'subformat',
      ['dynamic', 'fixed'],
      'dynamic',
      'dynamic grows with its data; fixed has all blocks',
    ),
    // Hyper-V's own 32 MiB store many zeros; for Linux, Microsoft advises 1 MiB. With 2 MiB, VHD's size, the table of the
    // largest disk still fits into what readers allow.
    blockSize: powerOfTwoSize(
      'block_size',
      MIN_BLOCK_SIZE,
      MAX_BLOCK_SIZE,
      2 * MiB,
      'small blocks make small files; each conversion thread keeps one in memory',
    ),
    logicalSectorSize,
  },
  probe: ({ head }) => hasSignature(head, FILE_SIGNATURE),
  open: async (...reading) => (await import('./reader.ts')).openVhdx(...reading),
  check: async (source, request) => (await import('./check.ts')).checkVhdx(source, request),
  writer: (virtualSize, options) => vhdxLayout(virtualSize, options),
});
