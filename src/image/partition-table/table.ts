/** A partition table as data: what both kinds come to, MBR and GPT, and what contradicts their specifications. */

import type { ByteRange } from '../../io/source.ts';

/** The disk on which a table stands. */
export interface TableDisk {
  /** Bytes. */
  readonly size: number;
  /** The `length` bytes from `offset`, which lie within the disk. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface TablePartition {
  /** As Linux numbers them: logical ones from 5. */
  readonly number: number;
  /** Bytes of the disk: [start, end). They may be past its end, and then need not be exact. */
  readonly start: number;
  readonly end: number;
  /** `0x83`, or a GUID in lower case. */
  readonly type: string;
  /** The boot flag of an MBR, or the legacy boot attribute of a GPT. */
  readonly isActive: boolean;
  /** An extended partition of an MBR: it holds logical ones, and nothing else. */
  readonly isExtended: boolean;
  /** Where its entry stands on the disk. */
  readonly entryOffset: number;
  /** Of a GPT: may be empty. */
  readonly name?: string;
  readonly uuid?: string;
}

/** Stable. */
export type TableFlawCode =
  | 'gpt-missing'
  | 'gpt-primary-missing'
  | 'gpt-backup-missing'
  | 'gpt-backup-not-at-end'
  | 'gpt-backup-not-read'
  | 'gpt-backup-differs'
  | 'gpt-bad-checksum'
  | 'gpt-bad-header'
  | 'gpt-bad-entries'
  | 'gpt-no-protective-mbr'
  | 'gpt-beside-mbr'
  | 'mbr-bad-chain'
  | 'partition-reversed'
  | 'partition-past-end'
  | 'partition-overlap';

export interface TableFlaw {
  readonly code: TableFlawCode;
  /** `error`: the table contradicts its specification; `info`: nothing is wrong, but somebody may want to know. */
  readonly severity: 'error' | 'warning' | 'info';
  readonly message: string;
  /** Where it stands on the disk, where that can be told. */
  readonly offset: number | undefined;
  /** Of the partition that it concerns. */
  readonly partitionStart?: number | undefined;
}

export interface PartitionTable {
  /** `hybrid`: a GPT, and an MBR that has partitions beside the protective one. */
  readonly kind: 'mbr' | 'gpt' | 'hybrid';
  /** Bytes in which the table counts. */
  readonly sectorSize: number;
  /** The GUID of a GPT, the signature of an MBR (`0x12345678`). */
  readonly diskId: string;
  /** In the order of the table. */
  readonly partitions: readonly TablePartition[];
  /** Bytes that the table needs behind the last partition: the backup of a GPT. */
  readonly tailLength: number;
  /** Ranges of the disk behind its head that the table itself takes up: the backup of a GPT. In order. */
  readonly backupRanges: readonly ByteRange[];
}

/** Where what is wrong is put. */
export type ReportFlaw = (flaw: TableFlaw) => void;

/** Reports partitions that end past the disk, or overlap. Extended ones are around their logical ones, and do not count. */
export function reportPlaces(
  partitions: readonly TablePartition[],
  diskSize: number,
  report: ReportFlaw,
): void {
  const sorted = partitions.filter(({ isExtended }) => !isExtended).sort((a, b) => a.start - b.start);
  let before: TablePartition | undefined;
  for (const partition of sorted) {
    const { number, start, end, entryOffset } = partition;
    const place = { offset: entryOffset, partitionStart: exactOrNone(start), severity: 'warning' } as const;
    if (end > diskSize) {
      const message = `Partition ${number} ends at byte ${end}, past the disk of ${diskSize} bytes.`;
      report({ ...place, code: 'partition-past-end', message });
    }
    if (before !== undefined && start < before.end) {
      const message = `Partitions ${before.number} and ${number} overlap from byte ${start} on.`;
      report({ ...place, code: 'partition-overlap', message });
    }
    if (before === undefined || end > before.end) before = partition;
  }
}

/** A place past the end of any disk is none that can be told. */
export const exactOrNone = (offset: number): number | undefined =>
  Number.isSafeInteger(offset) ? offset : undefined;
