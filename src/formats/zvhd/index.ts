/** ZVHD: Huawei Cloud's first image format, one zlib stream through all stored blocks. */

import { SECTOR } from '../../binary/align.ts';
import { defineFormat } from '../../image/format.ts';
import { optionalInteger } from '../../image/options.ts';
import { hasCookie } from '../zvhd-stream/footer.ts';
import { zvhdAppender } from './appender.ts';
import { ZVHD_COOKIE } from './structs.ts';

export const zvhd = defineFormat({
  name: 'zvhd',
  title: "Huawei Cloud's compressed stream format",
  aliases: [],
  suffixes: ['.zvhd'],
  compression: 'always',
  sizeUnit: SECTOR,
  openOptions: {},
  createOptions: {
    compressionLevel: optionalInteger('compression_level', 1, 9, 'zlib level, 6 by default'),
  },
  probe: ({ head }) => hasCookie(head, ZVHD_COOKIE),
  open: async (...reading) => (await import('./reader.ts')).openZvhd(...reading),
  check: async (source, request) => (await import('./check.ts')).checkZvhd(source, request),
  writer: (virtualSize, { compressionLevel }) => zvhdAppender(virtualSize, compressionLevel),
});
