/** The cases, as data: what we run, what the others run, and what we want to reach. */

import { GiB } from '../../src/binary/align.ts';
import { uploadCases } from '../upload/speed-cases.ts';

export interface Case {
  readonly name: string;
  readonly group: GroupName;
  /** See command.ts for how a command is written. `{out}` is the result, `{step}` one that is on the way. */
  readonly ours: string;
  /** We, without a flush at the end: what the others do anyway. Where writing is most of the work. */
  readonly unflushed?: string;
  /** One command, or several in a row. */
  readonly theirs?: { readonly default: readonly string[]; readonly best?: readonly string[] };
  /** How many times longer the others should take at least. */
  readonly target?: { readonly default: number; readonly best?: number };
  /** Longest that we may take, in seconds. */
  readonly limit?: number;
  /** Guest bytes that hold data, where the time that each of them takes is of interest. */
  readonly dataBytes?: number;
  /** How often it is run, where it is long. */
  readonly maxRuns?: number;
  /** What a program says that now and then comes to nothing, and is then run again. */
  readonly passingFailure?: string;
  /** `{out}` has to be this disk, in this format; checked once. */
  readonly expect?: { readonly disk: string; readonly format: string };
}

export interface Group {
  readonly title: string;
  /** What the two columns of the others are. */
  readonly rivals: { readonly default: string; readonly best: string };
  readonly about: string;
}

const qemu = { default: 'qemu-img', best: 'qemu-img -m 16 -W' };

export const groups = {
  targets: {
    title: 'Whole conversions',
    rivals: qemu,
    about: 'The disk is an ext4 filesystem, half full of files. These have targets.',
  },
  zvhd: {
    title: 'ZVHD',
    rivals: qemu,
    about: 'The same disk. Against the compressed qcow2 (zlib) of qemu-img.',
  },
  encryption: {
    title: 'Encryption',
    rivals: qemu,
    about:
      'The same disk, in qcow2 with LUKS (AES-256, XTS); a passphrase that takes a tenth of a second to try.',
  },
  fills: {
    title: 'Synthetic fills',
    rivals: qemu,
    about: 'Raw disks without holes; 0, 50 or 100 % of them filled, half with text, half with random bytes.',
  },
  sparse: {
    title: '1 TiB, nearly empty',
    rivals: qemu,
    about: '100 MB of data, scattered over a sparse raw disk.',
  },
  info: { title: 'info', rivals: qemu, about: 'Starting, recognising the format, reading the metadata.' },
  threads: {
    title: 'Threads',
    rivals: { default: '1 thread', best: '–' },
    about: 'diskimg with two threads, against itself with one.',
  },
  scale: {
    title: 'Size',
    rivals: { default: '–', best: '–' },
    about:
      'Sparse raw disks, a quarter of them filled. The time for a GiB of data should not grow with the disk.',
  },
  upload: {
    title: 'Uploads: making the parts',
    rivals: { default: 'convert to a file', best: 'convert -t unsafe' },
    about:
      'All parts of 16 MiB, four at a time, made and thrown away; against writing the file. Nine tenths of its speed are wanted.',
  },
  uploadHttp: {
    title: 'Sources behind HTTP',
    rivals: { default: 'curl', best: '–' },
    about:
      'A qcow2 on a web server (nginx) on this machine; against curl fetching the same bytes. Eight tenths of its speed are wanted.',
  },
  limits: {
    title: "The machine's limit",
    rivals: { default: 'cp, then sync', best: '–' },
    about: 'Copying the same bytes without a thought. At a ratio of 1 we are as fast as this machine copies.',
  },
} as const satisfies Record<string, Group>;

export type GroupName = keyof typeof groups;

/** qemu-img converting with 16 coroutines, and writes in any order. */
const best = (commands: readonly string[]): string[] =>
  commands.map((command) => command.replace(/^qemu-img convert/, 'qemu-img convert -m 16 -W'));

const ZSTD = '-c -o compression_type=zstd';
const VPC = '-o subformat=dynamic,force_size=on';

interface Conversion {
  readonly name: string;
  readonly ours: string;
  readonly theirs: readonly string[];
  readonly unflushed?: string;
  readonly maxRuns?: number;
  readonly passingFailure?: string;
  readonly target?: NonNullable<Case['target']>;
  readonly limit?: number;
}

/** A case of `group` in which a disk is converted, the one that is the raw file `disk`. */
const conversion = (group: GroupName, disk: string, { name, ours, theirs, ...goal }: Conversion): Case => ({
  name,
  group,
  ours,
  theirs: { default: theirs, best: best(theirs) },
  expect: { disk, format: ours.match(/-O (\S+)/)?.[1] as string },
  ...goal,
});

const atLeast = (whenDefault: number, whenBest: number) => ({ default: whenDefault, best: whenBest });

/** Conversions that only copy: their time is that of the disk and the kernel. */
const copies: readonly Conversion[] = [
  {
    name: 'raw → vhd dynamic',
    ours: 'diskimg convert -f raw -O vhd -q {disk.raw} {out}',
    theirs: [`qemu-img convert -f raw -O vpc ${VPC} {disk.raw} {out}`],
    target: atLeast(1.3, 1.3),
  },
  {
    name: 'vhd dynamic → raw',
    ours: 'diskimg convert -f vhd -O raw -q {disk.vhd} {out}',
    theirs: ['qemu-img convert -f vpc -O raw {disk.vhd} {out}'],
    target: atLeast(1.3, 1.3),
  },
  {
    name: 'raw → raw',
    ours: 'diskimg convert -f raw -O raw -q {disk.raw} {out}',
    theirs: ['qemu-img convert -f raw -O raw {disk.raw} {out}'],
    target: atLeast(1.0, 0.95),
  },
  {
    name: 'raw → qcow2',
    ours: 'diskimg convert -f raw -O qcow2 -q {disk.raw} {out}',
    theirs: ['qemu-img convert -f raw -O qcow2 {disk.raw} {out}'],
    target: atLeast(1.0, 0.95),
  },
  {
    name: 'raw → vhdx',
    maxRuns: 3,
    ours: 'diskimg convert -f raw -O vhdx -q {disk.raw} {out}',
    theirs: ['qemu-img convert -f raw -O vhdx {disk.raw} {out}'],
    target: atLeast(1.0, 0.95),
  },
  {
    name: 'vhdx → raw',
    maxRuns: 3,
    ours: 'diskimg convert -f vhdx -O raw -q {disk.vhdx} {out}',
    theirs: ['qemu-img convert -f vhdx -O raw {disk.vhdx} {out}'],
    target: atLeast(1.0, 0.95),
  },
  {
    name: 'raw → vmdk',
    maxRuns: 3,
    ours: 'diskimg convert -f raw -O vmdk -q {disk.raw} {out}',
    theirs: ['qemu-img convert -f raw -O vmdk {disk.raw} {out}'],
    target: atLeast(1.0, 0.95),
  },
  {
    name: 'vmdk → raw',
    maxRuns: 3,
    ours: 'diskimg convert -f vmdk -O raw -q {disk.vmdk} {out}',
    theirs: ['qemu-img convert -f vmdk -O raw {disk.vmdk} {out}'],
    target: atLeast(1.0, 0.95),
  },
  {
    name: 'qcow2 → raw',
    ours: 'diskimg convert -f qcow2 -O raw -q {disk.qcow2} {out}',
    theirs: ['qemu-img convert -f qcow2 -O raw {disk.qcow2} {out}'],
    target: atLeast(1.0, 0.95),
  },
];

const withoutFlush = (command: string): string => command.replace('convert', 'convert -t unsafe');

const targets: readonly Conversion[] = [
  {
    name: 'raw → qcow2 -c zlib',
    ours: 'diskimg convert -f raw -O qcow2 -c -q {disk.raw} {out}',
    theirs: ['qemu-img convert -f raw -O qcow2 -c {disk.raw} {out}'],
    target: atLeast(2.0, 1.3),
  },
  {
    name: 'raw → qcow2 -c zstd',
    ours: `diskimg convert -f raw -O qcow2 ${ZSTD} -q {disk.raw} {out}`,
    theirs: [`qemu-img convert -f raw -O qcow2 ${ZSTD} {disk.raw} {out}`],
    target: atLeast(2.0, 1.4),
  },
  {
    name: 'qcow2 zlib → raw',
    ours: 'diskimg convert -f qcow2 -O raw -q {disk-zlib.qcow2} {out}',
    theirs: ['qemu-img convert -f qcow2 -O raw {disk-zlib.qcow2} {out}'],
    target: atLeast(1.7, 1.7),
  },
  {
    name: 'qcow2 zstd → raw',
    ours: 'diskimg convert -f qcow2 -O raw -q {disk-zstd.qcow2} {out}',
    theirs: ['qemu-img convert -f qcow2 -O raw {disk-zstd.qcow2} {out}'],
    target: atLeast(1.7, 1.7),
  },
  {
    name: 'raw → vmdk streamOptimized',
    maxRuns: 3,
    ours: 'diskimg convert -f raw -O vmdk -c -q {disk.raw} {out}',
    theirs: ['qemu-img convert -f raw -O vmdk -o subformat=streamOptimized {disk.raw} {out}'],
    target: atLeast(2.0, 1.3),
  },
  {
    name: 'vmdk streamOptimized → raw',
    maxRuns: 3,
    ours: 'diskimg convert -f vmdk -O raw -q {disk-stream.vmdk} {out}',
    theirs: ['qemu-img convert -f vmdk -O raw {disk-stream.vmdk} {out}'],
    target: atLeast(1.7, 1.7),
  },
  {
    name: 'raw → zvhd2 (qemu: qcow2 zstd)',
    ours: 'diskimg convert -f raw -O zvhd2 -q {disk.raw} {out}',
    theirs: [`qemu-img convert -f raw -O qcow2 ${ZSTD} {disk.raw} {out}`],
    target: atLeast(2.2, 1.5),
  },
  {
    name: 'zvhd2 → raw (qemu: qcow2 zstd)',
    ours: 'diskimg convert -f zvhd2 -O raw -q {disk.zvhd2} {out}',
    theirs: ['qemu-img convert -f qcow2 -O raw {disk-zstd.qcow2} {out}'],
    target: atLeast(2.0, 2.0),
  },
  ...copies.map((copy) => ({ ...copy, unflushed: withoutFlush(copy.ours) })),
  {
    name: 'qcow2 zlib → zvhd2 (qemu: → raw → qcow2 zstd)',
    ours: 'diskimg convert -f qcow2 -O zvhd2 -q {disk-zlib.qcow2} {out}',
    theirs: [
      'qemu-img convert -f qcow2 -O raw {disk-zlib.qcow2} {step}',
      `qemu-img convert -f raw -O qcow2 ${ZSTD} {step} {out}`,
    ],
    target: atLeast(2.5, 1.7),
  },
];

const zvhd: readonly Conversion[] = [
  {
    name: 'raw → zvhd (qemu: qcow2 zlib)',
    maxRuns: 3,
    ours: 'diskimg convert -f raw -O zvhd -q {disk.raw} {out}',
    theirs: ['qemu-img convert -f raw -O qcow2 -c {disk.raw} {out}'],
  },
  {
    name: 'zvhd → raw (qemu: qcow2 zlib)',
    ours: 'diskimg convert -f zvhd -O raw -q {disk.zvhd} {out}',
    theirs: ['qemu-img convert -f qcow2 -O raw {disk-zlib.qcow2} {out}'],
  },
];

const SECRET = '--object secret,id=key,data=bench';
const LUKS = '-o encrypt.format=luks,encrypt.iter-time=100';

const encryption: readonly Conversion[] = [
  {
    name: 'raw → qcow2 LUKS',
    maxRuns: 3,
    ours: `diskimg convert -f raw -O qcow2 ${LUKS} --output-passphrase-file {passphrase} -q {disk.raw} {out}`,
    theirs: [`qemu-img convert ${SECRET} -f raw -O qcow2 ${LUKS},encrypt.key-secret=key {disk.raw} {out}`],
    passingFailure: 'Unable to get accurate CPU usage',
  },
  {
    name: 'qcow2 LUKS → raw',
    maxRuns: 3,
    ours: 'diskimg convert --passphrase-file {passphrase} -f qcow2 -O raw -q {disk-luks.qcow2} {out}',
    theirs: [
      `qemu-img convert ${SECRET} --image-opts driver=qcow2,encrypt.key-secret=key,file.filename={disk-luks.qcow2} -O raw {out}`,
    ],
  },
];

/** What we write, and what qemu-img writes instead where it cannot. */
const outputs: readonly { readonly what: string; readonly ours: string; readonly theirs: string }[] = [
  { what: 'raw', ours: '-O raw', theirs: '-O raw' },
  { what: 'vhd dynamic', ours: '-O vhd', theirs: `-O vpc ${VPC}` },
  { what: 'qcow2', ours: '-O qcow2', theirs: '-O qcow2' },
  { what: 'qcow2 -c zlib', ours: '-O qcow2 -c', theirs: '-O qcow2 -c' },
  { what: 'qcow2 -c zstd', ours: `-O qcow2 ${ZSTD}`, theirs: `-O qcow2 ${ZSTD}` },
  { what: 'zvhd (qemu: qcow2 zlib)', ours: '-O zvhd', theirs: '-O qcow2 -c' },
  { what: 'zvhd2 (qemu: qcow2 zstd)', ours: '-O zvhd2', theirs: `-O qcow2 ${ZSTD}` },
];

const fromRaw = (
  label: string,
  file: string,
  { what, ours, theirs }: (typeof outputs)[number],
): Conversion => ({
  name: `${label} → ${what}`,
  ours: `diskimg convert -f raw ${ours} -q {${file}} {out}`,
  theirs: [`qemu-img convert -f raw ${theirs} {${file}} {out}`],
});

/** zlib takes minutes, and would tell nothing new. */
const fillOutputs = outputs.filter(({ what }) => !what.includes('zlib'));

const fills = [0, 50, 100].flatMap((percent) => {
  const file = `fill-${percent}.raw`;
  return fillOutputs.map((output) => conversion('fills', file, fromRaw(`${percent} %`, file, output)));
});

const sparse = outputs.map((output) =>
  conversion('sparse', 'sparse.raw', { ...fromRaw('1 TiB', 'sparse.raw', output), limit: 1.5 }),
);

const infoOf = (file: string, theirs: readonly string[]): Case => ({
  name: `info ${file}`,
  group: 'info',
  ours: `diskimg info {${file}}`,
  ...(theirs.length > 0 && { theirs: { default: theirs } }),
  limit: 0.1,
});

const info = [
  ...['disk.raw', 'sparse.raw', 'disk.vhd', 'disk.qcow2', 'disk-zlib.qcow2'].map((file) =>
    infoOf(file, [`qemu-img info {${file}}`]),
  ),
  ...['disk.zvhd', 'disk.zvhd2'].map((file) => infoOf(file, [])),
];

const threads = outputs
  .filter(({ what }) => what.includes('-c') || what.includes('zvhd'))
  .map(({ what, ours }): Case => {
    // zlib takes long: half the data tells as much.
    const disk = what.includes('zstd') ? 'disk' : 'scale-4';
    const command = (count: number) =>
      `diskimg convert -f raw ${ours} --threads ${count} -q {${disk}.raw} {out}`;
    return {
      name: `${disk}.raw → ${what.replace(/ \(.*/, '')}, 2 threads`,
      group: 'threads',
      maxRuns: 3,
      ours: command(2),
      theirs: { default: [command(1)] },
    };
  });

/** Sizes of the disks of the group `scale`, in GiB. */
export const SCALE_SIZES = [1, 4, 16, 64] as const;

const scale = SCALE_SIZES.flatMap((size) =>
  outputs
    .filter(({ what }) => what.includes('zstd'))
    .map(
      ({ what, ours }): Case => ({
        name: `${size} GiB → ${what.replace(/ \(.*/, '')}`,
        group: 'scale',
        ours: `diskimg convert -f raw ${ours} -q {scale-${size}.raw} {out}`,
        dataBytes: (size * GiB) / 4,
        maxRuns: 3,
      }),
    ),
);

const limits: readonly Case[] = [
  {
    name: 'raw → raw, half full',
    group: 'limits',
    ours: 'diskimg convert -f raw -O raw -q {disk.raw} {out}',
    unflushed: 'diskimg convert -f raw -O raw -t unsafe -q {disk.raw} {out}',
    theirs: { default: ['cp --sparse=auto --reflink=never {disk.raw} {out}'] },
  },
  {
    name: 'raw → raw, no zeros',
    group: 'limits',
    ours: 'diskimg convert -f raw -O raw -q {fill-100.raw} {out}',
    unflushed: 'diskimg convert -f raw -O raw -t unsafe -q {fill-100.raw} {out}',
    theirs: { default: ['cp --sparse=never --reflink=never {fill-100.raw} {out}'] },
  },
];

/** In the order in which they are run: a run that is broken off has the ones with targets. */
export const cases: readonly Case[] = [
  ...targets.map((each) => conversion('targets', 'disk.raw', each)),
  ...sparse,
  ...info,
  ...threads,
  ...limits,
  ...scale,
  // What is encrypted is compared when it is plain again.
  ...encryption.map((each) => {
    const { expect, ...rest } = conversion('encryption', 'disk.raw', each);
    return expect?.format === 'raw' ? { ...rest, expect } : rest;
  }),
  ...fills,
  ...zvhd.map((each) => conversion('zvhd', 'disk.raw', each)),
  ...uploadCases,
];
