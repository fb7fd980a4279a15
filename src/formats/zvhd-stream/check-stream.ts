/** What the checks of ZVHD and ZVHD2 share: a footer that may be broken, and a record looked at without its payload. */

import { CorruptImageError } from '../../errors.ts';
import type { FindingReport } from '../../image/check.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { PAGE, readFooter, type StreamFooter } from './footer.ts';
import { type RecordHead, type RecordPlace, readRecordHead, requireRecordEnd } from './record.ts';

/** The footer at `fileOffset`, or undefined and a finding. @throws UnknownFormatError for a file that begins otherwise */
export async function checkFooter(
  source: ByteSource,
  fileOffset: number,
  report: FindingReport,
  { format, cookie }: { readonly format: string; readonly cookie: string },
): Promise<StreamFooter | undefined> {
  try {
    return await readFooter(source, fileOffset, format, cookie);
  } catch (error) {
    if (!(error instanceof CorruptImageError)) throw error;
    const code = error.code === 'truncated' ? 'footer-missing' : error.code;
    report.corruption(code, () => error.message, { fileOffset: error.fileOffset ?? fileOffset });
    return undefined;
  }
}

/** The record's header and end mark, which `end` limits; undefined and a finding when no record can be there. */
export async function checkRecord(
  source: ByteSource,
  place: RecordPlace,
  limit: number,
  report: FindingReport,
): Promise<RecordHead | undefined> {
  const { fileOffset, format } = place;
  const head = await report.attempt(() => readRecordHead(source, place), { fileOffset });
  if (head === undefined) return undefined;
  const { header, end } = head;
  const guestOffset = header.blockNumber * place.blockSize;
  if (end > limit) {
    const message = () =>
      `The record of block ${header.blockNumber} should end at byte ${end}, past the data.`;
    report.corruption('past-end', message, { fileOffset, guestOffset });
    return undefined;
  }
  await report.attempt(() => requireRecordEnd(source, format, end), { guestOffset });
  return head;
}

/** Pages that are read at once in the search for a record. */
const SEARCH_PAGES = 256;

/** The first page of [from, limit) that begins like a record, or `limit`. */
export async function nextRecord(
  source: ByteSource,
  from: number,
  limit: number,
  requireRunning: () => void,
): Promise<number> {
  const start = new TextEncoder().encode('hwstream bg');
  for (let at = from; at < limit; at += SEARCH_PAGES * PAGE) {
    requireRunning();
    const bytes = await readBytes(source, at, Math.min(SEARCH_PAGES * PAGE, limit - at), 'A record');
    for (let page = 0; page < bytes.length; page += PAGE) {
      if (start.every((byte, i) => bytes[page + i] === byte)) return at + page;
    }
  }
  return limit;
}
