/** Checks ZVHD: both footers, and every record from the front; with the data, the one stream through all of them. */

import { ceilDiv } from '../../binary/align.ts';
import { type ChainedInflate, openChainedInflate } from '../../codecs/chained-deflate.ts';
import type { CheckFigures, CheckRequest } from '../../image/check.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { checkFooter, checkRecord, nextRecord } from '../zvhd-stream/check-stream.ts';
import { hasCookie, PAGE, type StreamFooter } from '../zvhd-stream/footer.ts';
import { payloadOf, type RecordHead } from '../zvhd-stream/record.ts';
import { ZVHD_BLOCK, ZVHD_COOKIE } from './structs.ts';

const FORMAT = { format: 'zvhd', cookie: ZVHD_COOKIE };

export async function checkZvhd(source: ByteSource, request: CheckRequest<unknown>): Promise<CheckFigures> {
  const { report } = request;
  const first = await checkFooter(source, 0, report, FORMAT);
  const lastOffset = Math.max(PAGE, source.size - PAGE);
  const last = await checkFooter(source, lastOffset, report, FORMAT);
  if (first && last && first.checksum !== last.checksum) {
    const message = () => 'The footers at the start and at the end differ.';
    report.corruption('footers-differ', message, { fileOffset: lastOffset });
  }
  const footer = last ?? first;
  // A footer that is damaged is none, but no record either.
  const page = await readBytes(source, lastOffset, Math.max(0, source.size - lastOffset), 'A footer');
  const recordsEnd = hasCookie(page, ZVHD_COOKIE) ? lastOffset : source.size;
  const stored = await checkRecords(source, footer, recordsEnd, request);
  return {
    imageEndOffset: source.size,
    ...(footer && { totalClusters: ceilDiv(footer.currentSize, ZVHD_BLOCK) }),
    allocatedClusters: stored,
    fragmentedClusters: 0,
    compressedClusters: stored,
  };
}

/** Returns how many records there are. Behind what is no record the next one is searched for. */
async function checkRecords(
  source: ByteSource,
  footer: StreamFooter | undefined,
  limit: number,
  request: CheckRequest<unknown>,
): Promise<number> {
  const { report, requireRunning } = request;
  const blockCount = footer ? ceilDiv(footer.currentSize, ZVHD_BLOCK) : Number.POSITIVE_INFINITY;
  const decode = request.readsData ? chainDecoder(source, request) : undefined;
  let stored = 0;
  let before = -1;
  for (let fileOffset = PAGE; fileOffset < limit; ) {
    requireRunning();
    const place = { format: 'zvhd', fileOffset, blockSize: ZVHD_BLOCK };
    const found = await checkRecord(source, place, limit, report);
    if (found === undefined) {
      decode?.lost();
      fileOffset = await nextRecord(source, fileOffset + PAGE, limit, requireRunning);
      continue;
    }
    const block = found.header.blockNumber;
    if (block >= blockCount || block <= before) {
      const message = () => `Block ${block} does not follow in guest order on this disk.`;
      report.corruption('block-order', message, { fileOffset, guestOffset: block * ZVHD_BLOCK });
    }
    before = Math.max(before, block);
    stored += 1;
    await decode?.record(fileOffset, found);
    fileOffset = found.end;
  }
  return stored;
}

/** Decodes record by record, until one is lost: what follows builds on it. */
function chainDecoder(source: ByteSource, { report }: CheckRequest<unknown>) {
  const scratch = new Uint8Array(ZVHD_BLOCK);
  let chain: ChainedInflate | undefined = openChainedInflate();
  const lost = (): void => {
    chain = undefined;
  };
  return {
    lost,
    async record(fileOffset: number, { header, end }: RecordHead): Promise<void> {
      const current = chain;
      if (current === undefined) return;
      const block = header.blockNumber;
      const place = { fileOffset, guestOffset: block * ZVHD_BLOCK };
      const isDecoded = await report.attempt(async () => {
        const record = await readBytes(source, fileOffset, end - fileOffset, 'A record');
        const payload = payloadOf(record, block, { format: 'zvhd', fileOffset, blockSize: ZVHD_BLOCK });
        current.next(payload, scratch);
        return true;
      }, place);
      if (isDecoded) return;
      const message = () => 'The blocks behind cannot be decoded: all are one stream.';
      report.warning('bad-data', message, place);
      lost();
    },
  };
}
