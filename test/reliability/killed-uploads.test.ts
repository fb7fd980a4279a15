/** An upload that is killed again and again, and gone on with, ends with the bytes that one upload would have made. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { convert } from '../../src/index.ts';
import { serveFile } from '../support/http-server.ts';
import { bin, pause, type Started, start, until } from '../support/processes.ts';
import { CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.ts';
import { fillRandom, seededGuest, seededRandom } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();
const source = path('source.raw');
const AWS_ENV = {
  AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
  AWS_REGION: 'us-east-1',
};

let server: S3Server;
beforeAll(async () => {
  const disk = seededGuest(22 * MiB, 1);
  fillRandom(disk.subarray(0, 20 * MiB), seededRandom(2));
  writeFileSync(source, disk);
  server = await startS3Server({ checksSignatures: true });
});
afterAll(() => server.close());

const flags = (): string[] => [
  ...['--endpoint', server.endpoint, '--part-size', '5M', '--concurrency', '2', '-m', '1'],
  ...['--scan', 'data', '--reproducible', '--progress', 'json'],
];

const startUpload = (image: string, key: string, state: string): Started =>
  start(
    process.execPath,
    [bin, 'upload', ...flags(), '--resume', state, image, `s3://images/${key}`],
    AWS_ENV,
  );

/** Uploads until the journal says what is waited for, and ends the process some milliseconds later. */
async function kill(image: string, key: string, state: string, moment: RegExp, random: () => number) {
  const { child, ended } = startUpload(image, key, state);
  await until(
    () => existsSync(state) && moment.test(readFileSync(state, 'utf8')),
    () => child.exitCode !== null || child.signalCode !== null,
  );
  await pause(random() % 20);
  child.kill('SIGKILL');
  await ended;
}

/** Uploads what is left; returns what the command says of it. */
async function finish(image: string, key: string, state: string) {
  const last = await startUpload(image, key, state).ended;
  expect(last.code).toBe(0);
  const done = JSON.parse(last.err.trim().split('\n').at(-1) as string);
  expect(done).toMatchObject({ event: 'done', size: server.object(key).length });
  expect(server.uploads()).toEqual([]);
  return done;
}

async function convertedTo(key: string): Promise<Buffer> {
  const converted = start(process.execPath, [bin, 'convert', '--reproducible', source, path(key)]);
  expect((await converted.ended).code).toBe(0);
  return readFileSync(path(key));
}

/** What the journal must say before the process is killed; its plan has a field `stored` too, which is text. */
const moments = [/"begun"/, /("stored":\d.*){2}/s];

// One whose parts are made in any order, and one whose parts follow from each other.
it.each(['vhd', 'zvhd2'] as const)('a %s has the same bytes', async (format) => {
  const state = path(`${format}.state`);
  const key = `killed.${format}`;
  const random = seededRandom(format.length);
  for (const moment of moments) await kill(source, key, state, moment, random);
  const done = await finish(source, key, state);
  expect(done.resumedParts).toBeGreaterThanOrEqual(2);
  expect(Buffer.compare(server.object(key), await convertedTo(key))).toBe(0);
});

it('a qcow2 on a web server becomes the same zvhd2 in a bucket, unless it is replaced meanwhile', async () => {
  const image = path('served.qcow2');
  await convert(source, image, { format: 'qcow2' });
  const web = await serveFile({ bytes: readFileSync(image), etag: '"1"' });
  const state = path('web.state');
  const key = 'web.zvhd2';
  await kill(web.url.href, key, state, /("stored":\d.*){2}/s, seededRandom(1));
  const first = web.file;
  web.file = { bytes: first.bytes, etag: '"2"' };
  const refused = await startUpload(web.url.href, key, state).ended;
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('source-changed');
  web.file = first;
  const done = await finish(web.url.href, key, state);
  expect(done.resumedParts).toBeGreaterThanOrEqual(2);
  expect(Buffer.compare(server.object(key), await convertedTo(key))).toBe(0);
});
