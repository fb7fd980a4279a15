/** Where the command line gets passphrases from, and that it keeps them for itself. */

import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { convert } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const options = { encryptFormat: 'luks', encryptIterTime: 1 } as const;
const WORD = 'geheim-4711';

beforeAll(async () => {
  writeFileSync(temp('disk.raw'), Buffer.alloc(1024 * 1024, 'diskimg '));
  await convert(temp('disk.raw'), temp('disk.qcow2'), { format: 'qcow2', options, outputPassphrase: WORD });
  writeFileSync(temp('word'), `${WORD}\n`);
  writeFileSync(temp('windows-word'), `${WORD}\r\n`);
  writeFileSync(temp('bare-word'), WORD);
  writeFileSync(temp('wrong'), `${WORD} \n`);
  writeFileSync(temp('empty'), '\n');
});

const comparing = (...flags: string[]) => ['compare', ...flags, temp('disk.qcow2'), temp('disk.raw')];

test.each(['word', 'windows-word', 'bare-word'])('a file: %s', async (file) => {
  expect(await diskimg(comparing('--passphrase-file', temp(file)))).toMatchObject({ code: 0, err: '' });
});

test('the environment', async () => {
  expect(await diskimg(comparing(), { env: { DISKIMG_PASSPHRASE: WORD } })).toMatchObject({ code: 0 });
});

test('the person at the terminal, once for each image', async () => {
  const asked: string[] = [];
  const askSecret = async (question: string) => {
    asked.push(question);
    return WORD;
  };
  expect(await diskimg(comparing(), { askSecret })).toMatchObject({ code: 0 });
  expect(asked).toEqual([`Passphrase of ${temp('disk.qcow2')}: `]);
});

test('a new one is asked for twice', async () => {
  const answers = ['one', 'two', 'three', 'three'];
  const askSecret = async () => answers.shift() ?? '';
  const encrypting = [
    'convert',
    '-o',
    'encrypt.format=luks,encrypt.iter-time=1',
    temp('disk.raw'),
    temp('new.qcow2'),
  ];
  const differing = await diskimg(encrypting, { askSecret });
  expect(differing).toMatchObject({ code: 1, err: expect.stringContaining('not the same') });
  expect(await diskimg(encrypting, { askSecret })).toMatchObject({ code: 0 });
  expect(answers).toEqual([]);
});

test('the output has its own, or that of the source', async () => {
  const args = (...flags: string[]) => [
    ...['convert', '-O', 'qcow2', '-o', 'encrypt.format=luks,encrypt.iter-time=1', ...flags],
    ...[temp('disk.qcow2'), temp('again.qcow2')],
  ];
  const opens = async (file: string) =>
    (await diskimg(['digest', '--passphrase-file', temp(file), temp('again.qcow2')])).code === 0;
  await diskimg(args('--passphrase-file', temp('word')));
  expect(await opens('word')).toBe(true);
  await diskimg(args('--passphrase-file', temp('word'), '--output-passphrase-file', temp('wrong')));
  expect([await opens('word'), await opens('wrong')]).toEqual([false, true]);
  await diskimg(args('--passphrase-file', temp('word')), { env: { DISKIMG_OUTPUT_PASSPHRASE: `${WORD} ` } });
  expect([await opens('word'), await opens('wrong')]).toEqual([false, true]);
});

test('create', async () => {
  const path = temp('created.qcow2');
  const encrypting = ['-o', 'encrypt.format=luks,encrypt.iter-time=1'];
  const made = await diskimg(['create', '--passphrase-file', temp('word'), ...encrypting, path, '1M']);
  expect(made).toMatchObject({ code: 0, err: '' });
  expect(await diskimg(['info', path])).toMatchObject({
    code: 0,
    out: expect.stringContaining('encrypted: yes'),
  });
});

test.each([
  ['none', [], 'encrypted'],
  ['the wrong one', ['--passphrase-file', 'wrong'], 'wrong-passphrase'],
  ['an empty file', ['--passphrase-file', 'empty'], 'bad-option'],
  ['no file', ['--passphrase-file', 'missing'], 'not-found'],
] as const)('%s: a clear error', async (_, flags, code) => {
  const { out, err, ...result } = await diskimg(
    comparing(...flags.map((flag, i) => (i === 1 ? temp(flag) : flag))),
  );
  expect(result.code).toBeGreaterThan(1);
  expect(err).toContain(`[${code}]`);
});

test('nothing that is printed or kept has the word in it', async () => {
  const io = { env: { DISKIMG_PASSPHRASE: WORD }, isTerminal: true };
  const told = [
    await diskimg(['convert', '--verify', '--progress', 'json', temp('disk.qcow2'), temp('plain.raw')], io),
    await diskimg(['info', '--output', 'json', temp('disk.qcow2')], io),
    await diskimg(['check', '--output', 'json', temp('disk.qcow2')], io),
    await diskimg(['convert', '--passphrase-file', temp('wrong'), temp('disk.qcow2'), temp('no.raw')], io),
  ];
  expect(told.map(({ code }) => code)).toEqual([0, 0, 0, 1]);
  for (const { out, err } of told) expect(out + err).not.toContain('4711');
  expect(readFileSync(temp('plain.raw')).equals(readFileSync(temp('disk.raw')))).toBe(true);
});
