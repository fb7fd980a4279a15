/**
 * Served images with another client: curl goes on with a download. (qemu is none: the HTTP driver of 7.2 waits forever in
 * half of its conversions, of files that nginx serves as well.)
 */

import { spawn } from 'node:child_process';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { type ServeOptions, serveImage } from '../../src/index.ts';
import { describeWith, run } from '../support/native-tools.ts';
import { fillRandom, seededGuest, seededRandom, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const kinds = [
  { format: 'raw' },
  { format: 'vhd', options: { subformat: 'fixed' } },
  { format: 'vhd' },
  { format: 'qcow2' },
  { format: 'qcow2', options: { compress: true } },
  { format: 'vdi' },
] as const;

beforeAll(() => writeFileSync(temp('disk.raw'), seededGuest(5 * MiB, 9)));

async function served(options: Partial<ServeOptions>): Promise<string> {
  const server = await serveImage(temp('disk.raw'), {
    input: { format: 'raw' },
    ...options,
  } as ServeOptions);
  onTestFinished(() => server.close());
  return server.url;
}

describeWith(['curl'], 'curl', () => {
  test.each(kinds)('goes on with %j where it stopped, in another server', async (options) => {
    await run('curl', ['-sf', '-o', temp('whole'), await served(options)]);
    await run('curl', ['-sf', '-o', temp('part'), await served(options)]);
    truncateSync(temp('part'), Math.floor(statSync(temp('whole')).size / 3));
    await run('curl', ['-sf', '-C', '-', '-o', temp('part'), await served(options)]);
    expect(sha256(readFileSync(temp('part')))).toBe(sha256(readFileSync(temp('whole'))));
  });

  test('takes what has no size, and the name that it is told', async () => {
    await run('curl', [
      '-sf',
      '-OJ',
      '--output-dir',
      temp('.'),
      await served({ format: 'zvhd2', name: 'x y' }),
    ]);
    expect(statSync(temp('x y')).size).toBeGreaterThan(64 * 1024);
  });

  test('sees that an answer broke off', async () => {
    const block = new Uint8Array(MiB);
    fillRandom(block, seededRandom(1));
    const noise = Buffer.concat(Array.from({ length: 24 }, () => block));
    writeFileSync(temp('noise.raw'), noise);
    for (const format of ['raw', 'zvhd2'] as const) {
      const server = await serveImage(temp('noise.raw'), { input: { format: 'raw' }, format, threads: 1 });
      const curl = spawn('curl', ['-sf', '--limit-rate', '1M', '-o', temp(format), server.url]);
      const ended = new Promise((resolve) => curl.on('close', resolve));
      while (!(statSync(temp(format), { throwIfNoEntry: false })?.size ?? 0)) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await server.close();
      expect(await ended).toBe(18); // "Transferred a partial file", also of one in chunks
    }
  });
});
