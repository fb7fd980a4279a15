/** `diskimg upload`: to a real S3-compatible server, through the clients that are installed. */

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { parseTarget } from '../../src/cli/upload-target.ts';
import { diskimg } from '../support/command.ts';
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
  const disk = seededGuest(17 * MiB, 1);
  fillRandom(disk.subarray(0, 16 * MiB), seededRandom(2));
  writeFileSync(source, disk);
  server = await startS3Server({ checksSignatures: true });
});
beforeEach(() => {
  server.failWith(() => undefined);
  for (const [name, value] of Object.entries(AWS_ENV)) vi.stubEnv(name, value);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

const flags = (): string[] => ['--endpoint', server.endpoint, '--part-size', '5M', '-m', '1'];
const upload = (args: readonly string[]) => diskimg(['upload', ...flags(), ...args], { env: process.env });

describe('diskimg upload', () => {
  it('makes an object, silently', async () => {
    const { code, out, err } = await upload([
      '--reproducible',
      '--scan',
      'data',
      source,
      's3://images/a.qcow2',
    ]);
    expect({ code, out, err }).toEqual({ code: 0, out: '', err: '' });
    vi.stubEnv('SOURCE_DATE_EPOCH', undefined);
    await diskimg(['convert', '--reproducible', source, path('a.qcow2')]);
    expect(Buffer.compare(server.object('a.qcow2'), readFileSync(path('a.qcow2')))).toBe(0);
  });

  it('takes -O, -c, -o and several sources, and tells how far it is', async () => {
    const args = ['-O', 'qcow2', '-c', '-o', 'compression_type=zstd', '--progress', 'json'];
    const { code, err } = await upload([...args, source, source, 's3://images/two']);
    const events = err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(code).toBe(0);
    expect(events.at(-2)).toMatchObject({ event: 'progress', doneBytes: 34 * MiB, totalBytes: 34 * MiB });
    expect(events.at(-1)).toMatchObject({
      event: 'done',
      target: 's3://images/two',
      format: 'qcow2',
      size: server.object('two').length,
    });
  });

  it('tells of requests that are made again, and of what the store says', async () => {
    let puts = 0;
    server.failWith((request) => (request === 'PUT partNumber' && ++puts === 1 ? 503 : undefined));
    const again = await upload([source, 's3://images/again.raw']);
    expect(again.code).toBe(0);
    expect(again.err).toMatch(
      /^diskimg: retry 1 of putPart \d in \d\.\d s: UploadPart: InternalError: .*HTTP 503/,
    );

    server.failWith((request) => (request === 'PUT partNumber' ? 403 : undefined));
    const refused = await upload(['-q', source, 's3://images/refused.raw']);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(
      /^diskimg: \[upload-failed] UploadPart: AccessDenied: .*\(HTTP 403, request id R1\)/,
    );
    expect(refused.err).not.toContain(CREDENTIALS.secretAccessKey);
    expect(server.uploads()).toEqual([]);
  });

  it('keeps its state where --resume says, and refuses that of another upload', async () => {
    const state = path('state');
    let puts = 0;
    server.failWith((request) => (request === 'PUT partNumber' && ++puts > 2 ? 403 : undefined));
    const args = ['--resume', state, '--concurrency', '1', source];
    expect((await upload([...args, 's3://images/b.zvhd2'])).code).toBe(1);
    expect(statSync(state).mode & 0o777).toBe(0o600);
    expect(readFileSync(state, 'utf8')).not.toContain(CREDENTIALS.secretAccessKey);
    server.failWith(() => undefined);

    for (const other of [
      [...args, 's3://images/c.zvhd2'],
      ['-O', 'vhd', ...args, 's3://images/b.zvhd2'],
      ['-o', 'compression_type=zlib', ...args, 's3://images/b.zvhd2'],
      ['--part-size', '6M', ...args, 's3://images/b.zvhd2'],
      ['--size', '2G', ...args, 's3://images/b.zvhd2'],
    ]) {
      const { code, err } = await upload(other);
      expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('[bad-option]') });
    }
    const other = path('other.raw');
    writeFileSync(other, new Uint8Array(MiB));
    const changed = await upload(['--resume', state, other, 's3://images/b.zvhd2']);
    expect(changed.err).toContain('[source-changed]');

    const { code, err } = await upload(['--progress', 'json', ...args, 's3://images/b.zvhd2']);
    expect(code).toBe(0);
    expect(JSON.parse(err.trim().split('\n').at(-1) as string)).toMatchObject({ resumedParts: 2 });
    expect((await diskimg(['compare', source, path('b.zvhd2')])).code).not.toBe(0); // it is not there yet
    writeFileSync(path('b.zvhd2'), server.object('b.zvhd2'));
    expect(await diskimg(['compare', source, path('b.zvhd2')])).toMatchObject({ code: 0 });
  });

  it('says what it lacks', async () => {
    const without = async (args: readonly string[], env = {}) => {
      const { code, err } = await diskimg(['upload', ...args], { env });
      expect(code).toBe(1);
      return err;
    };
    expect(await without([source, 'images/a.raw'])).toContain('Expected s3://bucket/key');
    expect(await without([source, 's3://images/'])).toContain('Expected s3://bucket/key');
    expect(await without([source, 's3://images/a'])).toContain('does not tell a format');
    expect(await without([source, 'obs://images/a.raw'])).toContain('--endpoint or --region');
    expect(await without(['--region', 'x', source, 'obs://images/a.raw'])).toContain('OBS_ACCESS_KEY_ID');
    const sha256 = ['--digest', 'sha256', source, 'obs://images/a.raw'];
    expect(await without(sha256)).toContain('Use --digest md5 or none');
    expect(await without(['--endpoint', 'ftp://x', source, 's3://b/a.raw'])).toContain('Expected an address');
    const secret = await without(['--endpoint', 'https://u:hidden@x', source, 's3://b/a.raw']);
    expect(secret).toContain('Credentials do not belong');
  });

  it('takes keys as they are', () => {
    expect(parseTarget('s3://b/a/b c?d#e%20.img')).toEqual({
      scheme: 's3',
      bucket: 'b',
      key: 'a/b c?d#e%20.img',
    });
  });
});
