/** The partition table of a disk, whichever it has, and everything that is wrong with it. */

import { SECTOR } from '../../binary/align.ts';
import { readGpt } from './gpt.ts';
import { decodeMbr, GPT_PROTECTIVE, type Mbr, readLogical } from './mbr.ts';
import { type PartitionTable, type ReportFlaw, reportPlaces, type TableDisk } from './table.ts';

/**
 * A disk has a GPT when an MBR says so, or when there is no MBR with partitions. Unknown to older systems, it is the MBR
 * that counts where both have partitions and the MBR does not name the GPT.
 */
export async function readPartitionTable(
  disk: TableDisk,
  report: ReportFlaw,
): Promise<PartitionTable | undefined> {
  if (disk.size < 2 * SECTOR) return undefined;
  const mbr = decodeMbr(await disk.read(0, SECTOR));
  const isProtective = mbr?.primary.some(({ type }) => type === GPT_PROTECTIVE) ?? false;
  if (mbr !== undefined && !isProtective) {
    const gpt = await readGpt(disk, () => {});
    if (gpt !== undefined) {
      const message =
        'Behind an MBR with partitions there is a GPT that it does not name: the GPT does not count.';
      report({ code: 'gpt-beside-mbr', severity: 'warning', message, offset: gpt.sectorSize });
    }
    return mbrTable(disk, mbr, report);
  }
  const gpt = await readGpt(disk, report);
  if (gpt === undefined) {
    if (mbr === undefined) return undefined;
    const message = 'The MBR says that there is a GPT, but there is none.';
    report({ code: 'gpt-missing', severity: 'error', message, offset: SECTOR });
    return mbrTable(disk, mbr, report);
  }
  if (mbr === undefined) {
    const message = 'There is a GPT, but no protective MBR before it.';
    report({ code: 'gpt-no-protective-mbr', severity: 'warning', message, offset: 0 });
  }
  const isHybrid = mbr?.primary.some(({ type }) => type !== GPT_PROTECTIVE) ?? false;
  return { kind: isHybrid ? 'hybrid' : 'gpt', ...gpt };
}

async function mbrTable(disk: TableDisk, mbr: Mbr, report: ReportFlaw): Promise<PartitionTable> {
  const partitions = mbr.primary.filter(({ type }) => type !== GPT_PROTECTIVE);
  // A second chain would be numbered behind the first one; no tool makes one.
  const extended = partitions.find(({ isExtended }) => isExtended);
  const logical = extended === undefined ? [] : await readLogical(disk, extended, report);
  const all = [...partitions, ...logical];
  reportPlaces(all, disk.size, report);
  return {
    kind: 'mbr',
    sectorSize: SECTOR,
    diskId: mbr.diskId,
    partitions: all,
    tailLength: 0,
    backupRanges: [],
  };
}
