import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openFileTarget } from '../../src/io/file-target.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();

describe('a file target', () => {
  it('writes many more parts than the system takes at once', async () => {
    writeFileSync(path('many'), '');
    const target = openFileTarget(path('many'));
    const parts = Array.from({ length: 2500 }, (_, i) => new Uint8Array(i % 7).fill(i));
    await target.write(parts, 10);
    await target.write([], 0);
    await target.close();
    expect(readFileSync(path('many'))).toEqual(Buffer.concat([Buffer.alloc(10), ...parts]));
  });

  it('leaves what it is not told to write', async () => {
    writeFileSync(path('some'), 'abcdef');
    const target = openFileTarget(path('some'));
    await target.write([Buffer.from('X'), Buffer.from('Y')], 2);
    await target.close();
    expect(readFileSync(path('some'), 'utf8')).toBe('abXYef');
  });

  it('says when it cannot write', async () => {
    const target = openFileTarget('/dev/full');
    const failed = target.write([Uint8Array.of(1)], 0);
    await expect(failed).rejects.toMatchObject({
      name: 'ImageIoError',
      code: 'write-failed',
      hint: expect.stringContaining('full'),
    });
    await target.close();
  });
});
