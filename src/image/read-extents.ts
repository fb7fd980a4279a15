/** Reading guest bytes, written once for all formats: extents in, bytes out, neighbouring blocks in one read. */

import { codecOf } from '../codecs/index.ts';
import { withDetails } from '../errors.ts';
import { filesInRow } from '../io/files-in-row.ts';
import type { ByteSource } from '../io/source.ts';
import { requireInside } from '../io/source.ts';
import { guestEnd, type OwnExtent, type PackedExtent } from './extent.ts';
import { type GuestBytes, readPadded } from './guest-bytes.ts';
import type { ImageReader } from './reader.ts';

/** Compressed blocks that stand near each other are read together, up to this many bytes. */
const MAX_READ = 4 * 1024 * 1024;
/** A gap that is cheaper to read than to skip. */
const MAX_GAP = 64 * 1024;

/**
 * Reads a range of a disk, reusing its buffers from call to call: one per image and thread, and one call at a
 * time.
 */
export interface GuestReader {
  /** Fills all of `into` from `guestOffset`; the range must lie on the disk. */
  read(into: Uint8Array, guestOffset: number): Promise<void>;
}

/** @param backing what shows where the image says nothing; it must be there when the reader has a reference to one */
export function guestReader(source: ByteSource, reader: ImageReader, backing?: GuestBytes): GuestReader {
  const file = reader.dataFiles ? filesInRow(reader.dataFiles) : source;
  let stored = new Uint8Array(0);
  let block = new Uint8Array(0);

  /** Decodes `extent`, whose stored bytes are `packed`, and copies the part that `into` asks for. */
  async function unpack(extent: PackedExtent, packed: Uint8Array, into: Uint8Array, guestOffset: number) {
    const start = Math.max(extent.guestOffset, guestOffset);
    const end = Math.min(guestEnd(extent), guestOffset + into.length);
    const isWhole = end - start === extent.unpackedLength;
    if (!isWhole && block.length < extent.unpackedLength) block = new Uint8Array(extent.unpackedLength);
    const unpacked = isWhole
      ? into.subarray(start - guestOffset, end - guestOffset)
      : block.subarray(0, extent.unpackedLength);
    try {
      if (extent.codec === 'cipher') {
        if (!reader.decipher) throw new TypeError('an enciphered extent of a reader without a key');
        unpacked.set(packed);
        reader.decipher(extent, unpacked);
      } else if (reader.unpack) await reader.unpack(extent, packed, unpacked);
      else codecOf(extent.codec).unpack(packed, unpacked);
    } catch (error) {
      const { fileOffset, guestOffset } = extent;
      throw withDetails(error, { fileOffset, guestOffset });
    }
    if (!isWhole) {
      const from = start - extent.guestOffset;
      into.set(block.subarray(from, from + end - start), start - guestOffset);
    }
  }

  /** Reads neighbouring packed extents with one read and decodes them. */
  async function unpackRun(run: readonly PackedExtent[], into: Uint8Array, guestOffset: number) {
    const first = run[0] as PackedExtent;
    const last = run.at(-1) as PackedExtent;
    const length = last.fileOffset + last.storedLength - first.fileOffset;
    requireInside(file, first.fileOffset, length, 'A compressed block');
    if (stored.length < length) stored = new Uint8Array(Math.max(length, MAX_READ));
    await file.read(stored.subarray(0, length), first.fileOffset);
    for (const extent of run) {
      const at = extent.fileOffset - first.fileOffset;
      await unpack(extent, stored.subarray(at, at + extent.storedLength), into, guestOffset);
    }
  }

  return {
    async read(into, guestOffset) {
      const to = guestOffset + into.length;
      let run: PackedExtent[] = [];
      for await (const extent of reader.extents(...widened(reader, guestOffset, to))) {
        if (run.length > 0 && !joins(run, extent)) {
          await unpackRun(run, into, guestOffset);
          run = [];
        }
        if (extent.kind === 'packed') {
          run.push(extent);
          continue;
        }
        const start = Math.max(extent.guestOffset, guestOffset);
        const end = Math.min(guestEnd(extent), to);
        if (start >= end) continue;
        const part = into.subarray(start - guestOffset, end - guestOffset);
        if (extent.kind === 'zero') {
          part.fill(0);
        } else if (extent.kind === 'backing') {
          if (backing === undefined) throw new TypeError('a backing extent without a backing image');
          await readPadded(backing, part, start);
        } else {
          const fileOffset = extent.fileOffset + start - extent.guestOffset;
          requireInside(file, fileOffset, part.length, 'A data block');
          await file.read(part, fileOffset);
        }
      }
      if (run.length > 0) await unpackRun(run, into, guestOffset);
    },
  };
}

/** [from, to) widened to whole units of the image, as readers want it. */
export function widened(reader: ImageReader, from: number, to: number): [from: number, to: number] {
  const { unit, virtualSize } = reader;
  return [from - (from % unit), Math.min(Math.ceil(to / unit) * unit, virtualSize)];
}

/** May `extent` be read together with the run before it? */
function joins(run: readonly PackedExtent[], extent: OwnExtent): boolean {
  if (extent.kind !== 'packed') return false;
  const first = run[0] as PackedExtent;
  const last = run.at(-1) as PackedExtent;
  const gap = extent.fileOffset - (last.fileOffset + last.storedLength);
  // qcow2 gives stored lengths in whole sectors, so that a block may begin within the last sector of another.
  const follows = extent.fileOffset >= last.fileOffset && gap <= MAX_GAP;
  return follows && extent.fileOffset + extent.storedLength - first.fileOffset <= MAX_READ;
}
