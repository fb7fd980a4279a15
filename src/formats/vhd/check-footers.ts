/** Checks a VHD's footers: at the end of the file, and for dynamic disks once more at the start. */

import { SECTOR } from '../../binary/align.ts';
import { CorruptImageError, UnknownFormatError } from '../../errors.ts';
import type { FindingReport } from '../../image/check.ts';
import type { ByteSource } from '../../io/source.ts';
import {
  DiskType,
  FOOTER_COOKIE,
  footerChecksum,
  VERSION_1_0,
  type VhdFooter,
  vhdFooter,
} from './structs.ts';

/** Virtual PC before 2004 left out the last byte. */
const SHORT_FOOTER = 511;

export interface FooterPair {
  /** The one to go by. */
  readonly footer: VhdFooter;
  readonly fileOffset: number;
  /** Where the footer at the end begins, or the end of the file. */
  readonly dataEnd: number;
}

interface Candidate {
  readonly bytes: Uint8Array;
  readonly footer: VhdFooter;
  readonly fileOffset: number;
  readonly isSound: boolean;
}

/**
 * @throws UnknownFormatError `wrong-format` when there is no footer, CorruptImageError `bad-checksum` when there is none
 * whose checksum holds
 */
export async function checkFooters(source: ByteSource, report: FindingReport): Promise<FooterPair> {
  const atStart = await candidate(source, 0, SECTOR);
  const atEnd =
    (await candidate(source, source.size - SECTOR, SECTOR)) ??
    (await candidate(source, source.size - SHORT_FOOTER, SHORT_FOOTER));
  const used = [atEnd, atStart].find((found) => found?.isSound);
  if (used === undefined) throw noFooter(source, atEnd ?? atStart);
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
  found: Candidate | undefined,
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

async function candidate(
  source: ByteSource,
  fileOffset: number,
  length: number,
): Promise<Candidate | undefined> {
  if (fileOffset < 0 || fileOffset + length > source.size) return undefined;
  const bytes = new Uint8Array(SECTOR);
  await source.read(bytes.subarray(0, length), fileOffset);
  if (String.fromCharCode(...bytes.subarray(0, FOOTER_COOKIE.length)) !== FOOTER_COOKIE) return undefined;
  const footer = vhdFooter.decode(bytes, fileOffset);
  return { bytes, footer, fileOffset, isSound: footerChecksum(bytes) === footer.checksum };
}

function noFooter(source: ByteSource, broken: Candidate | undefined): Error {
  if (broken) {
    return new CorruptImageError('bad-checksum', 'The checksum of the footer does not hold.', {
      format: 'vhd',
      fileOffset: broken.fileOffset,
    });
  }
  return new UnknownFormatError(
    'wrong-format',
    `There is no VHD footer ('${FOOTER_COOKIE}') in ${source.name}.`,
    {
      format: 'vhd',
      fileOffset: Math.max(0, source.size - SECTOR),
      hint: 'It is of another format, or its end is missing.',
    },
  );
}
