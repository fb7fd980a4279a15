/** Paths, links and mounts over a tree in memory. */

import { describe, expect, it } from 'vitest';
import { fileTree, MAX_LINKS } from '../../src/inspect/file-tree.ts';
import { type MemoryFolder, nodeOf } from '../support/memory-tree.ts';

const text = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

const root = nodeOf({
  bin: { link: 'usr/bin' },
  usr: { bin: { sh: 'shell', up: { link: '../../etc/os-release' } }, lib: { 'os-release': 'ID=x' } },
  etc: { 'os-release': { link: '../usr/lib/os-release' }, abs: { link: '/usr/bin/sh' } },
  out: { link: '../../../../etc/passwd' },
  round: { link: 'about' },
  about: { link: '/round' },
  boot: {},
  kernel: { link: 'boot/vmlinuz' },
});

describe('a tree of files', () => {
  const tree = fileTree(root, []);

  it('follows links, relative and absolute', async () => {
    expect(text(await tree.readFile('/bin/sh', 100))).toBe('shell');
    expect(text(await tree.readFile('/etc/os-release', 100))).toBe('ID=x');
    expect(text(await tree.readFile('/bin/up', 100))).toBe('ID=x');
    expect(text(await tree.readFile('/etc/abs', 3))).toBe('she');
    expect(await tree.list('/bin')).toEqual(['sh', 'up']);
  });

  it('never leads out, and never in a circle', async () => {
    expect(await tree.find('/out')).toBeUndefined();
    expect(await tree.find('/round')).toBeUndefined();
    expect(await tree.find('/../../usr/./bin//sh')).toMatchObject({ kind: 'file', size: 5 });
  });

  it('has nothing below a file, and no bytes in a directory', async () => {
    expect(await tree.find('/usr/bin/sh/x')).toBeUndefined();
    expect(await tree.readFile('/usr/bin', 10)).toBeUndefined();
    expect(await tree.list('/nothing')).toEqual([]);
  });

  it('follows as many links as it may, and no more', async () => {
    const chain = (links: number): MemoryFolder => ({
      l0: 'end',
      ...Object.fromEntries(Array.from({ length: links }, (_, i) => [`l${i + 1}`, { link: `l${i}` }])),
    });
    expect(await fileTree(nodeOf(chain(MAX_LINKS)), []).find(`/l${MAX_LINKS}`)).toBeDefined();
    expect(await fileTree(nodeOf(chain(MAX_LINKS + 1)), []).find(`/l${MAX_LINKS + 1}`)).toBeUndefined();
  });

  it('goes into other filesystems where they are mounted, and back', async () => {
    const boot = nodeOf({ vmlinuz: 'kernel', back: { link: '../etc/os-release' } });
    const whole = fileTree(root, [{ path: '/boot', root: boot }]);
    expect(text(await whole.readFile('/kernel', 100))).toBe('kernel');
    expect(text(await whole.readFile('/boot/back', 100))).toBe('ID=x');
    expect(await whole.list('/boot')).toEqual(['back', 'vmlinuz']);
  });
});
