/** An archive of disks for people. Pure. */

import type { ArchivedDisk, ArchiveInfo } from '../index.ts';
import { humanSize, printable } from './render.ts';

export function renderArchive({ filename, format, disks, notes, ...info }: ArchiveInfo): string {
  const others = info['other-files'];
  const [first] = disks;
  const lines = [
    `image: ${filename}`,
    `file format: ${format}`,
    ...(info['actual-size'] === undefined ? [] : [`disk size: ${humanSize(info['actual-size'])}`]),
    disks.length === 0 ? 'Disks: none' : 'Disks:',
    ...disks.flatMap(renderDisk),
    ...(others.length === 0 ? [] : ['Other files:']),
    ...others.map(({ name, size }) => `    ${name}: ${humanSize(size)} (${size} bytes)`),
    ...(notes ?? []).map(({ code, message }) => `note: [${code}] ${message}`),
    ...(first ? [`To read one, or have it described: --member ${JSON.stringify(first.name)}`] : []),
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function renderDisk({ name, format, capacity, problem, ...disk }: ArchivedDisk): string[] {
  const size = (title: string, bytes: number | undefined): string[] =>
    bytes === undefined ? [] : [`        ${title}: ${humanSize(bytes)} (${bytes} bytes)`];
  const text = (title: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`        ${title}: ${value}`];
  return [
    `    ${name}`,
    ...text('format', format),
    ...size('virtual size', disk['virtual-size']),
    ...size('size in the archive', disk['stored-size']),
    ...text('disk ID of the OVF', disk['disk-id']),
    ...text('file ID of the OVF', disk['file-id']),
    ...size('file size of the OVF', disk['ovf-size']),
    ...size('capacity of the OVF', capacity),
    ...text('problem', problem && `[${problem.code}] ${problem.message}`),
  ];
}
