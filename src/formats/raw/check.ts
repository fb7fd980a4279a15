/**
 * Checks a raw image by the partition table on it, the only thing in it that can be checked. A disk without one has no
 * findings.
 */

import type { CheckFigures, CheckRequest, FindingCode } from '../../image/check.ts';
import { readPartitionTable } from '../../image/partition-table/index.ts';
import type { TableFlaw, TableFlawCode } from '../../image/partition-table/table.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';

export async function checkRaw(source: ByteSource, { report }: CheckRequest<unknown>): Promise<CheckFigures> {
  const disk = {
    size: source.size,
    read: (offset: number, length: number) => readBytes(source, offset, length, 'A partition table'),
  };
  await readPartitionTable(disk, ({ code, severity, message, offset, partitionStart }: TableFlaw) => {
    if (severity === 'info') return;
    const found = severity === 'error' ? report.corruption : report.warning;
    found(findingCodes[code] ?? 'partition-table', () => message, {
      fileOffset: offset,
      guestOffset: partitionStart,
    });
  });
  return { imageEndOffset: source.size };
}

/** Those that have a name of their own in a check. */
const findingCodes: Partial<Record<TableFlawCode, FindingCode>> = {
  'gpt-bad-checksum': 'bad-checksum',
  'gpt-bad-header': 'bad-header',
  'gpt-bad-entries': 'bad-table',
  'partition-reversed': 'bad-table',
  'partition-past-end': 'partition-past-end',
  'partition-overlap': 'partition-overlap',
};
