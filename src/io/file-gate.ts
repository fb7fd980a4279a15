/**
 * The gate for names that stand inside an image. Whoever made the image chose them, so none is opened unless it leads,
 * all links followed, into a folder that the user has allowed.
 */

import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep, win32 } from 'node:path';

/**
 * The path to open for `name`, which the file at `from` names, or why there is none.
 * @param allowed folders, as the user gave them
 */
export async function pathThroughGate(
  name: string,
  from: string,
  allowed: readonly string[],
): Promise<{ readonly path: string } | { readonly refused: string }> {
  if (name === '' || name.includes('\0')) return { refused: 'is no name of a file' };
  if (isProtocol(name)) return { refused: 'is not a plain name, but a protocol' };
  if (allowed.length === 0) return { refused: 'is not in a folder that is allowed' };
  const wanted = resolve(dirname(await realpath(from)), name);
  const path = await realpath(wanted).catch(() => undefined);
  if (path === undefined) return { refused: 'is not there' };
  for (const folder of allowed) {
    const root = await realpath(folder).catch(() => undefined);
    if (root !== undefined && isWithin(root, path)) return { path };
  }
  return { refused: 'is not in a folder that is allowed' };
}

/** The path itself, all links followed. */
export const realPathOf = (path: string): Promise<string> => realpath(path);

/** `nbd://…`, `json:{…}`, `file:…`; a drive's letter is none on Windows. */
const isProtocol = (name: string): boolean =>
  /^[a-z][a-z0-9+.-]*:/i.test(name) && !(sep === win32.sep && /^[a-z]:[\\/]/i.test(name));

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
