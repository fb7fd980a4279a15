/** gzip and zstd by node:zlib. */

import { once } from 'node:events';
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';

/** Members one behind the other are one file (RFC 1952, section 2.2); what follows the last one is damage. */
export function gunzipped(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  // Errors of both ends come out of the stream that is read.
  return pipeline(Readable.from(chunks), gunzip, () => {});
}

/** Frames one behind the other are one file (RFC 8878, section 3); node:zlib decodes one, and leaves the rest. */
export async function* unzstandard(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = leftovers(chunks);
  for (let first = await input.next(); first !== undefined; first = await input.next()) {
    const frame = createZstdDecompress({ chunkSize: 256 * 1024 });
    const given: Uint8Array[] = [];
    let isOver = false;
    const feeding = (async () => {
      for (
        let chunk: Uint8Array | undefined = first;
        chunk !== undefined && !isOver;
        chunk = await input.next()
      ) {
        given.push(chunk);
        if (!frame.write(chunk)) await Promise.race([once(frame, 'drain'), once(frame, 'close')]);
        if (isOver) return;
      }
      if (!isOver) frame.end();
    })();
    feeding.catch((error) => frame.destroy(error));
    try {
      yield* frame as AsyncIterable<Uint8Array>;
      isOver = true;
    } finally {
      isOver = true;
      frame.destroy();
    }
    await feeding;
    giveBack(input, given, frame.bytesWritten);
  }
}

interface Leftovers {
  next(): Promise<Uint8Array | undefined>;
  /** To be given out before all others. */
  readonly before: Uint8Array[];
}

function leftovers(chunks: AsyncIterable<Uint8Array>): Leftovers {
  const iterator = chunks[Symbol.asyncIterator]();
  const before: Uint8Array[] = [];
  return {
    before,
    async next() {
      const given = before.shift();
      if (given) return given;
      for (;;) {
        const { done, value } = await iterator.next();
        if (done) return undefined;
        if (value.length > 0) return value;
      }
    },
  };
}

/** Puts back what was given to a frame and did not belong to it. */
function giveBack({ before }: Leftovers, given: readonly Uint8Array[], used: number): void {
  let at = 0;
  const rest: Uint8Array[] = [];
  for (const chunk of given) {
    const from = Math.max(0, used - at);
    if (from < chunk.length) rest.push(chunk.subarray(from));
    at += chunk.length;
  }
  before.unshift(...rest);
}
