/**
 * Deflate (RFC 1951) of single blocks, by an encoder of our own in WebAssembly: node:zlib's takes a third longer for them, to
 * more bytes, for it looks for no match of three bytes.
 */

import { WASM } from './wasm.ts';

/** As much of it as is needed: TypeScript has its types with those of a browser's page only. */
declare const WebAssembly: {
  readonly Module: new (binary: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

/** What `assembly/index.ts` exports. */
interface Encoder {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly input: { readonly value: number };
  reserve(length: number, bound: number): number;
  deflate(
    length: number,
    output: number,
    isLast: boolean,
    window: number,
    searches: number,
    enough: number,
    isLazy: boolean,
  ): number;
  adler32(length: number): number;
}

let opened: Encoder | undefined;

/** One for each thread, which is of use to all codecs: blocks leave nothing behind. */
function encoder(): Encoder {
  opened ??= new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(WASM, 'base64'))).exports as Encoder;
  return opened;
}

export const deflateLevels = { min: 1, max: 9, default: 6 } as const;

/** How long a level looks for matches. */
interface Effort {
  /** How many places with the same four bytes are tried. */
  readonly searches: number;
  /** A match of so many bytes is taken as it is. */
  readonly enough: number;
  /** Is a match left for a better one at the next place? */
  readonly isLazy: boolean;
}

const efforts: readonly Effort[] = [
  { searches: 1, enough: 16, isLazy: false },
  { searches: 2, enough: 32, isLazy: false },
  { searches: 3, enough: 32, isLazy: false },
  { searches: 6, enough: 48, isLazy: false },
  { searches: 5, enough: 65, isLazy: true },
  { searches: 8, enough: 65, isLazy: true },
  { searches: 16, enough: 130, isLazy: true },
  { searches: 32, enough: 258, isLazy: true },
  { searches: 64, enough: 258, isLazy: true },
];

/** No deflate block takes more than stored: five bytes more than the 8,191 or more that it holds; the last one may hold fewer. */
export const deflateBound = (blockLength: number): number => blockLength + (blockLength >> 8) + 64;

export interface DeflateOptions {
  /** 1 to 9. */
  readonly level: number;
  /** Matches go no farther back than this: bytes, a power of two up to 32 KiB. */
  readonly window: number;
  /** How the stream ends behind the block: finished, or on a byte, so that more can follow (zlib's `Z_SYNC_FLUSH`). */
  readonly end: 'finished' | 'open';
}

/** Deflates `block` into the start of `into`, which has room for {@link deflateBound}; returns the length of the result. */
export function deflateBlock(block: Uint8Array, into: Uint8Array, options: DeflateOptions): number {
  const { level, window, end } = options;
  const { searches, enough, isLazy } = efforts[level - 1] as Effort;
  const { memory, input, reserve, deflate } = encoder();
  const output = reserve(block.length, deflateBound(block.length));
  new Uint8Array(memory.buffer, input.value, block.length).set(block);
  const length = deflate(block.length, output, end === 'finished', window, searches, enough, isLazy);
  into.set(new Uint8Array(memory.buffer, output, length));
  return length;
}

/** Adler-32 (RFC 1950, section 9) of the block that was deflated last, whose length this is. */
export const adler32OfLast = (blockLength: number): number => encoder().adler32(blockLength) >>> 0;
