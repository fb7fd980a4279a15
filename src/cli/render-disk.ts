/** What is on a disk, for people: a table of the partitions, and a line for each thing that is known. Pure. */

import type { Content, DiskContents, Partition, SystemFacts } from '../index.ts';
import { humanSize, printable } from './render.ts';

/** @param virtualSize bytes of the disk */
export function renderDisk(contents: DiskContents, virtualSize: number): string {
  const lines = [
    tableLine(contents),
    ...partitionLines(contents.partitions),
    ...(contents.whole ? [`contents of the disk: ${renderContent(contents.whole)}`] : []),
    bootLine(contents),
    ...contents.systems.flatMap(systemLines),
    ...(contents.usedEnd < virtualSize
      ? [`in use: ${humanSize(contents.usedEnd)} of ${humanSize(virtualSize)}`]
      : []),
    ...contents.notes.map(({ code, message }) => `note: [${code}] ${message}`),
    ...contents.notLookedAt.map(({ what, why }) => `not looked at: ${what}: ${why}`),
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}

const TABLES = {
  none: 'no partition table',
  mbr: 'MBR',
  gpt: 'GPT',
  hybrid: 'GPT, and an MBR with partitions beside it',
} as const;

function tableLine({ table, sectorSize, diskId, isIso, notLookedAt }: DiskContents): string {
  if (notLookedAt.some(({ what }) => what === 'the partition table'))
    return 'disk: its partition table was not looked at';
  const id = diskId === undefined ? '' : ` ${diskId}`;
  const sectors = table === 'none' ? '' : `, sectors of ${sectorSize} bytes`;
  return `disk: ${TABLES[table]}${id}${sectors}${isIso ? ', the image of an optical disc' : ''}`;
}

function partitionLines(partitions: readonly Partition[]): readonly string[] {
  if (partitions.length === 0) return [];
  const rows = partitions.map(({ number, start, end, type, typeName, isActive, name, content }) => [
    `${number}${isActive ? '*' : ''}`,
    humanSize(start),
    humanSize(end - start),
    typeName ?? type,
    renderContent(content) + (name ? ` (${name})` : ''),
  ]);
  const all = [['no', 'start', 'size', 'type', 'content'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd());
}

function renderContent({ kind, label, uuid, isEncrypted }: Content): string {
  const parts = [
    kind,
    label === undefined ? undefined : JSON.stringify(label),
    uuid,
    isEncrypted ? 'encrypted' : undefined,
  ];
  return parts.filter((part) => part !== undefined).join(' ');
}

function bootLine({ boot }: DiskContents): string {
  const { bios, efiLoaders, vendorLoaders = [], modes, architectures } = boot;
  const names = [...efiLoaders, ...vendorLoaders].join(', ');
  const ways = [
    ...(modes.includes('bios') ? [`BIOS (${bios})`] : []),
    ...(modes.includes('uefi') ? [`UEFI (${names})`] : []),
  ];
  if (ways.length === 0) return 'boots: no loader was found';
  return `boots: ${ways.join(', ')}${architectures.length > 0 ? `; ${architectures.join(', ')}` : ''}`;
}

function systemLines(system: SystemFacts): readonly string[] {
  const { family, partition, prettyName, id, versionId, kernels = [], virtioDrivers, initramfs } = system;
  const name = prettyName ?? [id, versionId].filter((part) => part !== undefined).join(' ');
  const where = partition === 0 ? 'on the whole disk' : `in partition ${partition}`;
  const drivers = virtioDrivers && (virtioDrivers.length > 0 ? virtioDrivers.join(', ') : 'none');
  const facts = [
    ['kernels', kernels.length > 0 ? kernels.join(', ') : undefined],
    ['virtio drivers', drivers && initramfs ? `${drivers} (${initramfs})` : drivers],
    ['cloud-init', system.hasCloudInit === undefined ? undefined : system.hasCloudInit ? 'yes' : 'no'],
    ['network', system.network],
    ...(system.fstabDevices ?? []).map(({ line, text }) => [`fstab line ${line} names a device`, text]),
  ];
  return [
    `${family}: ${name === '' ? '' : `${name}, `}${where}`,
    ...facts.flatMap(([what, value]) => (value === undefined ? [] : [`  ${what}: ${value}`])),
  ];
}
