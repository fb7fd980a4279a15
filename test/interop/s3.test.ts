/** Uploads to a real S3-compatible server through the real clients; what is downloaded again is the disk. */

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as s3 from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import {
  convert,
  digestImage,
  fileJournal,
  journaledUpload,
  type ObjectStore,
  type OutputFormat,
  obsStore,
  prepare,
  s3Store,
  uploadParts,
} from '../../src/index.ts';
import { collected } from '../support/memory-images.ts';
import { describeWith, qemuFormat, qemuImg } from '../support/native-tools.ts';
import { CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.ts';
import { seededGuest, seededRandom } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();
const source = path('source.raw');
/** Enough for three parts of the smallest size, with data that hardly compresses. */
const disk = seededGuest(14 * MiB, 3);

let amazon: S3Server;
let huawei: S3Server;
let client: s3.S3Client;
beforeAll(async () => {
  const random = seededRandom(11);
  for (let at = 0; at < 12 * MiB; at += 4) disk.writeUInt32LE(random(), at);
  writeFileSync(source, disk);
  amazon = await startS3Server({ checksSignatures: true });
  huawei = await startS3Server({ checksSignatures: false });
  client = new s3.S3Client({
    endpoint: amazon.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: CREDENTIALS,
    maxAttempts: 1,
  });
});
beforeEach(() => {
  for (const server of [amazon, huawei]) server.failWith(() => undefined);
});
afterAll(async () => {
  client.destroy();
  await amazon.close();
  await huawei.close();
});

/** The client has no types. */
const ObsClient = createRequire(import.meta.url)('esdk-obs-nodejs') as new (options: object) => never;

const awsStore = (key: string, digest?: 'md5' | 'sha256' | 'crc32c' | 'none'): ObjectStore =>
  s3Store(client, s3, { bucket: amazon.bucket, key, ...(digest && { digest }) });

const huaweiStore = (key: string): ObjectStore =>
  obsStore(
    new ObsClient({
      access_key_id: CREDENTIALS.accessKeyId,
      secret_access_key: CREDENTIALS.secretAccessKey,
      server: huawei.endpoint,
      path_style: true,
      signature: 'v4',
      region: 'us-east-1',
      max_retry_count: 0,
    }),
    { bucket: huawei.bucket, key },
  );

const stores = [
  { client: '@aws-sdk/client-s3', storeOf: (key: string) => awsStore(key), serverOf: () => amazon },
  { client: 'esdk-obs-nodejs', storeOf: huaweiStore, serverOf: () => huawei },
];

const kinds: Readonly<Record<string, OutputFormat>> = {
  zvhd2: { format: 'zvhd2' },
  zvhd: { format: 'zvhd' },
  vhd: { format: 'vhd' },
  'fixed vhd': { format: 'vhd', options: { subformat: 'fixed' } },
  qcow2: { format: 'qcow2' },
  'compressed qcow2': { format: 'qcow2', options: { compress: true } },
};

const PART = 5 * MiB;

describe.each(stores)('through $client', ({ client: clientName, storeOf, serverOf }) => {
  let server: S3Server;
  beforeEach(() => {
    server = serverOf();
  });

  it.each(Object.entries(kinds))('%s arrives as it is', async (name, kind) => {
    const key = `${clientName.replace(/\W/g, '-')}/${name.replace(' ', '-')}.img`;
    await using output = await prepare(source, {
      ...kind,
      scan: 'data',
      reproducible: { timestamp: 1_700_000_000 },
    });
    const report = await uploadParts(output, storeOf(key), { partSize: PART, concurrency: 2 });
    expect(report.parts.length).toBeGreaterThanOrEqual(3);
    const file = path('converted');
    await convert(source, file, { ...kind, reproducible: { timestamp: 1_700_000_000 } } as never);
    expect(Buffer.compare(server.object(key), readFileSync(file))).toBe(0);
    expect(server.uploads()).toEqual([]);
  });

  it('arrives when 30 % of the requests fail', async () => {
    const random = seededRandom(4);
    const faults = [500, 503, 'break', 408] as const;
    server.failWith(() => (random() % 10 < 3 ? faults[random() % 4] : undefined));
    await using output = await prepare(source, { format: 'zvhd2' });
    const report = await uploadParts(output, storeOf('flaky.zvhd2'), { partSize: PART, retries: 30 });
    server.failWith(() => undefined);
    const found = server.object('flaky.zvhd2');
    expect(found.length).toBe(report.size);
    expect((await digestImage(found)).digest).toBe((await digestImage(source, { size: 2 ** 30 })).digest);
  });

  it.each(['zvhd2', 'vhd'] as const)('%s goes on where it was stopped', async (format) => {
    const key = `resumed.${format}`;
    const journal = fileJournal(path(`${clientName.replace(/\W/g, '-')}.${format}.journal`));
    let puts = 0;
    server.failWith((request) => (request === 'PUT partNumber' && ++puts > 2 ? 403 : undefined));
    {
      await using output = await prepare(source, { format });
      const failed = uploadParts(output, storeOf(key), { partSize: PART, concurrency: 1, resume: journal });
      await expect(failed).rejects.toMatchObject({ code: 'upload-failed', storeCode: 'AccessDenied' });
    }
    expect(server.uploads()).toHaveLength(1);
    server.failWith(() => undefined);
    const before = await journaledUpload(journal);
    if (before === undefined) throw new Error('The journal is empty.');
    await using output = await prepare(source, { plan: before.plan });
    const report = await uploadParts(output, storeOf(key), { resume: journal });
    expect(report).toMatchObject({ resumedParts: 2, partSize: PART });
    expect(server.uploads()).toEqual([]);
    const whole = Buffer.concat(await collected(output.stream()));
    expect(Buffer.compare(server.object(key), whole)).toBe(0);
  });

  it('tells what the store said, and leaves nothing there', async () => {
    server.failWith((request) => (request === 'PUT partNumber' ? 403 : undefined));
    await using output = await prepare(source, { format: 'raw' });
    const error = await uploadParts(output, storeOf('refused.raw')).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'upload-failed', status: 403, storeCode: 'AccessDenied' });
    expect(error.message).toContain('As the test wants it');
    expect(server.uploads()).toEqual([]);
  });

  it('stops when it is told to, within a request', async () => {
    await using output = await prepare(source, { format: 'raw' });
    const stop = new AbortController();
    server.failWith((request) => {
      if (request === 'PUT partNumber') stop.abort();
      return undefined;
    });
    const stopped = uploadParts(output, storeOf('stopped.raw'), { signal: stop.signal });
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    expect(server.uploads()).toEqual([]);
  });
});

it.each(['md5', 'sha256', 'crc32c', 'none'] as const)('parts go with the digest %s', async (digest) => {
  await using output = await prepare(source, { format: 'raw' });
  const report = await uploadParts(output, awsStore(`${digest}.raw`, digest), { partSize: PART });
  expect(report.digestAlgorithm).toBe(digest === 'none' ? undefined : digest);
  expect(Buffer.compare(amazon.object(`${digest}.raw`), disk)).toBe(0);
});

describeWith(['qemu-img'], 'qemu-img', () => {
  it.each(['vhd', 'qcow2'] as const)('finds the disk in an uploaded %s', async (format) => {
    const key = `compared.${format}`;
    await using output = await prepare(source, { format });
    await uploadParts(output, awsStore(key), { partSize: PART });
    const answer = await client.send(new s3.GetObjectCommand({ Bucket: amazon.bucket, Key: key }));
    const downloaded = path(key);
    writeFileSync(
      downloaded,
      await (answer.Body as { transformToByteArray(): Promise<Uint8Array> }).transformToByteArray(),
    );
    await qemuImg(['compare', '-f', 'raw', '-F', qemuFormat(format), source, downloaded]);
  });
});
