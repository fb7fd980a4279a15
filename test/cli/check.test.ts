import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { diskimg } from '../support/command.ts';
import { fixtureBytes, fixtureNamed, fixturePath } from '../support/fixtures.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const debian = fixturePath('qcow2/debian-disk.qcow2');

/** The fixture with its first refcounts changed. */
function damaged(name: string, change: (image: Buffer) => void): string {
  const image = Buffer.from(fixtureBytes(fixtureNamed('qcow2/v3')));
  change(image);
  writeFileSync(temp(name), image);
  return temp(name);
}

const refcountAt = (image: Buffer, cluster: number): number =>
  Number(image.readBigUInt64BE(Number(image.readBigUInt64BE(48)))) + 2 * cluster;

describe('diskimg check', () => {
  it('exits with 0 when nothing is wrong', async () => {
    const { code, out, err } = await diskimg(['check', debian]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^No errors were found on the image\.\n\d+\/1024 = /);
  });

  it('exits with 2 for corruptions', async () => {
    const path = damaged('corrupt.qcow2', (image) => image.writeUInt16BE(0, refcountAt(image, 0)));
    const { code, out } = await diskimg(['check', path]);
    expect(code).toBe(2);
    expect(out).toContain('corruption: [refcount-too-low] Cluster 0 has 1 references, but a refcount of 0.');
    expect(out).toContain('1 corruption: data may be lost.');
  });

  it('exits with 3 for leaks only', async () => {
    const path = damaged('leak.qcow2', (image) => image.writeUInt16BE(2, refcountAt(image, 0)));
    expect(await diskimg(['check', '--output', 'json', path])).toMatchObject({ code: 3, err: '' });
  });

  it('exits with 1 when it cannot check', async () => {
    const { code, out, err } = await diskimg(['check', '-f', 'vhd', debian]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^diskimg: \[wrong-format]/);
    expect(await diskimg(['check'])).toMatchObject({ code: 1 });
  });

  it("prints JSON with qemu-img's keys, and findings", async () => {
    const { out } = await diskimg(['check', '--data', '--output', 'json', debian]);
    expect(JSON.parse(out)).toMatchObject({
      filename: debian,
      format: 'qcow2',
      'check-errors': 0,
      'total-clusters': 1024,
      findings: [],
    });
    expect(JSON.parse(out)).not.toHaveProperty('corruptions');
  });

  it('has help with examples and exit codes', async () => {
    const { out } = await diskimg(['check', '--help']);
    expect(out).toContain('\nExit codes: 0 ');
    expect(out).toContain('\nExamples:\n  diskimg check');
  });
});
