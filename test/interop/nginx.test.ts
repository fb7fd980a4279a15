/** Images behind a real web server: nginx gives ranges, redirects, and forgets them where it is told to. */

import { execFile, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { checkImage, convert, digestImage, imageInfo, openImage } from '../../src/index.ts';
import { fixtureNamed, fixturePath } from '../support/fixtures.ts';
import { describeWith, qemuImg } from '../support/native-tools.ts';
import { bin } from '../support/processes.ts';
import { seededGuest, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const debian = fixturePath('qcow2/debian-disk.qcow2');
const { guestSha256, virtualSize } = fixtureNamed('qcow2/debian-disk');

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

const configuration = (port: number): string => `
daemon off; master_process off; pid ${temp('nginx.pid')}; error_log ${temp('nginx.log')};
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path ${temp('a')}; proxy_temp_path ${temp('b')};
  fastcgi_temp_path ${temp('c')}; uwsgi_temp_path ${temp('d')}; scgi_temp_path ${temp('e')};
  server {
    listen 127.0.0.1:${port}; root ${temp('root')};
    location /moved/ { rewrite ^/moved/(.*)$ /$1 redirect; }
    location /whole/ { alias ${temp('root')}/; max_ranges 0; }
    location /slow/ { alias ${temp('root')}/; limit_rate 2m; }
  }
}`;

describeWith(['nginx', 'qemu-img'], 'images behind nginx', () => {
  let url = '';
  let nginx: ReturnType<typeof spawn>;

  beforeAll(async () => {
    mkdirSync(temp('root'));
    copyFileSync(debian, temp('root/debian.qcow2'));
    writeFileSync(temp('disk.raw'), seededGuest(40 * MiB + 512, 31));
    await qemuImg(['convert', '-f', 'raw', '-O', 'qcow2', temp('disk.raw'), temp('root/plain.qcow2')]);
    const port = await freePort();
    writeFileSync(temp('nginx.conf'), configuration(port));
    nginx = spawn('nginx', ['-c', temp('nginx.conf'), '-p', temp('.')], { stdio: 'inherit' });
    url = `http://127.0.0.1:${port}`;
    for (let tries = 0; tries < 100; tries++) {
      const answer = await fetch(`${url}/debian.qcow2`, { method: 'HEAD' }).catch(() => undefined);
      if (answer?.ok) return;
      await setTimeout(50);
    }
    throw new Error('nginx does not answer');
  });
  afterAll(async () => {
    const ended = new Promise((resolve) => nginx.once('exit', resolve));
    nginx.kill('SIGTERM');
    await ended;
  });

  test.each(['/debian.qcow2', '/moved/debian.qcow2'])(
    '%s converts, and is described and checked',
    async (path) => {
      const address = url + path;
      await convert(address, temp('out.raw'), { format: 'raw' });
      expect(sha256(readFileSync(temp('out.raw')))).toBe(guestSha256);
      await using image = await openImage(address);
      expect(imageInfo(image)).toMatchObject({ format: 'qcow2', 'virtual-size': virtualSize });
      expect(await checkImage(address)).toMatchObject({ findings: [] });
      expect((await digestImage(address)).digest).toBe((await digestImage(debian)).digest);
    },
  );

  test.each([1, 2, 5])('on %d threads', async (threads) => {
    await convert(`${url}/plain.qcow2`, temp('plain.raw'), { format: 'raw', threads });
    expect(sha256(readFileSync(temp('plain.raw')))).toBe(sha256(readFileSync(temp('disk.raw'))));
  });

  test('without ranges: an error, or a temporary file on request', async () => {
    const address = `${url}/whole/debian.qcow2`;
    await expect(openImage(address)).rejects.toMatchObject({ code: 'no-ranges' });
    const args = [bin, 'convert', '--spool', address, temp('spooled.raw')];
    await promisify(execFile)(process.execPath, args);
    expect(sha256(readFileSync(temp('spooled.raw')))).toBe(guestSha256);
  });

  test('a slow one', async () => {
    const report = await digestImage(`${url}/slow/debian.qcow2`);
    expect(report.virtualSize).toBe(virtualSize);
  });

  test('a file that is replaced meanwhile is an error', async () => {
    copyFileSync(debian, temp('root/changing.qcow2'));
    await using image = await openImage(`${url}/changing.qcow2`);
    writeFileSync(temp('root/changing.qcow2'), seededGuest(MiB, 3));
    const reading = image.read(new Uint8Array(8 * MiB), 0);
    await expect(reading).rejects.toMatchObject({ code: 'source-changed' });
  });

  test('one that is not there, by the command line', async () => {
    const failed = promisify(execFile)(process.execPath, [bin, 'info', `${url}/none.qcow2`]);
    await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('[not-found]') });
  });
});
