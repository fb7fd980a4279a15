/**
 * Memory that begins on a page, as direct I/O wants it. Ordinary buffers begin some bytes behind one; the memory of
 * WebAssembly begins on one, on every platform.
 */

declare const WebAssembly: {
  readonly Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer };
};

/** The unit of WebAssembly's memory, in bytes. */
const WASM_PAGE = 64 * 1024;

/** `length` bytes of zeros that begin on a page, wherever that can be had. */
export function alignedBytes(length: number): Uint8Array<ArrayBuffer> {
  try {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(length / WASM_PAGE) });
    return new Uint8Array(memory.buffer, 0, length);
  } catch {
    // Each memory reserves some GiB of addresses, which a system can refuse. Then writes are not direct.
    return new Uint8Array(length);
  }
}
