/**
 * Files by their paths, over whatever filesystem holds them: links are followed within the tree, as if it were
 * the root of a running system, and never out of it.
 */

export type FileKind = 'file' | 'directory' | 'symlink' | 'other';

/** One file of a filesystem, as its reader knows it. All that it claims is checked when it is read. */
export interface FileNode {
  readonly kind: FileKind;
  /** Bytes, as the filesystem claims. */
  readonly size: number;
  /** Names in a directory, without `.` and `..`; those of at most {@link MAX_DIRECTORY_BYTES}. Empty for other kinds. */
  names(): Promise<readonly string[]>;
  /** What a directory has under `name`. */
  child(name: string): Promise<FileNode | undefined>;
  /** The bytes of [offset, offset + length) that lie within the file; zeros where it is sparse. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Where a symlink points to. */
  target(): Promise<string>;
}

/** Of one directory: 4 MiB hold some 100,000 names. What stands behind them is not seen. */
export const MAX_DIRECTORY_BYTES = 4 * 1024 * 1024;
/** As PATH_MAX of Linux: bytes of a path, and of what a symlink points to. */
export const MAX_PATH = 4096;
/** Followed for one path. */
export const MAX_LINKS = 16;

export interface FileTree {
  /** What stands at an absolute path, after links; `undefined` when nothing does, or links lead in a circle. */
  find(path: string): Promise<FileNode | undefined>;
  /** Names in a directory, sorted; none when there is no such directory. */
  list(path: string): Promise<readonly string[]>;
  /** The first `maxBytes` of a file; `undefined` when there is no such file. */
  readFile(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
}

/** The root of another filesystem, at an absolute path without links, such as `/boot`. */
export interface Mount {
  readonly path: string;
  readonly root: FileNode;
}

/** One step of a path that has been walked: where it stands, and what stands there. */
interface Step {
  readonly path: string;
  readonly node: FileNode;
}

export function fileTree(root: FileNode, mounts: readonly Mount[]): FileTree {
  const mounted = new Map(mounts.map((mount) => [mount.path, mount.root]));

  const find = async (path: string): Promise<FileNode | undefined> => {
    const trail: Step[] = [{ path: '', node: root }];
    const ahead = namesOf(path).reverse();
    let links = 0;
    for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
      const here = trail.at(-1) as Step;
      if (name === '..') {
        if (trail.length > 1) trail.pop();
        continue;
      }
      if (here.node.kind !== 'directory') return undefined;
      const there = `${here.path}/${name}`;
      const node = mounted.get(there) ?? (await here.node.child(name));
      if (node === undefined) return undefined;
      if (node.kind !== 'symlink') {
        trail.push({ path: there, node });
        continue;
      }
      const target = await node.target();
      links++;
      if (links > MAX_LINKS || target.length > MAX_PATH) return undefined;
      if (target.startsWith('/')) trail.length = 1;
      ahead.push(...namesOf(target).reverse());
    }
    return trail.at(-1)?.node;
  };

  return {
    find,
    async list(path) {
      const node = await find(path);
      return node === undefined ? [] : [...(await node.names())].sort();
    },
    async readFile(path, maxBytes) {
      const node = await find(path);
      return node?.kind === 'file' ? node.read(0, Math.min(node.size, maxBytes)) : undefined;
    },
  };
}

/** The names that a path goes through; `.` is none. */
const namesOf = (path: string): string[] => path.split('/').filter((name) => name !== '' && name !== '.');
