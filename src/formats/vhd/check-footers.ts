/** Checks a VHD's footers: at the end of the file, and for dynamic disks once more at the start. */

import { SECTOR } from '../../binary/align.ts';
import type { FindingReport } from '../../image/check.ts';
import type { ByteSource } from '../../io/source.ts';
import { type FooterCandidate, isSound, noSoundFooter, readFooters } from './footer.ts';
import { DiskType, VERSION_1_0, type VhdFooter, vhdFooter } from './structs.ts';

export interface FooterPair {
  /** The one to go by. */
  readonly footer: VhdFooter;
  readonly fileOffset: number;
  /** Where the footer at the end begins, or the end of the file. */
  readonly dataEnd: number;
}

interface Judged extends FooterCandidate {
  readonly footer: VhdFooter;
  readonly isSound: boolean;
}

const judged = (found: FooterCandidate | undefined): Judged | undefined =>
  found && { ...found, footer: vhdFooter.decode(found.bytes, found.fileOffset), isSound: isSound(found) };

/**
 * @throws UnknownFormatError `wrong-format` when there is no footer, CorruptImageError `bad-checksum` when there is none
 * whose checksum holds
 */
export async function checkFooters(source: ByteSource, report: FindingReport): Promise<FooterPair> {
  const found = await readFooters(source);
  const atStart = judged(found.atStart);
  const atEnd = judged(found.atEnd);
  const used = [atEnd, atStart].find((candidate) => candidate?.isSound);
  if (used === undefined) throw noSoundFooter(source, atEnd ?? atStart);
  const { footer } = used;
  const end = atEnd?.fileOffset ?? Math.max(0, source.size - SECTOR);
  checkFooter(atEnd, 'the end of the file', end, report);
  if (footer.diskType !== DiskType.fixed) {
    checkFooter(atStart, 'the start of the file', 0, report);
    const areSound = atStart?.isSound && atEnd?.isSound;
    // The last byte of a short one is missing, and reserved.
    const isSame = atStart?.bytes.every((byte, i) => byte === atEnd?.bytes[i]);
    if (areSound && !isSame) {
      report.corruption('footers-differ', () => 'The two footers differ.', { fileOffset: end });
    }
  }
  if (footer.fileFormatVersion !== VERSION_1_0) {
    const message = () => `File format version ${footer.fileFormatVersion}, expected 1.0.`;
    report.corruption('bad-header', message, { fileOffset: used.fileOffset + 12 });
  }
  return { footer, fileOffset: used.fileOffset, dataEnd: atEnd?.fileOffset ?? source.size };
}

function checkFooter(
  found: Judged | undefined,
  where: string,
  fileOffset: number,
  report: FindingReport,
): void {
  if (found === undefined) {
    report.corruption('footer-missing', () => `There is no footer at ${where}.`, { fileOffset });
  } else if (!found.isSound) {
    const message = () => `The checksum of the footer at ${where} does not hold.`;
    report.corruption('bad-checksum', message, { fileOffset: fileOffset + vhdFooter.fields.checksum.at });
  }
}
