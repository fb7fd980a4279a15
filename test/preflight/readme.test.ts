/** The sample reports in the README are what the command prints. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { profiles } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const image = new URL('../../native-fixtures/qcow2/debian-disk.qcow2', import.meta.url).pathname;
const folder = image.slice(0, image.lastIndexOf('/') + 1);

describe.each(profiles)('$name', ({ name }) => {
  it('has a sample report that is real', async () => {
    const { out } = await diskimg(['preflight', '--for', name, image]);
    const shown = out.replaceAll(folder, '').trimEnd();
    expect(readme).toContain(`$ diskimg preflight --for ${name} debian-disk.qcow2\n${shown}\n`);
  });
});
