/** Trees of files in memory, as readers of filesystems give them. */

import type { FileNode } from '../../src/inspect/file-tree.ts';

export type MemoryEntry = MemoryFolder | string | Uint8Array | MemoryLink;
export interface MemoryLink {
  readonly link: string;
}
/** No file in it may be called `link`. */
export interface MemoryFolder {
  readonly [name: string]: MemoryEntry;
}

const isLink = (entry: object): entry is MemoryLink => typeof (entry as MemoryLink).link === 'string';

export function nodeOf(entry: MemoryEntry): FileNode {
  const isFile = typeof entry === 'string' || entry instanceof Uint8Array;
  const bytes =
    typeof entry === 'string' ? new TextEncoder().encode(entry) : isFile ? entry : new Uint8Array();
  const node: FileNode = {
    kind: 'file',
    size: bytes.length,
    names: async () => [],
    child: async () => undefined,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
    target: async () => '',
  };
  if (isFile) return node;
  if (isLink(entry)) return { ...node, kind: 'symlink', target: async () => entry.link };
  return {
    ...node,
    kind: 'directory',
    names: async () => Object.keys(entry),
    child: async (name) => {
      const child = Object.hasOwn(entry, name) ? entry[name] : undefined;
      return child === undefined ? undefined : nodeOf(child);
    },
  };
}
