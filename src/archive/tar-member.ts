/** A disk in a tar archive, as a source: the first member, where that is a file. */

import { alignUp } from '../binary/align.ts';
import { parseTarHeader, parseTarRuns, TAR_BLOCK, type TarRun } from '../binary/tar.ts';
import { CorruptImageError } from '../errors.ts';
import { type ByteSource, readBytes, requireInside } from '../io/source.ts';

/** Blocks of runs that are read at most: a disk has some thousands of runs. */
const MAX_RUN_BLOCKS = 65_536;

/** The member's bytes; it is not closed with the source. Undefined for what is no archive, or begins with no file. */
export async function tarMemberOf(
  source: ByteSource,
): Promise<{ readonly name: string; readonly member: ByteSource } | undefined> {
  if (source.size < TAR_BLOCK) return undefined;
  const header = parseTarHeader(await readBytes(source, 0, TAR_BLOCK, 'The header of the archive'));
  if (header === undefined) return undefined;
  const { name, size, storedSize, isSparse } = header;
  let start = TAR_BLOCK;
  const runs = [...header.runs];
  for (let more = header.hasMoreRuns, count = 0; more; count++) {
    if (count >= MAX_RUN_BLOCKS) throw corrupt('has more runs than any disk', start);
    const block = parseTarRuns(await readBytes(source, start, TAR_BLOCK, 'The map of the sparse file'));
    runs.push(...block.runs);
    more = block.hasMoreRuns;
    start += TAR_BLOCK;
  }
  requireInside(source, start, storedSize, `The member ${JSON.stringify(name)} of the archive`);
  const placed = isSparse
    ? placedRuns(runs, { start, size, storedSize })
    : [{ offset: 0, length: size, at: start }];
  return { name, member: memberSource(source, name, size, placed) };
}

interface PlacedRun extends TarRun {
  /** Where it stands in the archive. */
  readonly at: number;
}

/** @throws CorruptImageError `bad-table` unless runs ascend within the file and are all that is stored */
function placedRuns(
  runs: readonly TarRun[],
  { start, size, storedSize }: { readonly start: number; readonly size: number; readonly storedSize: number },
): PlacedRun[] {
  const placed: PlacedRun[] = [];
  let at = start;
  let end = 0;
  for (const { offset, length } of runs) {
    if (offset < end || length < 0 || offset + length > size)
      throw corrupt('has runs that overlap or leave it', start);
    placed.push({ offset, length, at });
    end = offset + length;
    at += length;
  }
  if (alignUp(at - start, TAR_BLOCK) !== alignUp(storedSize, TAR_BLOCK))
    throw corrupt('stores more or less than its runs say', start);
  return placed;
}

const corrupt = (what: string, fileOffset: number): CorruptImageError =>
  new CorruptImageError('bad-table', `The sparse file in the archive ${what}.`, { fileOffset });

function memberSource(
  archive: ByteSource,
  name: string,
  size: number,
  runs: readonly PlacedRun[],
): ByteSource {
  return {
    name,
    size,
    async read(into, fileOffset) {
      requireInside({ ...archive, size }, fileOffset, into.length, 'What is read');
      into.fill(0);
      const end = fileOffset + into.length;
      for (let index = firstBehind(runs, fileOffset); index < runs.length; index++) {
        const { offset, length, at } = runs[index] as PlacedRun;
        if (offset >= end) return;
        const from = Math.max(offset, fileOffset);
        const to = Math.min(offset + length, end);
        await archive.read(into.subarray(from - fileOffset, to - fileOffset), at + from - offset);
      }
    },
    *dataRanges(start, end) {
      for (let index = firstBehind(runs, start); index < runs.length; index++) {
        const { offset, length } = runs[index] as PlacedRun;
        if (offset >= end) return;
        if (length > 0) yield { start: Math.max(offset, start), end: Math.min(offset + length, end) };
      }
    },
    async requireUnchanged() {
      await archive.requireUnchanged?.();
    },
    close: async () => {},
  };
}

/** The index of the first run that ends behind `offset`. */
function firstBehind(runs: readonly PlacedRun[], offset: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const run = runs[middle] as PlacedRun;
    if (run.offset + run.length > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
