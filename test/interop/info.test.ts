/** What qemu-img tells of an image, we tell: key by key, for every fixture that it describes. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { imageInfo, openImage } from '../../src/index.ts';
import { fixtureBytes, fixtures } from '../support/fixtures.ts';
import { describeWith, qemuFormat, qemuInfo } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

/** Formats of qemu-img, under its names. */
const known = fixtures.filter(({ format }) =>
  ['qcow2', 'raw', 'vhd', 'vhdx', 'vdi', 'qcow', 'qed', 'vmdk', 'luks'].includes(format),
);

type Json = Record<string, unknown>;

const isRefused = async (format: string, path: string): Promise<boolean> =>
  qemuInfo(format, path).then(
    () => false,
    () => true,
  );

describeWith(['qemu-img'], 'info', () => {
  describe.each(known)('$file', (fixture) => {
    test('every key of qemu-img', async () => {
      const folder = temp(fixture.file.replace(/[/.]/g, '-'));
      mkdirSync(folder);
      for (const { file, name } of fixture.companions ?? []) {
        writeFileSync(join(folder, name), fixtureBytes({ file }));
      }
      const path = join(folder, 'image');
      writeFileSync(path, fixtureBytes(fixture));
      const format = qemuFormat(fixture.format);
      if (await isRefused(format, path)) return;
      // Of a disk in several files qemu-img opens them all, and adds up what they take.
      const isSplit = fixture.format === 'vmdk' && fixture.companions !== undefined;
      const opening = isSplit ? { allowPaths: [folder] } : { metadataOnly: true };
      const image = await openImage(path, { format: fixture.format, ...opening }).catch((e) => e);
      // Half an image is described by qemu-img, and refused by us.
      if (image instanceof Error) {
        expect(fixture.features.join()).toMatch(/truncated|damaged|unknown|poked/);
        return;
      }
      await using opened = image;
      const ours = JSON.parse(JSON.stringify(imageInfo(opened)));
      const { children: _, ...theirs } = (await qemuInfo(format, path)) as Json;
      for (const [key, value] of Object.entries(theirs)) {
        if (key === 'format') expect(qemuFormat(ours.format)).toBe(value);
        else if (key === 'actual-size' && isSplit) expect(value).toBeGreaterThan(ours[key]);
        else if (key === 'virtual-size' && fixture.asQemuSees) expect(ours[key]).toBe(fixture.virtualSize);
        else if (key === 'snapshots') expect(ours[key]).toEqual(withoutCount(value as Json[]));
        else if (key === 'format-specific') expect(ours[key]).toMatchObject(value as Json);
        else expect({ [key]: ours[key] }).toEqual({ [key]: value });
      }
    });
  });
});

/** Instructions that a recorded machine had run: of no use for a disk. */
const withoutCount = (snapshots: readonly Json[]) => snapshots.map(({ icount: _, ...rest }) => rest);
