/**
 * The drivers in an initramfs. It is one archive or several behind each other, each in cpio's "new ASCII" format; the last
 * may be packed (the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`).
 */

import { alignUp } from '../../binary/align.ts';
import { canUnpackStream, streamCodecOf, unpackStream } from '../../codecs/unpack-stream.ts';
import { CorruptImageError, UnsupportedFeatureError } from '../../errors.ts';
import type { FileNode } from '../file-tree.ts';
import { type ByteStream, chunkStream, chunksOf, fileStream } from './byte-stream.ts';
import { driverOf, VIRTIO_DRIVERS } from './kernels.ts';

/** Bytes of the file that are unpacked at most. */
const MAX_PACKED = 64 * 1024 * 1024;
/** Unpacked bytes that are looked at: some tens of MiB hold a whole one; a bomb would hold any number. */
const MAX_UNPACKED = 256 * 1024 * 1024;
/** Files in all archives. */
const MAX_ENTRIES = 100_000;
/** Bytes between archives, all zero: tools fill up to a block or two. */
const MAX_PADDING = 64 * 1024;

const HEADER = 110;
const REGULAR_FILE = 0x8000;
/** As PATH_MAX of Linux. */
const MAX_NAME = 4096;

/**
 * Adds the virtio drivers among the files to `found`, and stops when it has them all.
 * @throws CorruptImageError `bad-data`, UnsupportedFeatureError `unsupported-feature`, BudgetError: what was found
 * before stands in `found`
 */
export async function findDrivers(file: FileNode, found: Set<string>): Promise<void> {
  const search: Search = { found, entries: 0 };
  const stream = fileStream(file, 0);
  const next = await walkArchives(stream, search);
  if (next === undefined || hasAll(search)) return;
  const start = stream.position;
  const codec = streamCodecOf(next);
  if (codec === undefined) throw broken(`neither an archive nor anything packed stands at byte ${start}`);
  if (!canUnpackStream(codec)) {
    const message = `The initramfs is packed with ${codec}, which is not unpacked here.`;
    throw new UnsupportedFeatureError('unsupported-feature', message);
  }
  const chunks = unpackStream(codec, chunksOf(file, start, MAX_PACKED))[Symbol.asyncIterator]();
  try {
    const unpacked = chunkStream(chunks, MAX_UNPACKED);
    const rest = await walkArchives(unpacked, search);
    if (rest !== undefined && !hasAll(search)) throw broken('what is packed in it is no archive');
  } finally {
    await chunks.return?.();
  }
}

interface Search {
  readonly found: Set<string>;
  entries: number;
}

const hasAll = ({ found }: Search): boolean => found.size === VIRTIO_DRIVERS.length;

/** Goes through archives and the zeros between them. Returns the first bytes of what is neither; nothing at the end. */
async function walkArchives(stream: ByteStream, search: Search): Promise<Uint8Array | undefined> {
  let padding = 0;
  while (!hasAll(search)) {
    const head = await stream.peek(6);
    if (head.length < 6) return undefined;
    if (isMember(head)) {
      padding = 0;
      await walkMember(stream, search);
    } else if (head.subarray(0, 4).every((byte) => byte === 0) && padding < MAX_PADDING) {
      padding += 4;
      await stream.skip(4);
    } else return head;
  }
  return undefined;
}

/** `070701`, or `070702` with checksums. */
const isMember = (head: Uint8Array): boolean => /^07070[12]/.test(String.fromCharCode(...head));

async function walkMember(stream: ByteStream, search: Search): Promise<void> {
  if (++search.entries > MAX_ENTRIES) throw broken(`it has more than ${MAX_ENTRIES} files`);
  const header = String.fromCharCode(...(await stream.take(HEADER)));
  if (!/^[0-9a-fA-F]{110}$/.test(header)) throw broken('a header is not made of digits, or ends too early');
  // Thirteen fields of eight digits follow the magic: inode, mode, …, size (6), …, length of the name (11), checksum.
  const field = (index: number): number => Number.parseInt(header.slice(6 + index * 8, 14 + index * 8), 16);
  const [mode, size, nameSize] = [field(1), field(6), field(11)];
  if (nameSize > MAX_NAME) throw broken(`a name has ${nameSize} bytes`);
  const name = new TextDecoder().decode(await stream.take(alignUp(HEADER + nameSize, 4) - HEADER));
  const driver = driverOf(name.replace(/\0.*$/s, ''));
  if (driver !== undefined && (mode & 0xf000) === REGULAR_FILE) search.found.add(driver);
  await stream.skip(alignUp(size, 4));
}

const broken = (why: string): CorruptImageError =>
  new CorruptImageError('bad-data', `The initramfs is broken: ${why}.`);
