/** ZVHD2: Huawei Cloud's image format for fast import: blocks compressed on their own, with an index behind them. */

import { SECTOR } from '../../binary/align.ts';
import { defineFormat } from '../../image/format.ts';
import { choice, optionalInteger } from '../../image/options.ts';
import { hasCookie } from '../zvhd-stream/footer.ts';
import { zvhd2Appender } from './appender.ts';
import { ZVHD2_COOKIE } from './structs.ts';

export const zvhd2 = defineFormat({
  name: 'zvhd2',
  title: "Huawei Cloud's compressed format for fast import",
  aliases: [],
  suffixes: ['.zvhd2'],
  compression: 'always',
  sizeUnit: SECTOR,
  openOptions: {},
  createOptions: {
    compressionType: choice('compression_type', ['zstd', 'zlib'], 'zstd', 'how blocks are compressed'),
    compressionLevel: optionalInteger(
      'compression_level',
      1,
      19,
      'zstd level, 3 by default, or zlib level, 6 by default',
    ),
  },
  probe: ({ head }) => hasCookie(head, ZVHD2_COOKIE),
  open: async (...reading) => (await import('./reader.ts')).openZvhd2(...reading),
  check: async (source, request) => (await import('./check.ts')).checkZvhd2(source, request),
  writer: zvhd2Appender,
});
