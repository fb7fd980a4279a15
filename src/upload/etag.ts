/** Entity tags: what stores call contents. */

import { createHash } from 'node:crypto';

/** Without the quotes that HTTP has around it, which some clients keep and some do not. */
export const plainEtag = (etag: string): string => etag.replaceAll('"', '');

/**
 * What S3, and most that are like it, call an object of these parts; undefined when the parts' tags are no MD5 digests,
 * which is so with some kinds of encryption.
 */
export function multipartEtag(partEtags: readonly string[]): string | undefined {
  const hash = createHash('md5');
  for (const etag of partEtags.map(plainEtag)) {
    if (!/^[0-9a-f]{32}$/i.test(etag)) return undefined;
    hash.update(Buffer.from(etag, 'hex'));
  }
  return `${hash.digest('hex')}-${partEtags.length}`;
}
