/** What is on a disk: its table, what fills its partitions, how a machine starts from it, and the systems on it. */

import { alignUp, KiB, MiB } from '../binary/align.ts';
import type { DiskImage } from '../image/image.ts';
import { readPartitionTable } from '../image/partition-table/index.ts';
import type { PartitionTable, TablePartition } from '../image/partition-table/table.ts';
import type { ByteRange } from '../io/source.ts';
import { inspectBoot } from './boot/index.ts';
import type { Content, DiskContents, Partition } from './contents.ts';
import { type Findings, look } from './findings.ts';
import { isBiosBoot, typeNameOf } from './partition-types.ts';
import { identify, identifySuperblock } from './superblocks/index.ts';
import { type FoundVolume, inspectSystems } from './systems.ts';
import { lookBehindPartitions } from './unused-space.ts';
import { type DiskVolume, diskVolume, type Volume, volumePart } from './volume.ts';
import { signsOfWindows } from './windows.ts';

export interface InspectDiskOptions {
  /** Bytes of the disk that may be read; 16 MiB by default. */
  readonly maxReadBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What it is called where it was not looked at. */
const TABLE = 'the partition table';
const DEFAULT_MAX_READ = 16 * MiB;

/**
 * Looks into a disk without mounting or writing anything. What contradicts itself on it is in `notes`, what was not
 * understood or would have taken more reading in `notLookedAt`: only what keeps the image from being read is thrown.
 * @throws ImageIoError, CancelledError
 */
export async function inspectDisk(image: DiskImage, options: InspectDiskOptions = {}): Promise<DiskContents> {
  const { maxReadBytes = DEFAULT_MAX_READ, signal } = options;
  const disk = diskVolume(image, { maxReadBytes, signal });
  const findings: Findings = { notes: [], notLookedAt: [] };
  const table = await look(findings, TABLE, () =>
    readPartitionTable(disk, ({ code, message, severity }) =>
      findings.notes.push({ code, message, severity }),
    ),
  );
  const partitions = await inspectPartitions(disk, table, findings);
  const isIso = (await look(findings, 'the volume descriptors', () => hasIsoDescriptor(disk))) ?? false;
  // A disc is written once.
  if (!isIso) for (const partition of table?.partitions ?? []) noteAlignment(partition, findings);
  const isTableKnown = findings.notLookedAt.every(({ what }) => what !== TABLE);
  const whole =
    (table === undefined && isTableKnown) || isIso
      ? await contentOf(disk, 'the contents of the disk', findings)
      : undefined;
  const isFat = table === undefined && (whole?.kind.startsWith('fat') ?? false);
  const boot = await inspectBoot({ disk, table: table?.kind ?? 'none', partitions, isIso, isFat }, findings);
  const volumes = foundVolumes(disk, table, partitions, whole);
  const usedEnd = await inspectEnd(image, disk, table, findings);
  // Last, for an initramfs takes all that may be read.
  const systems = await inspectSystems(volumes, identify, findings);
  return {
    table: table?.kind ?? 'none',
    sectorSize: table?.sectorSize ?? 512,
    ...(table && { diskId: table.diskId }),
    partitions,
    ...(whole && { whole }),
    isIso,
    boot,
    systems: [...systems, ...signsOfWindows(partitions, boot)],
    usedEnd,
    notes: findings.notes,
    notLookedAt: findings.notLookedAt,
    readBytes: disk.readBytes,
  };
}

async function inspectPartitions(
  disk: Volume,
  table: PartitionTable | undefined,
  findings: Findings,
): Promise<Partition[]> {
  const partitions: Partition[] = [];
  const sorted = [...(table?.partitions ?? [])].sort((a, b) => a.start - b.start || a.number - b.number);
  for (const own of sorted) {
    const { number, start, end, type, isActive, name, uuid } = own;
    const typeName = typeNameOf(type);
    const content = own.isExtended
      ? ({ kind: 'unknown' } as const)
      : await contentOf(volumePart(disk, start, end), `the contents of partition ${number}`, findings);
    partitions.push({
      number,
      start,
      end,
      type,
      ...(typeName !== undefined && { typeName }),
      isActive,
      ...(name && { name }),
      ...(uuid !== undefined && { uuid }),
      content,
    });
  }
  return partitions;
}

/** What disks write at a time, whatever they say. */
const PHYSICAL_SECTOR = 4 * KiB;

function noteAlignment({ number, start, type, isExtended }: TablePartition, { notes }: Findings): void {
  if (isExtended || isBiosBoot(type) || start % PHYSICAL_SECTOR === 0) return;
  const message = `Partition ${number} begins at byte ${start}, which is no multiple of 4 KiB: every write takes more of the disk than it needs.`;
  notes.push({ code: 'partition-misaligned', message, severity: 'warning' });
}

async function contentOf(volume: Volume, what: string, findings: Findings): Promise<Content> {
  const simple = await look(findings, what, () => identifySuperblock(volume));
  if (simple === undefined) return { kind: 'unknown' };
  return (await look(findings, `${what} (the label)`, () => identify(volume))) ?? simple;
}

const ISO_AT = 32 * KiB;

async function hasIsoDescriptor(disk: Volume): Promise<boolean> {
  if (disk.size < ISO_AT + 2 * KiB) return false;
  return String.fromCharCode(...(await disk.read(ISO_AT + 1, 5))) === 'CD001';
}

function foundVolumes(
  disk: DiskVolume,
  table: PartitionTable | undefined,
  partitions: readonly Partition[],
  whole: Content | undefined,
): FoundVolume[] {
  if (table === undefined) return whole ? [{ partition: 0, volume: disk, content: whole }] : [];
  return partitions.map(({ number, start, end, uuid, name, content }) => ({
    partition: number,
    volume: volumePart(disk, start, end),
    content,
    partitionUuid: uuid ?? `${table.diskId.slice(2)}-${number.toString(16).padStart(2, '0')}`,
    partitionName: name,
  }));
}

async function inspectEnd(
  image: DiskImage,
  disk: Volume,
  table: PartitionTable | undefined,
  findings: Findings,
): Promise<number> {
  // Of a disk without a table nobody knows what of it is in use.
  if (table === undefined) return disk.size;
  const { partitions, sectorSize, tailLength, backupRanges } = table;
  const lastEnd = partitions.reduce((last, { end }) => Math.max(last, end), MiB);
  const usedEnd = Math.min(disk.size, alignUp(lastEnd, sectorSize) + tailLength);
  const gaps: ByteRange[] = [];
  let start = Math.min(lastEnd, disk.size);
  for (const own of [...backupRanges, { start: disk.size, end: disk.size }]) {
    if (start < own.start) gaps.push({ start, end: own.start });
    start = Math.max(start, own.end);
  }
  await lookBehindPartitions(image, disk, gaps, findings);
  return usedEnd;
}
