/**
 * The manifest of an OVA: a digest for each of its files, one a line, `SHA256(disk.vmdk)= 0123…` (DMTF DSP0243, 5.1). Whether
 * somebody has signed it, in a file `.cert`, is not asked.
 */

import { MiB } from '../binary/align.ts';
import { nodeCrypto } from '../binary/node-crypto.ts';
import { type ByteSource, readBytes } from '../io/source.ts';
import type { Archive } from './ova.ts';
import type { ArchiveMember } from './tar-walk.ts';

export interface ManifestProblem {
  readonly code: 'bad-checksum' | 'bad-table';
  readonly message: string;
  /** Is something damaged, or is only nothing known? */
  readonly isCertain: boolean;
}

/** A digest for each of some members takes less than a KiB. */
const MAX_MANIFEST = MiB;

const ALGORITHMS: Readonly<Record<string, string>> = {
  SHA1: 'sha1',
  SHA256: 'sha256',
  SHA384: 'sha384',
  SHA512: 'sha512',
};

/**
 * Compares a disk and the descriptor with the manifest, reading all of both; nothing where there is no manifest.
 * @throws CorruptImageError, ImageIoError; what `requireRunning` throws, which is called now and then
 */
export async function manifestProblems(
  source: ByteSource,
  { members }: Archive,
  disk: string,
  requireRunning: () => void,
): Promise<ManifestProblem[]> {
  const manifest = members.find(({ name }) => name.toLowerCase().endsWith('.mf'));
  if (manifest === undefined) return [];
  const problem = (code: ManifestProblem['code'], message: string, isCertain: boolean): ManifestProblem => ({
    code,
    message,
    isCertain,
  });
  if (manifest.size > MAX_MANIFEST) {
    return [problem('bad-table', `${manifest.name} is too large to be a manifest.`, true)];
  }
  const bytes = await readBytes(source, manifest.start, manifest.size, 'The manifest of the archive');
  const { digests, badLines } = parseManifest(new TextDecoder().decode(bytes));
  const problems: ManifestProblem[] = [];
  if (badLines.length > 0) {
    const message = `${manifest.name} has lines that are no digests: the first is line ${badLines[0]}.`;
    problems.push(problem('bad-table', message, true));
  }
  for (const member of members) {
    const { name } = member;
    if (name !== disk && !name.toLowerCase().endsWith('.ovf')) continue;
    const wanted = digests.get(name);
    if (wanted === undefined) {
      problems.push(problem('bad-table', `${manifest.name} has no digest of ${name}.`, false));
      continue;
    }
    const found = await digestOf(source, member, wanted.algorithm, requireRunning);
    if (found !== wanted.digest) {
      const message = `${name} has the ${wanted.algorithm} digest ${found}; ${manifest.name} has ${wanted.digest}.`;
      problems.push(problem('bad-checksum', message, true));
    }
  }
  return problems;
}

interface WantedDigest {
  readonly algorithm: string;
  /** Hexadecimal, in small letters. */
  readonly digest: string;
}

function parseManifest(text: string): {
  readonly digests: ReadonlyMap<string, WantedDigest>;
  readonly badLines: readonly number[];
} {
  const digests = new Map<string, WantedDigest>();
  const badLines: number[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const [, label = '', name, digest] = /^(SHA-?\d{1,3})\s?\((.+)\)\s?=\s?([0-9a-f]+)\s*$/i.exec(line) ?? [];
    const algorithm = ALGORITHMS[label.toUpperCase().replace('-', '')];
    if (algorithm === undefined || name === undefined || digest === undefined) badLines.push(index + 1);
    else digests.set(name, { algorithm, digest: digest.toLowerCase() });
  }
  return { digests, badLines };
}

async function digestOf(
  source: ByteSource,
  { start, size, name }: ArchiveMember,
  algorithm: string,
  requireRunning: () => void,
): Promise<string> {
  const hash = nodeCrypto().createHash(algorithm);
  for (let at = 0; at < size; at += MiB) {
    requireRunning();
    hash.update(await readBytes(source, start + at, Math.min(MiB, size - at), name));
  }
  return hash.digest('hex');
}
