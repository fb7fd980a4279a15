/**
 * A file as it is once its log has been replayed ([MS-VHDX] 2.3.3), in memory: reads show what the log would write, and
 * nothing is written.
 */

import { type ByteSource, requireInside } from '../../io/source.ts';
import type { ActiveLog, LogWrite } from './log.ts';

/**
 * The source with the log's writes over it. It does not own the source, and closing it does nothing.
 */
export function replayedSource(source: ByteSource, { writes, lastFileOffset }: ActiveLog): ByteSource {
  const size = writes.reduce(
    (end, { fileOffset, length }) => Math.max(end, fileOffset + length),
    Math.max(source.size, lastFileOffset),
  );
  const shown = settled(writes);
  const replayed: ByteSource = {
    name: source.name,
    size,
    ...(source.revision !== undefined && { revision: source.revision }),
    async read(into, fileOffset) {
      requireInside(replayed, fileOffset, into.length, 'A read');
      const inFile = Math.max(0, Math.min(into.length, source.size - fileOffset));
      if (inFile > 0) await source.read(into.subarray(0, inFile), fileOffset);
      into.fill(0, inFile);
      const end = fileOffset + into.length;
      for (let index = firstBehind(shown, fileOffset); index < shown.length; index++) {
        const write = shown[index] as LogWrite;
        if (write.fileOffset >= end) return;
        const from = Math.max(write.fileOffset, fileOffset);
        const to = Math.min(write.fileOffset + write.length, end);
        const part = into.subarray(from - fileOffset, to - fileOffset);
        if (write.bytes) part.set(write.bytes.subarray(from - write.fileOffset, to - write.fileOffset));
        else part.fill(0);
      }
    },
    close: async () => {},
  };
  return replayed;
}

/** The writes in the order of the file, without those parts that later ones cover. */
function settled(writes: readonly LogWrite[]): readonly LogWrite[] {
  // Ends and starts cut the file into stretches; the last write that covers one of them shows.
  const edges = [
    ...new Set(writes.flatMap(({ fileOffset, length }) => [fileOffset, fileOffset + length])),
  ].sort((a, b) => a - b);
  const positions = new Map(edges.map((edge, index) => [edge, index]));
  const owner = new Int32Array(edges.length).fill(-1);
  /** The next stretch that nothing shows in yet, from each one on. */
  const next = Int32Array.from(edges, (_, index) => index);
  const free = (from: number): number => {
    let at = from;
    while ((next[at] as number) !== at) {
      next[at] = next[next[at] as number] as number;
      at = next[at] as number;
    }
    return at;
  };
  for (let index = writes.length - 1; index >= 0; index--) {
    const { fileOffset, length } = writes[index] as LogWrite;
    const end = positions.get(fileOffset + length) as number;
    for (let at = free(positions.get(fileOffset) as number); at < end; at = free(at)) {
      owner[at] = index;
      next[at] = at + 1;
    }
  }
  const shown: LogWrite[] = [];
  for (const [index, edge] of edges.entries()) {
    const write = writes[owner[index] as number];
    if (write === undefined) continue;
    const length = (edges[index + 1] as number) - edge;
    const at = edge - write.fileOffset;
    shown.push({
      fileOffset: edge,
      length,
      ...(write.bytes && { bytes: write.bytes.subarray(at, at + length) }),
    });
  }
  return shown;
}

/** Index of the first write that ends behind `fileOffset`. */
function firstBehind(writes: readonly LogWrite[], fileOffset: number): number {
  let low = 0;
  let high = writes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { fileOffset: start, length } = writes[middle] as LogWrite;
    if (start + length > fileOffset) high = middle;
    else low = middle + 1;
  }
  return low;
}
