/** The package's version, as its package.json says it, and what is built in. */

import manifest from '../../package.json' with { type: 'json' };
import { codecNames, formats } from '../index.ts';

/** The version stands alone on the first line; Node brings the compression libraries. */
export function versionText({ node, zlib, zstd }: Readonly<Record<string, string | undefined>>): string {
  return [
    manifest.version,
    `formats: ${formats.map(({ name }) => name).join(', ')}`,
    `codecs: ${codecNames.join(', ')}`,
    `node ${node}, zlib ${zlib}, zstd ${zstd ?? 'unknown'}`,
  ].join('\n');
}
