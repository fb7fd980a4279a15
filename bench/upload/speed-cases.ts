/** Uploads and sources behind HTTP against what else moves the same bytes, as data. */

import type { Case } from '../convert/cases.ts';

const makingParts = (name: string, kind: string, file: string): Case => ({
  name: `parts: ${name}`,
  group: 'upload',
  ours: `figure parts ${kind} {${file}}`,
  theirs: {
    default: [`diskimg convert ${kind} -q {${file}} {out}`],
    best: [`diskimg convert ${kind} -t unsafe -q {${file}} {out}`],
  },
  target: { default: 0.9, best: 0.9 },
  maxRuns: 3,
});

const overHttp = (name: string, ours: string, output: string): Case => ({
  name,
  group: 'uploadHttp',
  ours: `${ours} {http:disk.qcow2}${output === '{out}' ? ' {out}' : ''}`,
  theirs: { default: [`curl -sf -o ${output} {http:disk.qcow2}`] },
  target: { default: 0.8 },
  maxRuns: 3,
});

export const uploadCases: readonly Case[] = [
  makingParts('raw → vhd', '-f raw -O vhd', 'disk.raw'),
  makingParts('raw → qcow2', '-f raw -O qcow2', 'disk.raw'),
  makingParts('qcow2 → raw', '-f qcow2 -O raw', 'disk.qcow2'),
  makingParts('qcow2 zlib → raw', '-f qcow2 -O raw', 'disk-zlib.qcow2'),
  makingParts('raw → zvhd2', '-f raw -O zvhd2', 'disk.raw'),
  makingParts('raw → qcow2 -c', '-f raw -O qcow2 -c', 'disk.raw'),
  overHttp('qcow2 → raw (curl: the qcow2)', 'diskimg convert -f qcow2 -O raw -t unsafe -q', '{out}'),
  overHttp('qcow2 → parts thrown away (curl: the qcow2)', 'figure parts -f qcow2 -O raw', '/dev/null'),
];
