/** An upload that is killed again and again, and gone on with, ends with the bytes that one upload would have made. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { bin, pause, start, until } from '../support/processes.ts';
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
  const disk = seededGuest(28 * MiB, 1);
  fillRandom(disk.subarray(0, 26 * MiB), seededRandom(2));
  writeFileSync(source, disk);
  server = await startS3Server({ checksSignatures: true });
});
afterAll(() => server.close());

/** What the journal must say before the process is killed, some milliseconds later. */
const moments = [/"begun"/, /"made"|"stored":1,/, /("stored".*){2}/s, /("stored".*){4}/s];

// One whose parts are made in any order, and one whose parts follow from each other.
describe.each(['vhd', 'zvhd2'] as const)('an upload of a %s', (format) => {
  it('is killed, and goes on with the same bytes', async () => {
    const state = path(`${format}.state`);
    const key = `killed.${format}`;
    const flags = ['--endpoint', server.endpoint, '--part-size', '5M', '--concurrency', '2', '-m', '1'];
    const identity = ['--scan', 'data', '--reproducible'];
    const args = ['upload', ...flags, ...identity, '--resume', state, '--progress', 'json', source];
    const upload = () => start(process.execPath, [bin, ...args, `s3://images/${key}`], AWS_ENV);
    const random = seededRandom(format.length);
    for (const moment of moments) {
      const { child, ended } = upload();
      await until(
        () => existsSync(state) && moment.test(readFileSync(state, 'utf8')),
        () => child.exitCode !== null || child.signalCode !== null,
      );
      await pause(random() % 20);
      child.kill('SIGKILL');
      await ended;
    }
    const last = await upload().ended;
    expect(last.code).toBe(0);
    const done = JSON.parse(last.err.trim().split('\n').at(-1) as string);
    expect(done).toMatchObject({ event: 'done', size: server.object(key).length });
    expect(done.resumedParts).toBeGreaterThanOrEqual(2);
    expect(server.uploads()).toEqual([]);
    const converted = start(process.execPath, [bin, 'convert', '--reproducible', source, path(key)]);
    expect((await converted.ended).code).toBe(0);
    expect(Buffer.compare(server.object(key), readFileSync(path(key)))).toBe(0);
  });
});
