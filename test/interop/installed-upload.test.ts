/**
 * `diskimg upload` as it is installed: bundled, in a folder of packages, where the client of the store is another package
 * that is there or not. A folder of global packages and one of a project look the same.
 */

import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { program } from '../../.rolldown.ts';
import { MiB } from '../../src/binary/align.ts';
import { start } from '../support/processes.ts';
import { CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.ts';
import { seededGuest } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();
const root = fileURLToPath(new URL('../..', import.meta.url));
const packages = path('node_modules');
const installed = join(packages, 'diskimg');
const source = path('source.raw');
const disk = seededGuest(MiB, 1);

let store: S3Server;
beforeAll(async () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  await build({ ...program, output: { ...program.output, dir: join(installed, 'dist') } });
  copyFileSync(join(root, 'package.json'), join(installed, 'package.json'));
  for (const name of Object.keys(dependencies)) install(name);
  writeFileSync(source, disk);
  store = await startS3Server({ checksSignatures: false });
}, 60_000);
afterAll(() => store.close());

function install(name: string): void {
  mkdirSync(dirname(join(packages, name)), { recursive: true });
  symlinkSync(join(root, 'node_modules', name), join(packages, name));
}

const upload = (target: string) =>
  start(
    process.execPath,
    [join(installed, 'dist/bin.cjs'), 'upload', '--endpoint', store.endpoint, source, target],
    {
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      OBS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      OBS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    },
  ).ended;

it.each([
  ['@aws-sdk/client-s3', 's3://images/amazon.raw'],
  ['esdk-obs-nodejs', 'obs://images/huawei.raw'],
])('asks for %s, and finds it once it is there', async (name, target) => {
  const before = await upload(target);
  expect(before.code).toBe(1);
  expect(before.err).toContain('[unsupported-feature]');
  expect(before.err).toContain(`npm install ${name}`);
  install(name);
  expect(await upload(target)).toMatchObject({ code: 0, out: '', err: '' });
  expect(Buffer.compare(store.object(target.replace(/^.*\//, '')), disk)).toBe(0);
});
