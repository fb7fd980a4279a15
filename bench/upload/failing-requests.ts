/** An upload to a real server that fails at random, through the real client. */

import { openAsBlob } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as s3 from '@aws-sdk/client-s3';
import { MiB } from '../../src/binary/align.ts';
import type { ConvertOptions, PrepareOptions } from '../../src/index.ts';
import { CREDENTIALS, startS3Server } from '../../test/support/s3-server.ts';
import { randomStream } from '../content.ts';
import type { Taking } from './figures.ts';

/** The smallest that such stores take: more requests. */
const PART = 5 * MiB;
const FAULTS = [500, 503, 'break', 408] as const;
const reproducible = { timestamp: 1_700_000_000 };

/** Bytes by which the object differs from the file of `convert`, when 30 % of the requests fail. */
export async function failingRequests({ library, source, options }: Taking): Promise<number> {
  const random = randomStream(30);
  const server = await startS3Server({ checksSignatures: true });
  const client = new s3.S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: CREDENTIALS,
    maxAttempts: 1,
  });
  const folder = await mkdtemp(join(tmpdir(), 'diskimg-bench-'));
  try {
    server.failWith(() => (random.below(10) < 3 ? FAULTS[random.below(FAULTS.length)] : undefined));
    const prepared = { ...options, scan: 'data', reproducible } as PrepareOptions;
    await using output = await library.prepare(source, prepared);
    const store = library.s3Store(client, s3, { bucket: server.bucket, key: 'object', digest: 'crc32c' });
    await library.uploadParts(output, store, { partSize: PART, retries: 30 });
    server.failWith(() => undefined);
    const file = join(folder, 'converted');
    await library.convert(source, file, { ...options, reproducible } as ConvertOptions);
    return await differingBytes(await openAsBlob(file), new Blob([new Uint8Array(server.object('object'))]));
  } finally {
    client.destroy();
    await server.close();
    await rm(folder, { recursive: true });
  }
}

/** At how many places two files differ; one that is longer differs in all that the other lacks. */
async function differingBytes(one: Blob, other: Blob): Promise<number> {
  const common = Math.min(one.size, other.size);
  let count = Math.max(one.size, other.size) - common;
  for (let at = 0; at < common; at += 4 * MiB) {
    const end = Math.min(common, at + 4 * MiB);
    const [a, b] = await Promise.all([one, other].map((file) => file.slice(at, end).bytes()));
    if (a === undefined || b === undefined || Buffer.compare(a, b) === 0) continue;
    count += a.reduce((sum, byte, index) => sum + Number(byte !== b[index]), 0);
  }
  return count;
}
