/** What stands behind the last partition, where nothing should be. */

import { KiB, SECTOR } from '../binary/align.ts';
import { guestEnd } from '../image/extent.ts';
import type { DiskImage } from '../image/image.ts';
import type { ByteRange } from '../io/source.ts';
import { type Findings, look } from './findings.ts';
import type { Volume } from './volume.ts';

/** Looked at from each end of a stretch that holds data. */
const SAMPLE = 64 * KiB;
/** Stretches of data that are looked at. */
const MAX_STRETCHES = 8;

/** Notes that there is data in `gaps`, which lie behind the last partition. Not all of it is read. */
export async function lookBehindPartitions(
  image: DiskImage,
  disk: Volume,
  gaps: readonly ByteRange[],
  findings: Findings,
): Promise<void> {
  const what = 'the space behind the last partition';
  await look(findings, what, async () => {
    let stretches = 0;
    let isAllSeen = true;
    for await (const { start, end } of storedRanges(image, gaps)) {
      stretches++;
      if (stretches > MAX_STRETCHES) {
        isAllSeen = false;
        break;
      }
      const at = await firstData(disk, start, end);
      if (at !== undefined) {
        const message = `Behind the last partition there is data, at byte ${at}: no partition holds it, and it is lost when the disk shrinks.`;
        findings.notes.push({ code: 'data-past-partitions', message, severity: 'warning' });
        return;
      }
      isAllSeen &&= end - start <= 2 * SAMPLE;
    }
    if (!isAllSeen)
      findings.notLookedAt.push({ what, why: 'Only the ends of what the image stores there were read.' });
  });
}

/** What of `gaps` the image does not know to be zero. */
async function* storedRanges(image: DiskImage, gaps: readonly ByteRange[]): AsyncGenerator<ByteRange> {
  for (const gap of gaps) {
    for await (const extent of image.extents(gap.start, gap.end)) {
      if (extent.kind === 'zero') continue;
      yield { start: Math.max(gap.start, extent.guestOffset), end: Math.min(gap.end, guestEnd(extent)) };
    }
  }
}

/** Where the first byte stands that is not zero, among those that are looked at. */
async function firstData(disk: Volume, start: number, end: number): Promise<number | undefined> {
  for (const at of new Set([start, Math.max(start, end - SAMPLE)])) {
    const bytes = withoutOldTables(await disk.read(at, Math.min(SAMPLE, end - at)));
    const index = bytes.findIndex((byte) => byte !== 0);
    if (index >= 0) return at + index;
  }
  return undefined;
}

const HEADER = new TextEncoder().encode('EFI PART');
/** Of the usual 128 entries, which stand before the header of a backup. */
const ENTRIES_LENGTH = 16 * KiB;

/** With zeros for the backups of a GPT: growing a disk leaves them behind where its end was. They are nobody's data. */
function withoutOldTables(bytes: Uint8Array): Uint8Array {
  const rest = bytes.slice();
  for (let at = 0; at + SECTOR <= bytes.length; at += SECTOR) {
    if (!HEADER.every((byte, index) => bytes[at + index] === byte)) continue;
    rest.fill(0, Math.max(0, at - ENTRIES_LENGTH), at + SECTOR);
  }
  return rest;
}
