/** Reads and judges the header of a QCOW of version 1. */

import { Buffer } from 'node:buffer';
import {
  CorruptImageError,
  type ErrorCode,
  UnknownFormatError,
  UnsupportedFeatureError,
} from '../../errors.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import {
  MAGIC,
  MAX_CLUSTER_BITS,
  MAX_L2_BITS,
  MAX_NAME,
  MIN_CLUSTER_BITS,
  MIN_L2_BITS,
  type QcowHeader,
  qcowHeader,
  VERSION,
} from './structs.ts';

/** The header, and what follows from it. */
export interface QcowImage {
  readonly header: QcowHeader;
  readonly clusterSize: number;
  /** Entries of an L2 table. */
  readonly l2Entries: number;
  readonly backingFile: string | undefined;
}

/** Is it a QCOW, and of version 1? */
export const isQcow = (head: Uint8Array): boolean =>
  head.length >= 8 &&
  String.fromCharCode(...head.subarray(0, MAGIC.length)) === MAGIC &&
  new DataView(head.buffer, head.byteOffset).getUint32(4) === VERSION;

/** @throws UnknownFormatError `wrong-format`, CorruptImageError `truncated`, `bad-header`, `bad-reference` */
export async function readHeader(source: ByteSource): Promise<QcowImage> {
  const bytes = new Uint8Array(Math.min(qcowHeader.size, source.size));
  await source.read(bytes, 0);
  if (!isQcow(bytes)) {
    throw new UnknownFormatError('wrong-format', `${source.name} is no QCOW of version 1.`, {
      format: 'qcow',
      fileOffset: 0,
      hint: 'Leave -f out: the bytes tell the format.',
    });
  }
  const header = qcowHeader.decode(bytes, 0);
  requireShape(header);
  return {
    header,
    clusterSize: 2 ** header.clusterBits,
    l2Entries: 2 ** header.l2Bits,
    backingFile: await readBackingFile(source, header),
  };
}

function requireShape({ clusterBits, l2Bits, size, l1TableOffset, cryptMethod }: QcowHeader): void {
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS) {
    throw corrupt('bad-header', `Clusters have 2^${clusterBits} bytes, expected 2^9 to 2^16.`, 'clusterBits');
  }
  if (l2Bits < MIN_L2_BITS || l2Bits > MAX_L2_BITS) {
    throw corrupt('bad-header', `L2 tables have 2^${l2Bits} entries, expected 2^6 to 2^13.`, 'l2Bits');
  }
  if (size <= 1) throw corrupt('bad-header', `The disk has ${size} bytes.`, 'size');
  if (cryptMethod > 1)
    throw corrupt('bad-header', `Encryption ${cryptMethod} is none (0) or AES (1).`, 'cryptMethod');
  if (l1TableOffset < qcowHeader.size || l1TableOffset % 8 !== 0) {
    const problem = `The L1 table at byte ${l1TableOffset} is not behind the header.`;
    throw corrupt('bad-reference', problem, 'l1TableOffset');
  }
}

async function readBackingFile(source: ByteSource, header: QcowHeader): Promise<string | undefined> {
  const { backingFileOffset, backingFileSize } = header;
  if (backingFileOffset === 0) return undefined;
  if (backingFileSize > MAX_NAME) {
    const problem = `The name of the backing file has ${backingFileSize} bytes, more than ${MAX_NAME}.`;
    throw corrupt('bad-header', problem, 'backingFileSize');
  }
  const name = await readBytes(source, backingFileOffset, backingFileSize, 'The name of the backing file');
  return Buffer.from(name).toString('utf8');
}

/** Why the guest data of an encrypted image cannot be read without its passphrase. */
export const lockedError = (): UnsupportedFeatureError =>
  new UnsupportedFeatureError('encrypted', 'The image is encrypted with AES.', {
    format: 'qcow',
    fileOffset: qcowHeader.fields.cryptMethod.at,
    hint: 'Give its passphrase with --passphrase-file.',
  });

const corrupt = (code: ErrorCode, message: string, field: keyof QcowHeader): CorruptImageError =>
  new CorruptImageError(code, message, { format: 'qcow', fileOffset: qcowHeader.fields[field].at });
