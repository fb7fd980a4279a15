/** Opening what an image names: its backing file, its parent, its data file. Only what the caller allows. */

import { BudgetError, CorruptImageError, type ImageError, OptionError } from './errors.ts';
import { pathThroughGate, realPathOf } from './io/file-gate.ts';
import { type ByteSource, pathOf } from './io/source.ts';

/** A name that stands inside an image: a claim of whoever made it. */
export interface Reference {
  readonly kind: 'backing' | 'parent' | 'data-file';
  readonly name: string;
  /** The format that the image says it has. */
  readonly format?: string;
  /** What to call the image that names it. */
  readonly from: string;
}

/** What may be opened beside an image. Nothing, by default. */
export interface ReferenceRules {
  /** Folders: a file that an image names is opened when it lies, all links followed, in one of them. */
  readonly allowPaths?: readonly string[];
  /**
   * Finds references in a way of its own: a path, or a source. Undefined refuses one. With this, `allowPaths` is not
   * looked at.
   */
  readonly resolve?: (
    reference: Reference,
  ) => string | ByteSource | undefined | Promise<string | ByteSource | undefined>;
  /** Images below the first one; 64 at most by default. */
  readonly maxDepth?: number;
}

const MAX_DEPTH = 64;

/**
 * What the first of `references` that may be opened stands for.
 * @throws what `missing` makes of the reasons why none may
 */
export async function resolveReference(
  references: readonly Reference[],
  owner: ByteSource,
  rules: ReferenceRules,
  missing: (why: string) => ImageError,
): Promise<string | ByteSource> {
  const refusals: string[] = [];
  for (const reference of references) {
    const found = await resolveName(reference, owner, rules);
    if ('found' in found) return found.found;
    refusals.push(`${JSON.stringify(reference.name)} ${found.refused}`);
  }
  const why = refusals.length > 0 ? refusals.join('; ') : 'it is not named';
  throw missing(`Not opened: ${why}. If you trust the image, allow the folder with --allow-path DIR.`);
}

async function resolveName(
  reference: Reference,
  owner: ByteSource,
  { resolve, allowPaths = [] }: ReferenceRules,
): Promise<{ readonly found: string | ByteSource } | { readonly refused: string }> {
  if (resolve) {
    const found = await resolve(reference);
    return found === undefined ? { refused: 'was refused' } : { found };
  }
  const path = pathOf(owner);
  if (path === undefined) {
    return { refused: `is named by something that is ${owner.takenFrom ? 'in an archive' : 'not a file'}` };
  }
  const result = await pathThroughGate(reference.name, path, allowPaths);
  return 'path' in result ? { found: result.path } : result;
}

/** The files of a chain so far, by their real paths, the first image's first. */
export type Chain = readonly string[];

/** The name of a source in a chain. */
export const chainName = async (source: ByteSource): Promise<string> => {
  const path = pathOf(source);
  return path === undefined ? source.name : realPathOf(path);
};

/** @throws CorruptImageError `bad-chain` for a file that is its own ancestor, BudgetError for a chain that is too long */
export function requireNextInChain(
  chain: Chain,
  next: string | ByteSource,
  { maxDepth = MAX_DEPTH }: ReferenceRules,
): Chain {
  if (!Number.isSafeInteger(maxDepth) || maxDepth < 0) {
    throw new OptionError('bad-option', `A chain cannot be ${maxDepth} images deep.`);
  }
  const name = typeof next === 'string' ? next : next.name;
  if (typeof next === 'string' && chain.includes(next)) {
    throw new CorruptImageError('bad-chain', `${next} is a backing file of itself.`, {
      hint: 'Such an image has no content; its backing file was set to a wrong name.',
    });
  }
  if (chain.length > maxDepth) {
    throw new BudgetError('over-budget', `The chain of backing files is more than ${maxDepth} images deep.`, {
      hint: 'Allow more with --max-chain-depth N.',
    });
  }
  return [...chain, name];
}
