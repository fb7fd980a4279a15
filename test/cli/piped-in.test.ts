/** Images that are piped in: `-` in the place of a path. */

import { spawn } from 'node:child_process';
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { convert, openImage } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { fixtureNamed, fixturePath } from '../support/fixtures.ts';
import { bin } from '../support/processes.ts';
import { seededGuest, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const debian = fixturePath('qcow2/debian-disk.qcow2');
const { guestSha256 } = fixtureNamed('qcow2/debian-disk');
const stdin = (path: string) => createReadStream(path) as AsyncIterable<Uint8Array>;

beforeAll(() => writeFileSync(temp('disk.raw'), seededGuest(5 * MiB + 512, 12)));

describe('-', () => {
  it('is an image of any format, and of none', async () => {
    const qcow2 = await diskimg(['convert', '-', temp('a.raw')], { stdin: stdin(debian) });
    expect(qcow2).toEqual({ code: 0, out: '', err: expect.stringContaining('[spooled] standard input') });
    expect(sha256(readFileSync(temp('a.raw')))).toBe(guestSha256);
    await diskimg(['convert', '-f', 'raw', '-', temp('b.zvhd')], { stdin: stdin(temp('disk.raw')) });
    await diskimg(['convert', '-f', 'zvhd', '--size', 'original', '-', temp('c.raw')], {
      stdin: stdin(temp('b.zvhd')),
    });
    expect(sha256(readFileSync(temp('c.raw')))).toBe(sha256(readFileSync(temp('disk.raw'))));
  });

  it('goes through two pipes', async () => {
    const child = spawn(process.execPath, [bin, 'convert', '-q', '-O', 'raw', '-', '-']);
    createReadStream(debian).pipe(child.stdin);
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, sha256: sha256(Buffer.concat(chunks)) }).toEqual({ code: 0, sha256: guestSha256 });
  });

  it.each([
    ['info', '-'],
    ['check', '-'],
    ['digest', '-'],
    ['map', '-'],
    ['cat', '--length', '512', '-'],
    ['measure', '-O', 'raw', '-'],
    ['compare', '-', debian],
  ])('%s takes it', async (...args) => {
    const { code, out } = await diskimg(args, { stdin: stdin(debian) });
    expect(code).toBe(0);
    expect(out).not.toBe('');
  });

  it('is refused where nothing is piped in, and twice', async () => {
    expect(await diskimg(['info', '-'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('Nothing is piped'),
    });
    const twice = await diskimg(['convert', '-', '-', temp('d.raw')], { stdin: stdin(debian) });
    expect(twice).toMatchObject({ code: 1, err: expect.stringContaining('one image, not several') });
  });

  it('that breaks off is an error, and no output', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield readFileSync(debian).subarray(0, MiB);
      throw new Error('the pipe is gone');
    }
    const { code, err } = await diskimg(['convert', '-', temp('e.raw')], { stdin: broken() });
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('the pipe is gone') });
  });
});

describe('streams in the library', () => {
  it('web streams and those of Node', async () => {
    for (const stream of [createReadStream(debian), new Blob([readFileSync(debian)]).stream()]) {
      await convert(stream as AsyncIterable<Uint8Array>, temp('f.raw'), { format: 'raw' });
      expect(sha256(readFileSync(temp('f.raw')))).toBe(guestSha256);
    }
  });

  it('blobs are read where they are', async () => {
    await using image = await openImage(new File([readFileSync(debian)], 'debian.qcow2'));
    expect(image.source.name).toBe('debian.qcow2');
    expect(image.notes).toEqual([]);
  });
});
