/** What is asked of uploads beside speed against another program, as data: one number each, and what it may be at most. */

export interface FigureCase {
  readonly name: string;
  /** See convert/command.ts; the program prints the number. */
  readonly command: string;
  readonly unit: 's' | 'MiB' | 'parts' | 'bytes';
  /** The target. */
  readonly most?: number;
  /** How often it is run, where another run tells nothing new. */
  readonly maxRuns?: number;
}

const firstByte = (name: string, command: string): FigureCase => ({
  name: `first byte: ${name}`,
  command: `figure first-byte ${command}`,
  unit: 's',
});

const memory = (name: string, command: string): FigureCase => ({
  name: `memory: ${name}`,
  command: `figure memory ${command}`,
  unit: 'MiB',
  most: 128,
});

const memoryOfThreads = (name: string, command: string): FigureCase => ({
  name: `memory without the parts: ${name}`,
  command: `figure threads ${command}`,
  unit: 'MiB',
});

const twice = (name: string, command: string): FigureCase => ({
  name: `differing when made twice: ${name}`,
  command: `figure twice ${command}`,
  unit: 'parts',
  most: 0,
  maxRuns: 1,
});

const failing = (name: string, command: string): FigureCase => ({
  name: `wrong after failing requests: ${name}`,
  command: `figure failing ${command}`,
  unit: 'bytes',
  most: 0,
  maxRuns: 1,
});

export const figureCases: readonly FigureCase[] = [
  firstByte('raw → vhd', '-f raw -O vhd {disk.raw}'),
  firstByte('raw → vhd, after a scan', '-f raw -O vhd --scan {disk.raw}'),
  firstByte('qcow2 zlib → raw', '-f qcow2 -O raw {disk-zlib.qcow2}'),
  firstByte('raw → zvhd2', '-f raw -O zvhd2 {disk.raw}'),
  firstByte('raw → qcow2 -c', '-f raw -O qcow2 -c {disk.raw}'),
  firstByte('1 TiB, nearly empty → vhd', '-f raw -O vhd {sparse.raw}'),
  memory('raw → vhd', '-f raw -O vhd {scale-4.raw}'),
  memory('raw → raw', '-f raw -O raw {scale-4.raw}'),
  memory('raw → zvhd2', '-f raw -O zvhd2 {scale-4.raw}'),
  memory('raw → qcow2 -c', '-f raw -O qcow2 -c {scale-4.raw}'),
  memoryOfThreads('raw → vhd', '-f raw -O vhd {scale-4.raw}'),
  memoryOfThreads('raw → zvhd2', '-f raw -O zvhd2 {scale-4.raw}'),
  twice('raw → vhd', '-f raw -O vhd {fill-50.raw}'),
  twice('raw → qcow2', '-f raw -O qcow2 {fill-50.raw}'),
  twice('raw → zvhd2', '-f raw -O zvhd2 {fill-50.raw}'),
  twice('raw → qcow2 -c', '-f raw -O qcow2 -c {fill-50.raw}'),
  failing('raw → vhd', '-f raw -O vhd {fill-50.raw}'),
  failing('raw → zvhd2', '-f raw -O zvhd2 {fill-50.raw}'),
];

export const figuresTitle = 'Uploads: other figures';
export const figuresAbout = `Parts of 16 MiB. "First byte" is the time from the start of the process to the first byte that is given to the store; there is
no target. "Memory" is how much larger the process gets, at the most, than it was before the first part, its threads among it,
with eight parts under way: the parts alone have the 128 MiB that are wanted at most. "Without the parts" is the same with one
part of 1 MiB under way. The last two are counts: parts that are not the
same when they are made again in another order, and bytes by which an object differs from the file of \`convert\` when three of ten
requests to the store fail at random.`;
