import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createFileOutput as createWith, requireOtherFile } from '../../src/io/file-output.ts';
import { openFileTarget } from '../../src/io/file-target.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();

const createFileOutput = (name: string, suffix: string) => createWith(name, suffix, { flushes: true });

async function write(partialPath: string, text: string): Promise<void> {
  const target = openFileTarget(partialPath);
  await target.write([Buffer.from(text)], 0);
  await target.close();
}

describe('an output file', () => {
  it('has its name when it is committed, and not before', async () => {
    const output = await createFileOutput(path('new'), '1');
    await write(output.partialPath, 'text');
    await output.resize(6);
    expect(existsSync(path('new'))).toBe(false);
    expect(dirname(output.partialPath)).toBe(path(''));
    await output.commit();
    expect(readFileSync(path('new'), 'utf8')).toBe('text\0\0');
    expect(existsSync(output.partialPath)).toBe(false);
  });

  it('replaces a file when it is committed, and not before', async () => {
    writeFileSync(path('old'), 'old');
    const output = await createFileOutput(path('old'), '1');
    await write(output.partialPath, 'new');
    expect(readFileSync(path('old'), 'utf8')).toBe('old');
    await output.commit();
    expect(readFileSync(path('old'), 'utf8')).toBe('new');
  });

  it('leaves nothing when it is abandoned, however often', async () => {
    writeFileSync(path('kept'), 'kept');
    const output = await createFileOutput(path('kept'), '1');
    await output.abandon();
    await output.abandon();
    expect(existsSync(output.partialPath)).toBe(false);
    expect(readFileSync(path('kept'), 'utf8')).toBe('kept');
  });

  it('stays when it is abandoned after it was committed', async () => {
    const output = await createFileOutput(path('done'), '1');
    await output.commit();
    await output.abandon();
    expect(existsSync(path('done'))).toBe(true);
  });

  it('is the same whether it is flushed or not', async () => {
    for (const flushes of [true, false]) {
      const output = await createWith(path('flushed'), '1', { flushes });
      await write(output.partialPath, 'final');
      await output.commit();
      expect(readFileSync(path('flushed'), 'utf8')).toBe('final');
    }
  });

  it('can be cleared away when it cannot be committed', async () => {
    const output = await createFileOutput(path('in the way'), '1');
    mkdirSync(path('in the way'));
    await expect(output.commit()).rejects.toMatchObject({ name: 'ImageIoError', code: 'write-failed' });
    await output.abandon();
    expect(existsSync(output.partialPath)).toBe(false);
  });

  it('is what a symbolic link stands for; the link stays', async () => {
    mkdirSync(path('elsewhere'));
    writeFileSync(path('elsewhere/file'), 'old');
    symlinkSync('elsewhere/file', path('link'));
    const output = await createFileOutput(path('link'), '1');
    await write(output.partialPath, 'new');
    await output.commit();
    expect(lstatSync(path('link')).isSymbolicLink()).toBe(true);
    expect(readlinkSync(path('link'))).toBe('elsewhere/file');
    expect(readFileSync(path('elsewhere/file'), 'utf8')).toBe('new');
  });

  it('keeps out of the way of other attempts', async () => {
    const first = await createFileOutput(path('contested'), '1');
    await expect(createFileOutput(path('contested'), '1')).rejects.toMatchObject({ code: 'write-failed' });
    const second = await createFileOutput(path('contested'), '2');
    await write(first.partialPath, 'first');
    await write(second.partialPath, 'second');
    await first.commit();
    await second.commit();
    expect(readFileSync(path('contested'), 'utf8')).toBe('second');
  });

  it('is no directory, no device, and in a folder that exists', async () => {
    mkdirSync(path('folder'));
    for (const [name, code] of [
      [path('folder'), 'not-a-file'],
      ['/dev/null', 'not-a-file'],
      [path('nowhere/file'), 'write-failed'],
      [path('contested/file'), 'write-failed'],
    ] as const) {
      await expect(createFileOutput(name, '1')).rejects.toMatchObject({ name: 'ImageIoError', code });
    }
    expect(readdirSync(path('folder'))).toEqual([]);
  });
});

describe('another file', () => {
  it('is one with another name, or none yet', async () => {
    writeFileSync(path('a'), 'same');
    writeFileSync(path('b'), 'same');
    await expect(requireOtherFile(path('a'), path('b'))).resolves.toBeUndefined();
    await expect(requireOtherFile(path('a'), path('c'))).resolves.toBeUndefined();
    await expect(requireOtherFile(undefined, path('a'))).resolves.toBeUndefined();
  });

  it('is not the same one on another way', async () => {
    await expect(requireOtherFile(path('a'), `${path('folder')}/../a`)).rejects.toMatchObject({
      name: 'ImageIoError',
      code: 'same-file',
    });
  });
});
