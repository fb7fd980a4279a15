/** What the rules of clouds ask of an image, read from it: the facts of its file, and what is on its disk. */

import { tarMemberOf } from './archive/tar-member.ts';
import { CancelledError, ImageError } from './errors.ts';
import type { DiskContents } from './inspect/contents.ts';
import { type ByteSource, pathOf } from './io/source.ts';
import { type OpenedImage, type OpenImageOptions, openImage } from './open.ts';
import type { ImageFacts, VhdSizes } from './preflight/subject.ts';

/** An image, and what is on its disk. */
export interface Looked {
  readonly image: ImageFacts;
  readonly contents?: DiskContents;
  readonly unseen?: string;
  /** Of the file, where it is one. */
  readonly path?: string | undefined;
}

export interface LookLimits {
  readonly maxReadBytes: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * The image and its disk. The source is not closed; a tar archive is looked into.
 * @throws ImageError for what cannot be read
 */
export async function lookAll(
  source: ByteSource,
  opening: OpenImageOptions | undefined,
  limits: LookLimits,
): Promise<Looked & { readonly contents: DiskContents }> {
  const { image: own, facts } = await unarchived(source, opening);
  await using image = await openImage(own, opening);
  const { inspectDisk } = await import('./inspect/inspect-disk.ts');
  const contents = await inspectDisk(image, limits);
  return { image: { ...factsOf(image), ...facts }, contents, path: pathOf(source) };
}

/** The same as far as it can be read: its metadata at least, or an error. */
export async function lookInto(
  source: ByteSource,
  opening: OpenImageOptions | undefined,
  limits: LookLimits,
): Promise<Looked> {
  try {
    return await lookAll(source, opening, limits);
  } catch (error) {
    if (!(error instanceof ImageError) || error instanceof CancelledError) throw error;
    const { image: own, facts } = await unarchived(source, opening);
    // What keeps the disk from being read may leave the image to be judged: it is encrypted, or its backing file is missing.
    await using image = await openImage(own, { ...opening, metadataOnly: true }).catch(() => {
      throw error;
    });
    return {
      image: { ...factsOf(image), ...facts },
      unseen: `The disk cannot be read: [${error.code}] ${error.message}`,
      path: pathOf(source),
    };
  }
}

/** The image in the source, which stays open; and what it was packed in. A format that was said is that of the source. */
async function unarchived(
  source: ByteSource,
  opening: OpenImageOptions | undefined,
): Promise<{ readonly image: ByteSource; readonly facts: Partial<ImageFacts> }> {
  const found = opening?.format === undefined ? await tarMemberOf(source) : undefined;
  const { takenFrom } = source;
  const archiveMember = takenFrom?.member ?? found?.name;
  const facts = {
    name: source.name,
    ...(source.wrapper !== undefined && { wrapper: source.wrapper }),
    ...(archiveMember !== undefined && { archiveMember }),
    ...(takenFrom?.kind === 'ova' && { isInOva: true }),
  };
  return { image: { ...(found?.member ?? source), close: async () => {} }, facts };
}

/** What rules ask of an image. */
function factsOf({ source, format, virtualSize, details }: OpenedImage): ImageFacts {
  const { specific, encrypted, dirty, backingFile, snapshots, originalSize } = details;
  const subformat = subformatOf(format, specific);
  const dataFile = specific['data-file'];
  const parent = specific['parent-uuid'] ?? parentCid(specific);
  return {
    name: source.name,
    format,
    ...(subformat !== undefined && { subformat }),
    virtualSize,
    fileSize: source.size,
    isEncrypted: encrypted ?? false,
    isDirty: dirty ?? false,
    ...((backingFile !== undefined || parent !== undefined) && { backing: backingFile ?? '' }),
    ...(typeof dataFile === 'string' && { dataFile }),
    ...(hasExtentFiles(source, specific) && { hasExtentFiles: true }),
    snapshotCount: snapshots?.length ?? 0,
    ...(format === 'vhd' && { vhd: vhdSizes(specific) }),
    ...(originalSize !== undefined && { originalSize }),
  };
}

type Specific = OpenedImage['details']['specific'];

function subformatOf(format: string, specific: Specific): string | undefined {
  const value = format === 'vmdk' ? specific['create-type'] : specific.subformat;
  return typeof value === 'string' ? value : undefined;
}

const NO_PARENT = 0xffff_ffff;

const parentCid = ({ 'parent-cid': cid }: Specific): number | undefined =>
  typeof cid === 'number' && cid !== NO_PARENT ? cid : undefined;

/** A VMDK whose extents are other files than the one that was opened. */
function hasExtentFiles({ name }: ByteSource, { extents }: Specific): boolean {
  if (!Array.isArray(extents)) return false;
  const file = (path: string): string =>
    path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  return extents.some((one: unknown) => {
    const filename = (one as { readonly filename?: unknown } | null)?.filename;
    return typeof filename === 'string' && file(filename) !== file(name);
  });
}

function vhdSizes(specific: Specific): VhdSizes {
  const { heads, 'sectors-per-track': sectors } = specific.geometry as Readonly<Record<string, number>>;
  return {
    currentSize: specific['current-size'] as number,
    chsSize: specific['chs-size'] as number,
    rule: specific['size-rule'] as VhdSizes['rule'],
    cylinderSize: (heads ?? 0) * (sectors ?? 0) * 512,
  };
}
