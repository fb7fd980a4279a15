import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mapImage, openImage } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { fixturePath } from '../support/fixtures.ts';
import { collected } from '../support/memory-images.ts';
import { describeWith, qemuImg } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

const debian = fixturePath('qcow2/debian-disk.qcow2');

describe('diskimg map', () => {
  it('prints what the library says, as a JSON array', async () => {
    await using image = await openImage(debian);
    const { code, out } = await diskimg(['map', '--output', 'json', debian]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual(await collected(mapImage(image)));
  });

  it('prints a part', async () => {
    const range = ['--start-offset', '1M', '--max-length', '64k'];
    const { out } = await diskimg(['map', '--output', 'json', ...range, debian]);
    const entries = JSON.parse(out);
    expect(entries[0].start).toBe(2 ** 20);
    expect(entries.at(-1).start + entries.at(-1).length).toBe(2 ** 20 + 65536);
    const past = await diskimg(['map', '--start-offset', '1T', debian]);
    expect(past).toMatchObject({ code: 1, out: expect.not.stringContaining('0x') });
  });

  it('prints an empty array for no disk', async () => {
    const { out } = await diskimg(['map', '--output', 'json', '--max-length', '0', debian]);
    expect(out).toBe('[]\n');
  });

  it('prints the data for people, compressed or not', async () => {
    const { code, out } = await diskimg(['map', debian]);
    const [heading, first] = out.split('\n');
    expect(code).toBe(0);
    expect(heading).toBe('Offset          Length          Mapped to       File');
    expect(first).toMatch(/^0 {15}0x\w+ +compressed {6}.*debian-disk\.qcow2$/);
  });

  it('stops when it is asked to', async () => {
    const signal = AbortSignal.abort(new Error('The process got SIGINT.'));
    expect(await diskimg(['map', debian], { signal })).toMatchObject({ code: 1 });
  });

  it('has examples in its help', async () => {
    expect((await diskimg(['map', '--help'])).out).toContain('\nExamples:\n  diskimg map');
  });
});

describeWith(['qemu-img'], "the table is qemu-img's", () => {
  it('of a raw file', async () => {
    writeFileSync(temp('a.raw'), new Uint8Array(64 * 1024).fill(1));
    const flags = ['map', '-f', 'raw', temp('a.raw')];
    expect((await diskimg(flags)).out).toBe(await qemuImg(flags));
  });
});
