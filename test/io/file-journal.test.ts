/** Lines that survive a crash, and a torn one that does not. */

import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { fileJournal } from '../../src/io/file-journal.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();

it('is empty until something is appended, and is then for its owner only', async () => {
  const journal = fileJournal(path('new'));
  expect(await journal.read()).toBe('');
  await journal.append('{"a":1}');
  await journal.append('{"b":"ä"}');
  expect(await journal.read()).toBe('{"a":1}\n{"b":"ä"}\n');
  expect(statSync(path('new')).mode & 0o777).toBe(0o600);
});

it('replaces a torn line, and keeps whole ones', async () => {
  for (const whole of ['', 'first\n', 'first\nzweite ü\n']) {
    writeFileSync(path('torn'), `${whole}to\u00e4rn`);
    truncateSync(path('torn'), Buffer.byteLength(whole) + 3); // within a character
    await fileJournal(path('torn')).append('next');
    expect(readFileSync(path('torn'), 'utf8')).toBe(`${whole}next\n`);
  }
});

it('refuses what is no file, is too large, or cannot be written', async () => {
  mkdirSync(path('folder'));
  await expect(fileJournal(path('folder')).read()).rejects.toMatchObject({ code: 'not-a-file' });
  writeFileSync(path('large'), '');
  truncateSync(path('large'), 481 * 2 ** 20);
  await expect(fileJournal(path('large')).read()).rejects.toMatchObject({ code: 'bad-option' });
  await expect(fileJournal(path('none/journal')).append('x')).rejects.toMatchObject({ code: 'write-failed' });
});
