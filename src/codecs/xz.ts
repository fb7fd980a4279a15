/** xz by xz-decompress (XZ Embedded as WebAssembly). */

/** Bytes that the decoder gets at a time: of hostile ones, each may unpack to 7,000. */
const XZ_CHUNK = 16 * 1024;

/**
 * What is packed in a file: streams one behind the other are one ("The .xz File Format", section 2). Checks are CRC-32 and
 * CRC-64. Errors are the decoder's own, with a code of `enum xz_ret` in their message; or those of `packed`. Who stops
 * iterating stops the reading of `packed`.
 */
export async function unxz(packed: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const module = await import('xz-decompress');
  // A CommonJS module: Node gives what it exports as the default, bundlers by name.
  const { XzReadableStream } = 'default' in module ? (module.default as typeof module) : module;
  return decoded(packed, XzReadableStream);
}

type Decoder = new (packed: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array>;

async function* decoded(
  packed: AsyncIterable<Uint8Array>,
  XzReadableStream: Decoder,
): AsyncGenerator<Uint8Array> {
  const iterator = packed[Symbol.asyncIterator]();
  let isStopped = false;
  let held: Uint8Array = new Uint8Array();
  const source = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (held.length === 0 && !isStopped) held = (await iterator.next()).value ?? held;
        // Without more to decode, the decoder gives what it holds, and fails when that does not end the stream.
        if (held.length === 0 || isStopped) return controller.close();
        controller.enqueue(held.subarray(0, XZ_CHUNK));
        held = held.subarray(XZ_CHUNK);
      },
    },
    // What the decoder did not ask for would be read in vain.
    { highWaterMark: 0 },
  );
  const reader = new XzReadableStream(source).getReader();
  let isOpen = true;
  const next = async (): Promise<Uint8Array | undefined> => {
    isOpen = false;
    const { done, value } = await reader.read();
    isOpen = !done;
    return value;
  };
  try {
    for (let bytes = await next(); bytes !== undefined; bytes = await next()) yield bytes;
  } finally {
    isStopped = true;
    await iterator.return?.();
    if (isOpen) await drain(next);
  }
}

/**
 * Reads on until the decoder has ended, or failed for want of bytes. One decoder lives at a time in the process: the next
 * one waits for that. (Cancelling it would do the same, but it fails when all input has been decoded.)
 */
async function drain(next: () => Promise<Uint8Array | undefined>): Promise<void> {
  try {
    while ((await next()) !== undefined);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}
