/** The output has no room, or no permission: `write-failed` with what to do, and nothing left. Needs Linux. */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { diskOf } from '../support/guest-disks.ts';
import { bin, start } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();
const source = path('source.raw');

/** In a mount namespace of its own, what a shell mounts is gone when it ends, whatever happens. */
const withMounts = ['--mount', '--map-root-user', '--user'];
const canMount =
  spawnSync('unshare', [...withMounts, 'mount', '-t', 'tmpfs', 'tmpfs', path('.')]).status === 0;
const hasUlimit = spawnSync('sh', ['-c', 'ulimit -f 1000']).status === 0;

beforeAll(() => {
  const runs = Array.from(
    { length: 6 },
    (_, i) => ({ end: (i + 1) * 4 * MiB, kind: 'noise', seed: i }) as const,
  );
  writeFileSync(source, diskOf(24 * MiB, runs).bytes);
});

/** Runs the converter within `script`, which has it as `"$@"`, and the folder as `$FOLDER`. */
async function convertIn(
  script: string,
  folder: string,
  format: string,
  { mounts }: { readonly mounts: boolean },
) {
  const convert = ['convert', '-m', '2', '-O', format, source, `${folder}/output`];
  const shell = ['sh', '-c', script, 'sh', process.execPath, bin, ...convert];
  const [file, ...args] = mounts ? ['unshare', ...withMounts, ...shell] : shell;
  return start(file as string, args, { FOLDER: folder }).ended;
}

const formats = ['raw', 'vhd', 'qcow2', 'zvhd', 'zvhd2'];

const onDiskOfItsOwn = () => {
  it.each(formats)('that is full, %s fails and leaves nothing', async (format) => {
    const folder = path(`full-${format}`);
    mkdirSync(folder);
    const mount = 'mount -t tmpfs -o size=10m tmpfs "$FOLDER"';
    const keep = 'echo old > "$FOLDER/kept"';
    const script = `${mount} && ${keep} && { "$@"; code=$?; ls -A "$FOLDER"; exit $code; }`;
    const { code, out, err } = await convertIn(script, folder, format, { mounts: true });
    expect({ code, out }, err).toEqual({ code: 1, out: 'kept\n' });
    expect(err).toMatch(/^diskimg: \[write-failed\] .*ENOSPC.* The disk is full: free some space/);
  });

  it.each(formats)('that is read-only, %s fails and leaves nothing', async (format) => {
    const folder = path(`read-only-${format}`);
    mkdirSync(folder);
    const mount = 'mount -t tmpfs -o size=100m tmpfs "$FOLDER" && mount -o remount,ro "$FOLDER"';
    const script = `${mount} && { "$@"; code=$?; ls -A "$FOLDER"; exit $code; }`;
    const { code, out, err } = await convertIn(script, folder, format, { mounts: true });
    expect({ code, out }, err).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^diskimg: \[write-failed\] .*EROFS.* Check the permissions of the folder/);
  });
};

if (canMount) describe('on a disk of its own', onDiskOfItsOwn);
// Containers often forbid it; a limit on the size of files then has to stand in.
else it('nothing can be mounted here: files can be limited', () => expect(hasUlimit).toBe(true));

describe.skipIf(!hasUlimit)('under a limit on the size of files', () => {
  it.each(formats)('%s fails and leaves nothing', async (format) => {
    const folder = path(`limited-${format}`);
    mkdirSync(folder);
    // In units of 512 bytes, or of 1 KiB where sh is bash: 8 or 16 MiB.
    const { code, err } = await convertIn('ulimit -f 16384; "$@"', folder, format, { mounts: false });
    expect({ code, left: readdirSync(folder) }, err).toEqual({ code: 1, left: [] });
    expect(err).toMatch(/^diskimg: \[write-failed\] .*EFBIG.* A limit on the size of files is met/);
  });
});

describe('in a folder that may not be written', () => {
  /** Root may write anywhere: then someone else converts. */
  const isRoot = process.getuid?.() === 0;
  const asNobody = 'exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"';
  const canDrop =
    !isRoot || spawnSync('sh', ['-c', asNobody, 'sh', process.execPath, bin, '--version']).status === 0;

  const nothingIsWritten = async () => {
    const folder = path('forbidden');
    mkdirSync(folder);
    chmodSync(path('.'), 0o755);
    chmodSync(folder, 0o555);
    const script = isRoot ? asNobody : '"$@"';
    const { code, err } = await convertIn(script, folder, 'raw', { mounts: false });
    chmodSync(folder, 0o755);
    expect({ code, left: readdirSync(folder) }, err).toEqual({ code: 1, left: [] });
    expect(err).toMatch(/^diskimg: \[write-failed\] .*EACCES.* Check the permissions of the folder/);
  };

  if (process.platform !== 'win32' && canDrop) it('nothing is written', nothingIsWritten);
  // Nobody else may reach this checkout; then permissions cannot be tried as root.
  else it('cannot be tried as root', () => expect(isRoot || process.platform === 'win32').toBe(true));
});

describe('with too few file handles', () => {
  it.skipIf(process.platform === 'win32')(
    'an error is told, whatever is missing, and nothing is left',
    async () => {
      const codes = new Set<string>();
      for (const limit of [20, 24, 27, 29, 31, 33, 36, 40]) {
        const folder = path(`handles-${limit}`);
        mkdirSync(folder);
        const { code, signal, err } = await convertIn(`ulimit -n ${limit}; "$@"`, folder, 'qcow2', {
          mounts: false,
        });
        const left = readdirSync(folder);
        codes.add(/^diskimg: \[(.*?)\]/.exec(err)?.[1] ?? `${code} ${signal}`);
        if (code === 0) expect({ limit, left }).toEqual({ limit, left: ['output'] });
        else expect({ limit, left }, err).toEqual({ limit, left: [] });
      }
      expect(codes.size).toBeGreaterThan(1);
    },
  );
});
