/** The records of an appended file, as far as they have been found: where each stands, and which touch a range. */

import { ceilDiv } from '../binary/align.ts';
import {
  type Appender,
  createPayloadLengths,
  type Placement,
  type StoredBlock,
  type StoredBlocks,
  setPayloadLength,
  storedBlocks,
} from '../image/appender.ts';
import { type Frontier, frontierAt } from '../image/frontier.ts';

export interface Ledger {
  /** Payload lengths by block, 0 for one that is not stored. */
  readonly lengths: Uint32Array;
  /** The frontier behind the last record. */
  readonly frontier: Frontier;
  /** Adds the next stored block in guest order. */
  add(block: number, payloadLength: number): Placement;
  /** The records that have bytes in [start, end) of the file. */
  recordsIn(start: number, end: number): Generator<StoredBlock>;
  /** All records so far, as if they were all that there are. */
  stored(): StoredBlocks;
}

/** Records between two places from which the others can be counted. */
const STRIDE = 1024;

interface Milestone {
  readonly block: number;
  readonly frontier: Frontier;
}

export function createLedger(writer: Appender): Ledger {
  const payloads = createPayloadLengths(ceilDiv(writer.virtualSize, writer.unit));
  const { lengths } = payloads;
  const milestones: Milestone[] = [];
  let frontier = frontierAt(writer.dataStart);
  let count = 0;
  /** One behind the last block that was added. */
  let next = 0;

  return {
    lengths,
    get frontier() {
      return frontier;
    },
    add(block, payloadLength) {
      if (count % STRIDE === 0) milestones.push({ block, frontier });
      const placement = writer.place(frontier, payloadLength);
      setPayloadLength(payloads, block, payloadLength);
      frontier = placement.next;
      next = block + 1;
      count += 1;
      return placement;
    },
    *recordsIn(start, end) {
      // Records before a milestone end before its `end`; those behind it begin at its `open` or later.
      const first = milestones.findLast((milestone) => milestone.frontier.end <= start) ?? milestones[0];
      if (first === undefined) return;
      let at = first.frontier;
      for (let block = first.block; block < next; block++) {
        const payloadLength = lengths[block] as number;
        if (payloadLength === 0) continue;
        if (at.open >= end) return;
        const placement = writer.place(at, payloadLength);
        if (placement.fileOffset < end && placement.end > start) yield { block, payloadLength, ...placement };
        at = placement.next;
      }
    },
    stored: () => storedBlocks(writer, payloads),
  };
}
