/** Parts of a file that are being put together from pieces, which come nearly in order. */

export interface Assembly {
  /** Puts a piece where it belongs; what belongs to a part that was given away or dropped is left out. */
  write(bytes: Uint8Array, fileOffset: number): void;
  /** Gives a part's bytes away, if it has been kept whole so far: the first `length` of them. */
  take(part: number, length: number): Uint8Array<ArrayBuffer> | undefined;
  /** Does not keep this part any more. */
  drop(part: number): void;
}

/**
 * Parts count from 0 here, and have `partSize` bytes each.
 * @param keeps is a part wanted at all?
 * @param zeros gives the memory of a part
 */
export function createAssembly(
  partSize: number,
  keeps: (part: number) => boolean,
  zeros: (length: number) => Uint8Array<ArrayBuffer>,
): Assembly {
  const kept = new Map<number, Uint8Array<ArrayBuffer>>();
  /** All parts before `floor`, and these, are gone. */
  const gone = new Set<number>();
  let floor = 0;
  function leave(part: number): void {
    kept.delete(part);
    if (part < floor) return;
    gone.add(part);
    for (; gone.delete(floor); floor++);
  }

  function bytesOf(part: number): Uint8Array | undefined {
    const bytes = kept.get(part);
    if (bytes || part < floor || gone.has(part) || !keeps(part)) return bytes;
    const fresh = zeros(partSize);
    kept.set(part, fresh);
    return fresh;
  }

  return {
    write(bytes, fileOffset) {
      for (let done = 0; done < bytes.length; ) {
        const part = Math.floor((fileOffset + done) / partSize);
        const within = fileOffset + done - part * partSize;
        const length = Math.min(bytes.length - done, partSize - within);
        bytesOf(part)?.set(bytes.subarray(done, done + length), within);
        done += length;
      }
    },
    take(part, length) {
      const bytes = kept.get(part);
      leave(part);
      return bytes && (length === partSize ? bytes : bytes.slice(0, length));
    },
    drop: leave,
  };
}
