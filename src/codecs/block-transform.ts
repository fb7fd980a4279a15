/**
 * node:zlib for blocks: a native stream that stays open from block to block, and writes into the caller's buffer.
 *
 * The public one-shot functions make a stream and its tables for each block, and a buffer for each result. For
 * blocks of 64 KiB that is up to a third of the time, and most of the memory. The stream's own handle does without,
 * but is not documented: what it does is tried out once, and where it does anything else the public functions serve.
 */

import type { Zlib } from 'node:zlib';

/** A native stream of node:zlib. */
export interface NativeStream {
  readonly _handle: {
    reset(): void;
    writeSync(
      flush: number,
      input: Uint8Array,
      inputOffset: number,
      inputLength: number,
      output: Uint8Array,
      outputOffset: number,
      outputLength: number,
    ): void;
    onerror: (message: string, errno: number, code: string) => void;
  };
  /** After a write: bytes of output left, bytes of input left. */
  readonly _writeState: Uint32Array;
}

/** How one kind of stream treats a block. */
export interface TransformSpec {
  /** Opens a stream. */
  readonly open: () => Zlib;
  /** The flush flag that ends a block. */
  readonly flush: number;
  /** Does a stream that has ended a block begin the next one by itself? Zstandard's does, and its reset forgets levels. */
  readonly restarts: boolean;
  /** The public function that does the same. @throws what node:zlib throws; `ERR_BUFFER_TOO_LARGE` over `limit` */
  readonly oneShot: (input: Uint8Array, limit: number) => Uint8Array;
}

/**
 * Transforms blocks, one at a time: writes the result of `input` to the start of `output` and returns its length.
 * A result that is not known beforehand to fill the output exactly must have room to spare.
 * @throws Error when the input is not what the stream expects, or the result has more bytes than `output`
 */
export type BlockTransform = (input: Uint8Array, output: Uint8Array) => number;

/** The transform of `spec`. `probe` is an input, and `expected` what becomes of it. */
export function blockTransform(spec: TransformSpec, probe: Uint8Array, expected: Uint8Array): BlockTransform {
  const native = nativeTransform(spec);
  return native && works(native, probe, expected) ? native : oneShotTransform(spec);
}

export class ResultTooLong extends Error {}

/** Room for the byte that shows a result to be too long. */
const ONE_MORE = new Uint8Array(1);

function nativeTransform({ open, flush, restarts }: TransformSpec): BlockTransform | undefined {
  let stream: OpenStream | undefined = openStream(open);
  if (stream === undefined) return undefined;

  /** One call of the native stream; returns how many bytes it has made. */
  function step(
    { handle, state, failure }: OpenStream,
    input: Uint8Array,
    at: number,
    output: Uint8Array,
  ): number {
    handle.writeSync(flush, input, at, input.length - at, output, 0, output.length);
    if (failure.message !== undefined) throw new Error(failure.message);
    return output.length - (state[0] as number);
  }

  return (input, output) => {
    const current = stream ?? openStream(open);
    if (current === undefined) throw new Error('The stream cannot be opened again.');
    stream = undefined; // a stream that fails is not used again
    if (!restarts) current.handle.reset();
    const made = step(current, input, 0, output);
    // A result that fills the output is complete, or one more byte comes.
    const isTooLong =
      made === output.length &&
      step(current, input, input.length - (current.state[1] as number), ONE_MORE) > 0;
    if (isTooLong) throw new ResultTooLong();
    stream = current;
    return made;
  };
}

interface OpenStream {
  readonly handle: NativeStream['_handle'];
  readonly state: Uint32Array;
  readonly failure: { message: string | undefined };
}

/** Undefined where streams are not what they were in the versions of Node that this was written for. */
function openStream(open: () => Zlib): OpenStream | undefined {
  const { _handle: handle, _writeState: state } = open() as unknown as NativeStream;
  if (typeof handle?.writeSync !== 'function' || !(state instanceof Uint32Array)) return undefined;
  const failure: OpenStream['failure'] = { message: undefined };
  handle.onerror = (message) => {
    failure.message = message;
  };
  return { handle, state, failure };
}

function works(transform: BlockTransform, probe: Uint8Array, expected: Uint8Array): boolean {
  const output = new Uint8Array(expected.length + 64);
  try {
    for (let round = 0; round < 2; round++) {
      output.fill(0);
      if (transform(probe, output) !== expected.length) return false;
      if (expected.some((byte, i) => output[i] !== byte)) return false;
    }
    return true;
  } catch {
    // Another version of Node, in which the handle works differently.
    return false;
  }
}

/** The same through the public function. */
export const oneShotTransform =
  ({ oneShot }: Pick<TransformSpec, 'oneShot'>): BlockTransform =>
  (input, output) => {
    const result = tryOneShot(oneShot, input, output.length);
    output.set(result);
    return result.length;
  };

function tryOneShot(oneShot: TransformSpec['oneShot'], input: Uint8Array, limit: number): Uint8Array {
  try {
    return oneShot(input, limit);
  } catch (cause) {
    const isTooLong = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw isTooLong ? new ResultTooLong(undefined, { cause }) : cause;
  }
}
