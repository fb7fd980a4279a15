/** nginx over a folder of this machine, for cases that read over HTTP. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

export interface WebServer {
  /** Where a file of the folder is. */
  addressOf(name: string): string;
  close(): Promise<void>;
}

/** @throws Error where there is no nginx */
export async function startWebServer(root: string): Promise<WebServer> {
  if (spawnSync('nginx', ['-v']).status !== 0) {
    throw new Error('nginx is needed: it serves the images of the cases that read over HTTP.');
  }
  const folder = mkdtempSync(join(tmpdir(), 'diskimg-bench-'));
  const port = await freePort();
  writeFileSync(join(folder, 'nginx.conf'), configuration(folder, root, port));
  const nginx = spawn('nginx', ['-c', join(folder, 'nginx.conf'), '-p', folder], { stdio: 'inherit' });
  const ended = new Promise<void>((resolve) => nginx.once('close', () => resolve()));
  await answering(nginx, port);
  return {
    addressOf: (name) => `http://127.0.0.1:${port}/${name}`,
    async close() {
      nginx.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

const configuration = (folder: string, root: string, port: number): string => `
daemon off; master_process off; pid "${folder}/pid"; error_log "${folder}/log";
events { worker_connections 64; }
http {
  access_log off; sendfile on; client_body_temp_path "${folder}/a"; proxy_temp_path "${folder}/b";
  fastcgi_temp_path "${folder}/c"; uwsgi_temp_path "${folder}/d"; scgi_temp_path "${folder}/e";
  server { listen 127.0.0.1:${port}; root "${root}"; }
}`;

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

async function answering(nginx: ChildProcess, port: number): Promise<void> {
  for (let tries = 0; tries < 100 && nginx.exitCode === null; tries++) {
    const answer = await fetch(`http://127.0.0.1:${port}/manifest.json`).catch(() => undefined);
    if (answer) return;
    await wait(50);
  }
  throw new Error('nginx does not answer');
}
