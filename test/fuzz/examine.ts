/**
 * Holds every reader to its laws over the bytes of one image, sound or not: it is refused with an error of ours, or it
 * reads, and then everything that can be asked of it agrees.
 */

import { keySlot, LUKS1_HEADER_LENGTH, luksHeader } from '../../src/encryption/luks1.ts';
import {
  checkImage,
  type FormatName,
  formats,
  ImageError,
  imageInfo,
  mapImage,
  type OpenedImage,
  type OpenImageOptions,
  openImage,
} from '../../src/index.ts';
import { memorySource } from '../../src/io/memory.ts';
import type { Random } from './random.ts';

/** Extents that are looked at; of a hostile size there would be no end. */
const MAX_EXTENTS = 400;
/** Guest bytes that are read at once. */
const MAX_WINDOW = 64 * 1024;
/** Blocks as large as this take milliseconds to decode. */
const LARGE_BLOCK = 1024 * 1024;

/** Something that breaks a law, and is no crash. */
export class BrokenLaw extends Error {}

export interface Examined {
  /** How the image was taken, opened as what it was made as: `read`, or the code of its refusal. */
  readonly outcome: string;
  /** What a good engine never does. */
  readonly finds: readonly string[];
}

export async function examine(
  bytes: Uint8Array,
  format: FormatName,
  companion: Uint8Array | undefined,
  random: Random,
): Promise<Examined> {
  const finds: string[] = [];
  let namesOthers = false;
  const resolve = () => {
    namesOthers = true;
    if (random.oneIn(40)) return memorySource(bytes, 'itself');
    return companion && memorySource(companion, 'the companion');
  };
  /** What came of it: a value, or an error's code. */
  async function attempt<T>(what: string, act: () => Promise<T>): Promise<T | { readonly code: string }> {
    try {
      return await act();
    } catch (error) {
      const find = findIn(error);
      if (find !== undefined) finds.push(`${what}: ${find}`);
      return { code: error instanceof ImageError ? error.code : 'none' };
    }
  }
  /** Where extents may point to; of other files it is not known. */
  const fileSize = (): number => (namesOthers ? Number.POSITIVE_INFINITY : bytes.length);
  const opening = (options: OpenImageOptions) => attempt('open', () => openImage(bytes, options));
  const isOpened = (opened: OpenedImage | { readonly code: string }): opened is OpenedImage =>
    'virtualSize' in opened;

  const options = optionsFor(format, bytes, random);
  // A budget is one line of defence, and hides the others.
  const budget = random.oneIn(2) ? { maxVirtualSize: Number.MAX_SAFE_INTEGER } : {};
  const secret = format === 'luks' && random.oneIn(5) && isCheap(bytes) ? { passphrase: 'secret' } : {};
  const opened = await opening({ format, resolve, ...budget, ...options, ...secret } as OpenImageOptions);
  let outcome = isOpened(opened) ? 'read' : opened.code;
  if (isOpened(opened)) {
    const read = await attempt('read', () => requireLaws(opened, fileSize(), random));
    if (read !== true) outcome = read.code;
    await opened.close();
  }
  if (random.oneIn(2)) {
    const described = await opening({ format, metadataOnly: true });
    if (isOpened(described)) await attempt('info', async () => requireInfo(described));
  }
  if (random.oneIn(4)) {
    const probed = await opening({ resolve });
    if (isOpened(probed)) await attempt('read, probed', () => requireLaws(probed, fileSize(), random));
  }
  if (outcome !== 'read' && random.oneIn(2)) {
    const salvaged = await opening({ format, resolve, salvage: true, ...budget });
    if (isOpened(salvaged)) await attempt('salvage', () => requireLaws(salvaged, fileSize(), random));
  }
  if (random.oneIn(8)) {
    const other = await opening({ format: random.pick(formats).name });
    if (isOpened(other)) await attempt('read as another', () => requireLaws(other, bytes.length, random));
  }
  if (!random.oneIn(3)) return { outcome, finds };
  const data = random.oneIn(format.startsWith('zvhd') ? 12 : 3);
  const checked = await attempt('check', () => checkImage(bytes, { format, data }));
  if ('findings' in checked)
    await attempt('check', async () =>
      requireReport(checked, options || namesOthers ? 'read' : outcome, data),
    );
  return { outcome, finds };
}

/** Does it take no more than a moment to try a passphrase? */
function isCheap(bytes: Uint8Array): boolean {
  if (bytes.length < LUKS1_HEADER_LENGTH) return true;
  let iterations = luksHeader.decode(bytes, 0).mkDigestIterations;
  for (let at = luksHeader.size; at < LUKS1_HEADER_LENGTH; at += keySlot.size) {
    iterations += keySlot.decode(bytes.subarray(at), at).iterations;
  }
  return iterations < 200_000;
}

/** The options of a format that change how it is read, now and then. */
function optionsFor(format: FormatName, bytes: Uint8Array, random: Random): object | undefined {
  if (!random.oneIn(4)) return undefined;
  if (format === 'vhd') return { options: { size: random.pick(['current', 'chs'] as const) } };
  const hasSnapshots = format === 'qcow2' && bytes[63] !== 0;
  return hasSnapshots ? { options: { snapshot: random.pick(['1', '2']) } } : undefined;
}

/** What is wrong with an error, if anything. */
function findIn(error: unknown): string | undefined {
  if (error instanceof BrokenLaw) return `law: ${error.message}`;
  if (!(error instanceof ImageError)) return error instanceof Error ? `${error.stack}` : String(error);
  const { code, message, fileOffset, guestOffset } = error;
  if (message === '' || /undefined|NaN|\[object|Infinity/.test(message))
    return `law: the message '${message}'`;
  for (const [what, value] of Object.entries({ fileOffset, guestOffset })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
      return `law: ${what} ${value} of ${code}, '${message}'`;
    }
  }
  if (code === 'worker-failed') return `law: ${code}, '${message}'`;
  return undefined;
}

const requireLaw = (holds: boolean, message: () => string): void => {
  if (!holds) throw new BrokenLaw(message());
};

async function requireLaws(image: OpenedImage, fileSize: number, random: Random): Promise<true> {
  requireInfo(image);
  const starts = await requireTiling(image, fileSize);
  if (random.oneIn(2)) await requireMap(image);
  const isLarge = image.unit >= LARGE_BLOCK && !['vhd', 'vhdx', 'vdi'].includes(image.format);
  if (isLarge && !random.oneIn(4)) return true;
  const { virtualSize } = image;
  for (let count = isLarge ? 1 : 2; count > 0 && virtualSize > 0; count--) {
    const middle = random.oneIn(3) || starts.length === 0 ? random.below(virtualSize) : random.pick(starts);
    const from = Math.max(0, Math.min(virtualSize - 1, middle - random.below(MAX_WINDOW / 2)));
    const to = Math.min(virtualSize, from + 1 + random.below(MAX_WINDOW));
    await requireSameBytes(image, from, to, random);
  }
  return true;
}

/** Extents are sorted and gapless, and never point past the end of the file. */
async function requireTiling(image: OpenedImage, fileSize: number): Promise<readonly number[]> {
  const { virtualSize } = image;
  const starts: number[] = [];
  let at = 0;
  for await (const extent of image.extents()) {
    const { guestOffset, length, kind } = extent;
    requireLaw(guestOffset === at, () => `an extent from ${guestOffset}, expected ${at}`);
    requireLaw(length > 0 && Number.isSafeInteger(length), () => `an extent of ${length} bytes`);
    at = guestOffset + length;
    requireLaw(at <= virtualSize, () => `an extent up to ${at} on a disk of ${virtualSize}`);
    const isOwn = (extent.depth ?? 0) === 0;
    if (kind === 'data' && isOwn) {
      const end = extent.fileOffset + length;
      requireLaw(extent.fileOffset >= 0 && end <= fileSize, () => `data up to ${end} in ${fileSize} bytes`);
    }
    if (kind === 'packed' && isOwn) {
      const end = extent.fileOffset + extent.storedLength;
      requireLaw(extent.storedLength > 0, () => `a packed extent of ${extent.storedLength} bytes`);
      requireLaw(extent.fileOffset >= 0 && end <= fileSize, () => `packed up to ${end} in ${fileSize} bytes`);
    }
    if (kind !== 'zero') starts.push(guestOffset);
    if (starts.length < MAX_EXTENTS && at < virtualSize) continue;
    if (at < virtualSize) return starts;
  }
  requireLaw(at === virtualSize, () => `extents up to ${at} on a disk of ${virtualSize}`);
  return starts;
}

async function requireMap(image: OpenedImage): Promise<void> {
  let at = 0;
  let count = 0;
  for await (const { start, length, offset } of mapImage(image)) {
    requireLaw(
      start === at && length > 0,
      () => `a map entry of ${length} bytes from ${start}, expected ${at}`,
    );
    requireLaw(offset === undefined || offset >= 0, () => `a map entry at ${offset}`);
    at += length;
    count += 1;
    if (count >= MAX_EXTENTS) return;
  }
  requireLaw(at === image.virtualSize, () => `a map up to ${at} of a disk of ${image.virtualSize}`);
}

/** A range reads as its parts do, and as its extents say. */
async function requireSameBytes(image: OpenedImage, from: number, to: number, random: Random): Promise<void> {
  const parts = new Uint8Array(to - from).fill(0x5a);
  const whole = new Uint8Array(to - from).fill(0xa5);
  const fails = async (act: () => Promise<void>): Promise<unknown> => {
    try {
      await act();
      return undefined;
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      return error;
    }
  };
  const wholeError = await fails(() => image.read(whole, from));
  const partsError = await fails(async () => {
    for (let at = from; at < to; ) {
      const end = Math.min(to, at + 1 + random.below(MAX_WINDOW / 3));
      await image.read(parts.subarray(at - from, end - from), at);
      at = end;
    }
  });
  requireLaw(
    (wholeError === undefined) === (partsError === undefined),
    () => `[${from}, ${to}) reads in one way only: ${wholeError ?? partsError}`,
  );
  if (wholeError !== undefined) throw wholeError;
  requireLaw(Buffer.compare(whole, parts) === 0, () => `[${from}, ${to}) reads as other bytes in parts`);
  for await (const extent of image.extents(from, to)) {
    if (extent.kind !== 'zero') continue;
    const zeros = whole.subarray(extent.guestOffset - from, extent.guestOffset + extent.length - from);
    requireLaw(
      zeros.every((byte) => byte === 0),
      () => `the zeros from ${extent.guestOffset} are none`,
    );
  }
}

/** What is told of an image is JSON, and every number in it is one. */
function requireInfo(image: OpenedImage): void {
  const info = imageInfo(image);
  requireLaw(Number.isSafeInteger(image.virtualSize), () => `a virtual size of ${image.virtualSize}`);
  JSON.stringify(info, (key, value) => {
    if (typeof value === 'number' && !Number.isFinite(value)) throw new BrokenLaw(`info: ${key} is ${value}`);
    return value;
  });
}

function requireReport(
  { corruptions = 0, findings }: Awaited<ReturnType<typeof checkImage>>,
  outcome: string,
  readData: boolean,
): void {
  for (const { message, fileOffset, guestOffset, code } of findings) {
    const isSound = !/undefined|NaN|\[object|Infinity/.test(message);
    requireLaw(isSound, () => `the message '${message}'`);
    for (const value of [fileOffset, guestOffset]) {
      const isPlace = value === undefined || (Number.isSafeInteger(value) && value >= 0);
      requireLaw(isPlace, () => `a finding ${code} at ${value}: ${message}`);
    }
  }
  // What a reader calls damaged a check finds, too.
  const isDamage = DAMAGE.includes(outcome) && (readData || outcome !== 'bad-data');
  requireLaw(!(isDamage && corruptions === 0), () => `a check finds nothing, a reader ${outcome}`);
}

const DAMAGE = ['truncated', 'bad-header', 'bad-checksum', 'bad-table', 'bad-reference', 'bad-data'];
