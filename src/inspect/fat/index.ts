/** FAT12, FAT16 and FAT32, read-only: files by their long names. The case of names makes no difference. */

import { ceilDiv } from '../../binary/align.ts';
import { CorruptImageError } from '../../errors.ts';
import { type FileNode, MAX_DIRECTORY_BYTES } from '../file-tree.ts';
import type { Volume } from '../volume.ts';
import { type FatLayout, fatLayout } from './boot-sector.ts';
import { clusterAt, clustersOf } from './clusters.ts';
import { entriesIn, type FatEntry } from './directory.ts';

interface Fat {
  readonly volume: Volume;
  readonly layout: FatLayout;
}

export interface FatFilesystem {
  readonly root: FileNode;
  /** There is no journal. */
  readonly needsRecovery: false;
}

/** @throws CorruptImageError `bad-header` when the boot sector cannot be right; its files throw others later */
export async function openFat(volume: Volume): Promise<FatFilesystem> {
  return { root: directoryNode(await openLayout(volume), undefined), needsRecovery: false };
}

/** The label as the root directory has it. */
export async function fatLabel(volume: Volume): Promise<string | undefined> {
  for await (const { kind, name } of entries(await openLayout(volume), undefined)) {
    if (kind === 'label') return name;
  }
  return undefined;
}

async function openLayout(volume: Volume): Promise<Fat> {
  const layout = volume.size < 512 ? undefined : fatLayout(await volume.read(0, 512));
  if (layout === undefined)
    throw new CorruptImageError('bad-header', 'The boot sector is none of a FAT filesystem.');
  return { volume, layout };
}

/** @param entry undefined for the root */
function directoryNode(fat: Fat, entry: FatEntry | undefined): FileNode {
  return {
    kind: 'directory',
    size: 0,
    async names() {
      const names: string[] = [];
      for await (const { kind, name } of entries(fat, entry)) if (kind !== 'label') names.push(name);
      return names;
    },
    async child(name) {
      const wanted = name.toLowerCase();
      for await (const found of entries(fat, entry)) {
        const isWanted = [found.name, found.shortName].some((own) => own.toLowerCase() === wanted);
        if (!isWanted || found.kind === 'label') continue;
        return found.kind === 'directory' ? directoryNode(fat, found) : fileNode(fat, found);
      }
      return undefined;
    },
    read: async () => new Uint8Array(0),
    target: async () => '',
  };
}

function fileNode(fat: Fat, entry: FatEntry): FileNode {
  return {
    kind: 'file',
    size: entry.size,
    names: async () => [],
    child: async () => undefined,
    read: (offset, length) => readFile(fat, entry, offset, length),
    target: async () => '',
  };
}

async function readFile(
  { volume, layout }: Fat,
  { cluster, size }: FatEntry,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const end = Math.min(offset + length, size);
  const into = new Uint8Array(Math.max(0, end - offset));
  if (into.length === 0) return into;
  const { clusterSize } = layout;
  let at = 0; // of the cluster, in the file
  for await (const found of clustersOf(volume, layout, cluster, ceilDiv(end, clusterSize))) {
    const from = Math.max(offset, at);
    const to = Math.min(end, at + clusterSize);
    if (from < to)
      into.set(await volume.read(clusterAt(layout, found) + from - at, to - from), from - offset);
    at += clusterSize;
  }
  if (at < end)
    throw new CorruptImageError('bad-reference', `A file of ${size} bytes has clusters for ${at} only.`, {
      format: layout.kind,
    });
  return into;
}

async function* entries(fat: Fat, directory: FatEntry | undefined): AsyncGenerator<FatEntry> {
  yield* entriesIn(await directoryBytes(fat, directory));
}

async function directoryBytes({ volume, layout }: Fat, directory: FatEntry | undefined): Promise<Uint8Array> {
  const { rootAt, rootLength, rootCluster, clusterSize } = layout;
  if (directory === undefined && layout.kind !== 'fat32') return volume.read(rootAt, rootLength);
  const parts: Uint8Array[] = [];
  const first = directory === undefined ? rootCluster : directory.cluster;
  const most = Math.floor(MAX_DIRECTORY_BYTES / clusterSize);
  for await (const cluster of clustersOf(volume, layout, first, most)) {
    const part = await volume.read(clusterAt(layout, cluster), clusterSize);
    parts.push(part);
    if (isLast(part)) break;
  }
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Has it the entry behind which a directory has no more? */
function isLast(part: Uint8Array): boolean {
  for (let at = 0; at < part.length; at += 32) if (part[at] === 0) return true;
  return false;
}
