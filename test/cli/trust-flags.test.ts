/** What images may do: a command that prints the limits in its help keeps each of them. */

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CliIo } from '../../src/cli/io.ts';
import { createProgram } from '../../src/cli/program.ts';
import { createImage } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const [base, middle, top] = ['base.qcow2', 'middle.qcow2', 'top.qcow2'].map(temp) as [string, string, string];

let store: S3Server;

beforeAll(async () => {
  store = await startS3Server({ checksSignatures: true });
  vi.stubEnv('AWS_ACCESS_KEY_ID', CREDENTIALS.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', CREDENTIALS.secretAccessKey);
  await createImage(base, { format: 'qcow2', size: 2 ** 30 });
  await createImage(middle, { format: 'qcow2', backing: { file: 'base.qcow2', format: 'qcow2' } });
  await createImage(top, { format: 'qcow2', backing: { file: 'middle.qcow2', format: 'qcow2' } });
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await store.close();
});

/** What each command needs beside the image. */
const commands: Readonly<Record<string, (image: string) => string[]>> = {
  convert: (image) => ['convert', image, temp('output.raw')],
  compare: (image) => ['compare', image, image],
  digest: (image) => ['digest', image],
  info: (image) => ['info', '--disk', image],
  cat: (image) => ['cat', '--length', '1', image],
  map: (image) => ['map', image],
  measure: (image) => ['measure', '-O', 'raw', image],
  upload: (image) => ['upload', '--endpoint', store.endpoint, image, 's3://images/output.zvhd2'],
};

it('are all commands with limits', async () => {
  const io = { out() {}, err() {}, setExitCode() {} } as unknown as CliIo;
  const program = await createProgram(io, undefined);
  const limited = program.commands.filter(({ options }) =>
    options.some(({ long }) => long === '--allow-path'),
  );
  expect(limited.map((command) => command.name()).sort()).toEqual(
    [...Object.keys(commands), 'preflight', 'serve'].sort(),
  );
});

describe.each(Object.entries(commands))('diskimg %s', (_, argv) => {
  it.each([
    ['--max-virtual-size', '512M', () => base],
    ['--max-metadata', '8', () => base],
    ['--max-chain-depth', '1', () => top],
  ])('%s %s', async (flag, value, image) => {
    const allowed = [...argv(image()), '--allow-path', temp('.')];
    expect((await diskimg(allowed)).code).toBe(0);
    const { code, err } = await diskimg([...allowed, flag, value]);
    expect(code).not.toBe(0);
    expect(err).toContain('[over-budget]');
    expect(err).toContain(flag);
  });

  it('--allow-path', async () => {
    const { code, err } = await diskimg(argv(top));
    expect(code).not.toBe(0);
    expect(err).toContain('[needs-backing]');
  });
});

describe('diskimg serve, which goes on when nothing is wrong', () => {
  it.each([
    ['--max-virtual-size', '512M', () => base],
    ['--max-metadata', '8', () => base],
    ['--max-chain-depth', '1', () => top],
  ])('%s %s', async (flag, value, image) => {
    const argv = ['serve', '-O', 'raw', '--port', '0', '--allow-path', temp('.'), flag, value, image()];
    const { code, err } = await diskimg(argv);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('[over-budget]') });
    expect(err).toContain(flag);
  });

  it('--allow-path', async () => {
    const { code, err } = await diskimg(['serve', '-O', 'raw', '--port', '0', top]);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('[needs-backing]') });
  });
});

describe('diskimg preflight, which judges what cannot be opened as far as it can be read', () => {
  const preflight = ['preflight', '--for', 'openstack'];
  it.each([
    ['--max-virtual-size', '512M'],
    ['--max-metadata', '8'],
  ])('%s %s', async (flag, value) => {
    expect((await diskimg([...preflight, base])).code).toBe(0);
    const { code, err } = await diskimg([...preflight, flag, value, base]);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('[over-budget]') });
    expect(err).toContain(flag);
  });

  it.each([
    ['a chain that is too long', ['--allow-path', temp('.'), '--max-chain-depth', '1']],
    ['a chain that is not allowed', []],
  ])('%s is a verdict', async (_, flags) => {
    const { code, out } = await diskimg([...preflight, ...flags, top]);
    expect({ code, out }).toEqual({ code: 1, out: expect.stringContaining('1 failed') });
  });
});
