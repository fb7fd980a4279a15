/** Will a cloud take an image? Judged before the upload, from the image alone. */

import { MiB } from './binary/align.ts';
import { CancelledError, ImageError, OptionError } from './errors.ts';
import type { DiskContents } from './inspect/contents.ts';
import { inspectDisk } from './inspect/inspect-disk.ts';
import { type ByteSource, pathOf, readBytes } from './io/source.ts';
import { type ImageInput, type OpenedImage, type OpenImageOptions, openImage } from './open.ts';
import { fixesFor } from './preflight/fixes.ts';
import { judge, type PreflightReport } from './preflight/judge.ts';
import { parseProfile } from './preflight/parse-profile.ts';
import { targetSize } from './preflight/size.ts';
import type { ImageFacts, ImportFacts, VhdSizes } from './preflight/subject.ts';
import { profiles } from './profiles/index.ts';
import type { Profile } from './profiles/profile.ts';
import { openSource, type SourceInput } from './sources.ts';

export interface PreflightOptions extends ImportFacts {
  /** How to open the image; by default its bytes tell. */
  readonly input?: OpenImageOptions;
  /** Bytes of the disk that may be read; 16 MiB by default. */
  readonly maxReadBytes?: number;
  readonly signal?: AbortSignal;
}

/**
 * Judges an image by the rules of a cloud, a profile of ours by its name or one of {@link readProfile}. What cannot be
 * read (an encrypted image, one without its backing file) is in the report as not checked, with the reason.
 * @throws OptionError `bad-option` for a name or a fact that cannot be; ImageError for what is no image, or cannot be
 * opened at all; CancelledError
 */
export async function preflight(
  input: ImageInput,
  profile: string | Profile,
  options: PreflightOptions = {},
): Promise<PreflightReport> {
  const rules = typeof profile === 'string' ? profileNamed(profile) : profile;
  const { input: opening, maxReadBytes, signal, ...facts } = options;
  requireFacts(rules, facts);
  const looked = await lookInto(input, opening, { maxReadBytes, signal });
  const companion = companionEnding(rules, facts);
  const image = {
    ...looked.image,
    ...(companion !== undefined && looked.path !== undefined && (await companionOf(looked.path, companion))),
  };
  const size = rules.target && targetSize(image, looked.contents, rules.target);
  const name = typeof input === 'string' ? input : image.name;
  return judge(rules, {
    image,
    facts,
    fixes: fixesFor(name, rules, size === image.virtualSize ? undefined : size),
    ...(looked.contents && { contents: looked.contents }),
    ...(looked.unseen !== undefined && { unseen: looked.unseen }),
  });
}

/** @throws OptionError `bad-option` */
export function profileNamed(name: string): Profile {
  const found = profiles.find((profile) => profile.name === name);
  if (found) return found;
  throw new OptionError('bad-option', `There is no profile ${JSON.stringify(name)}.`, {
    hint: `Profiles: ${profiles.map((profile) => profile.name).join(', ')}; or a file of your own with --profile.`,
  });
}

/** A profile is some KiB; what is larger is none. */
const MAX_PROFILE = MiB;

/** Reads a profile of the user's. @throws OptionError `bad-profile`, with the place in it; ImageIoError */
export async function readProfile(input: SourceInput): Promise<Profile> {
  const source = await openSource(input, {});
  try {
    if (source.size > MAX_PROFILE) {
      throw new OptionError(
        'bad-profile',
        `${source.name} has ${source.size} bytes; a profile has at most ${MAX_PROFILE}.`,
      );
    }
    const bytes = await readBytes(source, 0, source.size, 'The profile');
    return parseProfile(new TextDecoder().decode(bytes));
  } finally {
    await source.close();
  }
}

/** @throws OptionError `bad-option` */
function requireFacts(profile: Profile, { import: kind, diskSize }: ImportFacts): void {
  if (kind === 'fast' && !profile.hasFastImport) {
    throw new OptionError('bad-option', `${profile.title} has one way to import, and no fast one.`, {
      hint: 'Leave --fast-import out.',
    });
  }
  if (diskSize !== undefined && !(Number.isSafeInteger(diskSize) && diskSize > 0)) {
    throw new OptionError('bad-option', `A disk of ${diskSize} bytes is not possible.`, {
      hint: 'Give the size of the disk that is chosen at registration: 40G.',
    });
  }
}

interface Looked {
  readonly image: ImageFacts;
  readonly contents?: DiskContents;
  readonly unseen?: string;
  /** Of the file, where it is one. */
  readonly path?: string | undefined;
}

/** The image as far as it can be read: its metadata at least, or an error. */
async function lookInto(
  input: ImageInput,
  opening: OpenImageOptions | undefined,
  limits: { readonly maxReadBytes: number | undefined; readonly signal: AbortSignal | undefined },
): Promise<Looked> {
  let failure: ImageError;
  try {
    await using image = await openImage(input, opening);
    const contents = await inspectDisk(image, limits);
    return { image: factsOf(image), contents, path: pathOf(image.source) };
  } catch (error) {
    if (!(error instanceof ImageError) || error instanceof CancelledError || isStream(input)) throw error;
    failure = error;
  }
  // What keeps the disk from being read may leave the image to be judged: it is encrypted, or its backing file is missing.
  await using image = await openImage(input, { ...opening, metadataOnly: true }).catch(() => {
    throw failure;
  });
  return {
    image: factsOf(image),
    unseen: `The disk cannot be read: [${failure.code}] ${failure.message}`,
    path: pathOf(image.source),
  };
}

/** A stream is there once; bytes and files can be opened again. */
const isStream = (input: ImageInput): boolean =>
  typeof input === 'object' && Symbol.asyncIterator in input && !('size' in input);

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
    ...(source.wrapper !== undefined && { wrapper: source.wrapper }),
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

/** The ending of the file that the rules for this import want beside the image. */
function companionEnding({ rules }: Profile, { import: kind = 'normal' }: ImportFacts): string | undefined {
  const rule = rules.find(
    ({ requires, when }) => requires.kind === 'companion-file' && (when?.import ?? kind) === kind,
  );
  return rule?.requires.kind === 'companion-file' ? rule.requires.ending : undefined;
}

async function companionOf(path: string, ending: string): Promise<Pick<ImageFacts, 'companion'>> {
  const name = path.replace(/\.[^./\\]+$/, '') + ending;
  try {
    const source = await openSource(name, {});
    const { size } = source;
    await source.close();
    return { companion: { name, size } };
  } catch (error) {
    if (!(error instanceof ImageError) || error.code !== 'not-found') throw error;
    return { companion: { name, size: undefined } };
  }
}
