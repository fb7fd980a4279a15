/** Bytes in memory that are changed in place, and what a crash would leave of them. */

import type { ByteEditor } from '../../src/io/editor.ts';
import { requireInside } from '../../src/io/source.ts';

export type Operation =
  | { readonly kind: 'write'; readonly bytes: Uint8Array; readonly fileOffset: number }
  | { readonly kind: 'extend'; readonly size: number }
  | { readonly kind: 'flush' };

export interface MemoryEditor extends ByteEditor {
  readonly log: readonly Operation[];
  bytes(): Uint8Array;
}

export function memoryEditor(before: Uint8Array): MemoryEditor {
  let bytes: Uint8Array = before.slice();
  const log: Operation[] = [];
  const record = (operation: Operation): void => {
    log.push(operation);
    bytes = applied(bytes, operation);
  };
  const editor: MemoryEditor = {
    name: 'memory',
    get size() {
      return bytes.length;
    },
    log,
    bytes: () => bytes,
    async read(into, fileOffset) {
      requireInside(editor, fileOffset, into.length, 'A read');
      into.set(bytes.subarray(fileOffset, fileOffset + into.length));
    },
    write: async (part, fileOffset) => record({ kind: 'write', bytes: part.slice(), fileOffset }),
    extend: async (size) => record({ kind: 'extend', size }),
    flush: async () => record({ kind: 'flush' }),
    close: async () => {},
  };
  return editor;
}

function applied(bytes: Uint8Array, operation: Operation): Uint8Array {
  if (operation.kind === 'flush') return bytes;
  const end = operation.kind === 'extend' ? operation.size : operation.fileOffset + operation.bytes.length;
  const after = new Uint8Array(Math.max(bytes.length, end));
  after.set(bytes);
  if (operation.kind === 'write') after.set(operation.bytes, operation.fileOffset);
  return after;
}

/** A sector is written as a whole, or not at all. */
const SECTOR = 512;

/**
 * What a crash can leave: all operations up to a flush, and of those between it and the next any that got there sooner,
 * the last one perhaps in part.
 */
export function* crashStates(before: Uint8Array, log: readonly Operation[]): Generator<Uint8Array> {
  let durable = before;
  let pending: Operation[] = [];
  for (const operation of [...log, { kind: 'flush' } as const]) {
    if (operation.kind !== 'flush') {
      pending.push(operation);
      continue;
    }
    for (const [i, one] of pending.entries()) {
      yield applied(durable, one);
      yield pending.filter((_, other) => other !== i).reduce(applied, durable);
      yield pending.slice(0, i).reduce(applied, durable);
      if (one.kind !== 'write' || one.bytes.length <= SECTOR) continue;
      const half = Math.ceil(one.bytes.length / 2 / SECTOR) * SECTOR;
      yield applied(pending.slice(0, i).reduce(applied, durable), {
        ...one,
        bytes: one.bytes.subarray(0, half),
      });
    }
    durable = pending.reduce(applied, durable);
    pending = [];
  }
  yield durable;
}
