/** What the disk is told to write while there is more to come. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { GiB, MiB } from '../../src/binary/align.ts';
import { createFileOutput, openExistingOutput } from '../../src/io/file-output.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();

/** Flushes that have been asked for, in order, and what becomes of the early ones. */
const flushes: string[] = [];
let datasync = async (): Promise<void> => {};
beforeEach(() => {
  flushes.length = 0;
  datasync = async () => {};
});

vi.mock('node:fs/promises', async (load) => {
  const module = await load<typeof import('node:fs/promises')>();
  return {
    ...module,
    async open(...how: Parameters<typeof module.open>): Promise<FileHandle> {
      const handle = await module.open(...how);
      const sync = handle.sync.bind(handle);
      handle.datasync = () => {
        flushes.push('early');
        return datasync();
      };
      handle.sync = () => {
        flushes.push('last');
        return sync();
      };
      return handle;
    },
  };
});

describe.each([
  [
    'a new file',
    (name: string, settings: { flushes: boolean }) => createFileOutput(path(name), '1', settings),
  ],
  [
    'an existing file',
    (name: string, settings: { flushes: boolean }) => {
      writeFileSync(path(name), 'there');
      return openExistingOutput(path(name), 5, settings);
    },
  ],
])('%s', (what, open) => {
  it('is flushed early when much has been written, one flush at a time, and at the end', async () => {
    let finish = (): void => {};
    datasync = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const output = await open(`much of ${what}`, { flushes: true });
    output.writeBack(MiB);
    expect(flushes).toEqual([]);
    output.writeBack(GiB);
    output.writeBack(3 * GiB);
    expect(flushes).toEqual(['early']);
    finish();
    await new Promise(setImmediate);
    output.writeBack(4 * GiB);
    expect(flushes).toEqual(['early', 'early']);
    finish();
    await output.commit();
    expect(flushes.slice(0, 3)).toEqual(['early', 'early', 'last']);
    await output.abandon();
  });

  it('is not flushed when nobody wants it', async () => {
    const output = await open(`unflushed ${what}`, { flushes: false });
    output.writeBack(GiB);
    await output.commit();
    await output.abandon();
    expect(flushes).toEqual([]);
  });

  it('is not complete when an early flush failed, although the last one would succeed', async () => {
    const failure = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
    datasync = async () => {
      throw failure;
    };
    const output = await open(`failing ${what}`, { flushes: true });
    output.writeBack(GiB);
    await expect(output.commit()).rejects.toMatchObject({ code: 'write-failed', cause: failure });
    expect(() => output.writeBack(GiB)).toThrow(expect.objectContaining({ code: 'write-failed' }));
    await output.abandon();
    if (what === 'a new file') expect(existsSync(path(`failing ${what}`))).toBe(false);
    else expect(readFileSync(path(`failing ${what}`), 'utf8')).toBe('there');
  });
});
