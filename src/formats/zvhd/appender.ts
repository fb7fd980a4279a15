/**
 * File map of a ZVHD image:
 *
 *     footer (4096) │ records, each a multiple of 4096 │ the same footer (4096)
 */

import { ceilDiv } from '../../binary/align.ts';
import { ZLIB_HEADER } from '../../codecs/deflate.ts';
import { codecOf } from '../../codecs/index.ts';
import { type Appender, levelFor } from '../../image/appender.ts';
import type { Identity } from '../../image/identity.ts';
import { footerPage, newFooter, PAGE, sealed } from '../zvhd-stream/footer.ts';
import { frameRecord, placeRecord, recordLength } from '../zvhd-stream/record.ts';
import { requireBlockNumbers } from '../zvhd-stream/size.ts';
import { ZVHD_BLOCK, ZVHD_COOKIE } from './structs.ts';

/** @throws OptionError `bad-size` */
export function zvhdAppender(virtualSize: number, level: number | undefined): Appender {
  requireBlockNumbers('zvhd', virtualSize, ceilDiv(virtualSize, ZVHD_BLOCK));
  const codec = 'deflate-chained';
  const footer = (identity: Identity) => footerPage(sealed(newFooter(ZVHD_COOKIE, virtualSize, identity)));
  /** The zlib header of the one stream stands in the first record. */
  const streamHeader = (address: number): Uint8Array =>
    address === PAGE ? ZLIB_HEADER : ZLIB_HEADER.subarray(0, 0);
  return {
    kind: 'appender',
    virtualSize,
    unit: ZVHD_BLOCK,
    dataStart: PAGE,
    isHeadLast: false,
    codec,
    level: levelFor(codec, level, 'zvhd'),
    storesIncompressible: false,
    place: ({ end }, payloadLength) => placeRecord(end, streamHeader(end).length + payloadLength),
    frame: (block, payload, { fileOffset }) => frameRecord(block, [streamHeader(fileOffset), payload]),
    head: (_, identity) => footer(identity),
    tail: (_, identity) => [footer(identity)],
    maxFileSize: ({ storedCount }) =>
      PAGE + storedCount * recordLength(ZLIB_HEADER.length + codecOf(codec).bound(ZVHD_BLOCK)) + PAGE,
  };
}
