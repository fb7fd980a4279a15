/** qcow2: QEMU's copy-on-write format, versions 2 and 3. */

import { KiB, MiB, SECTOR } from '../../binary/align.ts';
import { defineFormat } from '../../image/format.ts';
import { choice, onOff, optionalInteger, powerOfTwoSize, text } from '../../image/options.ts';
import { qcow2Appender } from './appender.ts';
import { qcow2Layout } from './layout.ts';
import { MAGIC } from './structs.ts';

export const qcow2 = defineFormat({
  name: 'qcow2',
  title: "QEMU's copy-on-write format",
  aliases: [],
  suffixes: ['.qcow2'],
  compression: 'optional',
  tellsHoles: true,
  sizeUnit: SECTOR,
  openOptions: {
    snapshot: text('snapshot', 'the ID or name of the internal snapshot to read'),
  },
  createOptions: {
    compress: onOff('compress', false, 'compress clusters, as -c does'),
    clusterSize: powerOfTwoSize('cluster_size', 512, 2 * MiB, 64 * KiB, 'bytes in a cluster'),
    compat: choice('compat', ['1.1', '0.10'], '1.1', '1.1 is version 3, 0.10 is version 2', {
      v2: '0.10',
      v3: '1.1',
    }),
    compressionType: choice('compression_type', ['zlib', 'zstd'], 'zlib', 'how clusters are compressed'),
    compressionLevel: optionalInteger(
      'compression_level',
      1,
      19,
      'zlib level, 6 by default, or zstd level, 3 by default',
    ),
    encryptFormat: choice('encrypt.format', ['luks'], undefined, 'encrypt the clusters, with a passphrase'),
    encryptIterTime: optionalInteger(
      'encrypt.iter-time',
      1,
      60_000,
      'milliseconds that each try of a passphrase takes on a machine like this one, 2000 by default',
    ),
  },
  // Version 1 is another format of the same magic.
  probe: ({ head }) => String.fromCharCode(...head.subarray(0, MAGIC.length)) === MAGIC && head[7] !== 1,
  open: async (...reading) => (await import('./reader.ts')).openQcow2(...reading),
  check: async (source, request) => (await import('./check.ts')).checkQcow2(source, request),
  hasOverlays: true,
  grow: async (file, virtualSize) => (await import('./resize.ts')).growQcow2(file, virtualSize),
  writer: (virtualSize, options, context) =>
    options.compress
      ? qcow2Appender(virtualSize, options, context)
      : qcow2Layout(virtualSize, options, context),
});
