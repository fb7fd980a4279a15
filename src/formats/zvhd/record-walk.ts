/** Walks a ZVHD's records from the front, once, and remembers where they stand. */

import { lowerBound } from '../../binary/search.ts';
import { CorruptImageError } from '../../errors.ts';
import type { ByteSource } from '../../io/source.ts';
import { PAGE } from '../zvhd-stream/footer.ts';
import { readRecordHead, requireRecordEnd } from '../zvhd-stream/record.ts';
import { ZVHD_BLOCK } from './structs.ts';

export interface StoredRecord {
  readonly block: number;
  readonly fileOffset: number;
  /** Bytes of the whole record. */
  readonly length: number;
}

export interface RecordWalk {
  /** The records of block `block` and later ones, in guest order, walking on as needed. */
  from(block: number): AsyncGenerator<StoredRecord>;
  /** The record at a position that has been walked. */
  at(position: number): StoredRecord;
  /** The position of the walked record at `fileOffset`. */
  positionOf(fileOffset: number): number;
}

export function walkRecords(
  source: ByteSource,
  { dataEnd, blockCount }: { readonly dataEnd: number; readonly blockCount: number },
): RecordWalk {
  const blocks: number[] = [];
  /** Where each record begins, and behind them where the next one would. */
  const offsets: number[] = [PAGE];

  /** The search that is under way: who comes meanwhile waits for it, so that no record is found twice. */
  let search: Promise<boolean> | undefined;

  /** Finds one more record; false at the end. */
  function advance(): Promise<boolean> {
    search ??= findNext().finally(() => {
      search = undefined;
    });
    return search;
  }

  async function findNext(): Promise<boolean> {
    const fileOffset = offsets.at(-1) as number;
    if (fileOffset === dataEnd) return false;
    const { header, end } = await readRecordHead(source, {
      format: 'zvhd',
      fileOffset,
      blockSize: ZVHD_BLOCK,
    });
    const block = header.blockNumber;
    if (end > dataEnd) {
      throw fail(
        'truncated',
        `The record of block ${block} should end at byte ${end}, past the data.`,
        fileOffset,
      );
    }
    if (block >= blockCount || block <= (blocks.at(-1) ?? -1)) {
      throw fail('bad-reference', `Block ${block} does not follow in guest order on this disk.`, fileOffset);
    }
    await requireRecordEnd(source, 'zvhd', end);
    blocks.push(block);
    offsets.push(end);
    return true;
  }

  const at = (position: number): StoredRecord => {
    const fileOffset = offsets[position] as number;
    return {
      block: blocks[position] as number,
      fileOffset,
      length: (offsets[position + 1] as number) - fileOffset,
    };
  };

  return {
    async *from(block) {
      for (let position = lowerBound(blocks, block); ; position++) {
        while (position >= blocks.length) {
          if (!(await advance())) return;
        }
        const record = at(position);
        if (record.block >= block) yield record;
      }
    },
    at,
    positionOf: (fileOffset) => lowerBound(offsets, fileOffset),
  };
}

const fail = (code: 'truncated' | 'bad-reference', message: string, fileOffset: number): CorruptImageError =>
  new CorruptImageError(code, message, {
    format: 'zvhd',
    fileOffset,
    hint: 'The image is damaged or incomplete: fetch it again.',
  });
