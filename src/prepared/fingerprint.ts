/**
 * What a source is known by, so that a plan is not used for another: the sizes of its files, their times or entity tags,
 * and digests of how they begin and end.
 */

import { createHash } from 'node:crypto';
import { ImageIoError } from '../errors.ts';
import type { DiskImage } from '../image/image.ts';
import type { ByteSource } from '../io/source.ts';

/** Bytes at each end of a file that are digested. */
const SAMPLE = 64 * 1024;

/** One word for how the image is read, and one for each of its files. */
export async function fingerprintOf(
  image: DiskImage,
  openOptions: Readonly<Record<string, unknown>>,
): Promise<string> {
  const how = JSON.stringify([image.format, image.virtualSize, Object.entries(openOptions).sort()]);
  const words = [shortDigest(new TextEncoder().encode(how))];
  for (const source of image.sources) words.push(await wordOf(source));
  return words.join(' ');
}

async function wordOf(source: ByteSource): Promise<string> {
  const { size, revision = '' } = source;
  const length = Math.min(SAMPLE, size);
  const head = new Uint8Array(length);
  const tail = new Uint8Array(length);
  await source.read(head, 0);
  await source.read(tail, size - length);
  return [size, shortDigest(new TextEncoder().encode(revision)), shortDigest(head), shortDigest(tail)].join(
    ':',
  );
}

/** 64 bits are enough to notice an accident. */
const shortDigest = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex').slice(0, 16);

/** @throws ImageIoError `source-changed` when the source is not what the plan was made of */
export function requireSameSource(image: DiskImage, planned: string, found: string): void {
  if (planned === found) return;
  const before = planned.split(' ');
  const now = found.split(' ');
  const at = now.findIndex((word, index) => word !== before[index]);
  const name = image.sources[at - 1]?.name;
  const message =
    name === undefined
      ? `${image.source.name} is read in another way, or has other files, than when the plan was made.`
      : `${name} is not what the plan was made of.`;
  throw new ImageIoError('source-changed', message, {
    hint: 'Give the same source, opened with the same options; or begin anew, without the plan.',
  });
}
