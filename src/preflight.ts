/** Will a cloud take an image? Judged before the upload, from the image alone. */

import { MiB } from './binary/align.ts';
import { ImageError, OptionError } from './errors.ts';
import { lookInto } from './image-facts.ts';
import { type ByteSource, readBytes } from './io/source.ts';
import type { ImageInput, OpenImageOptions } from './open.ts';
import { fixesFor } from './preflight/fixes.ts';
import { judge, type PreflightReport } from './preflight/judge.ts';
import { parseProfile } from './preflight/parse-profile.ts';
import { targetSize } from './preflight/size.ts';
import type { ImageFacts, ImportFacts } from './preflight/subject.ts';
import { profiles } from './profiles/index.ts';
import type { Profile } from './profiles/profile.ts';
import { openInput, openSource, type SourceInput } from './sources.ts';

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
  const { input: opening, maxReadBytes: _, signal: __, ...facts } = options;
  requireFacts(rules, facts);
  const source = await openInput(input, opening ?? {});
  try {
    const name = typeof input === 'string' ? input : source.name;
    return await judgeSource(source, { name, spoken: isStream(input) ? '-' : name }, rules, facts, options);
  } finally {
    await source.close();
  }
}

/** Commands know it as standard input. */
const isStream = (input: ImageInput): boolean =>
  typeof input === 'object' && Symbol.asyncIterator in input && !('size' in input);

async function judgeSource(
  source: ByteSource,
  /** What the image is called, and how a command names it. */
  { name, spoken }: { readonly name: string; readonly spoken: string },
  rules: Profile,
  facts: ImportFacts,
  { input: opening, maxReadBytes, signal }: PreflightOptions,
): Promise<PreflightReport> {
  const looked = await lookInto(source, opening, { maxReadBytes, signal });
  const companion = companionEnding(rules, facts);
  const image = {
    ...looked.image,
    name,
    ...(companion !== undefined && looked.path !== undefined && (await companionOf(looked.path, companion))),
  };
  const size = rules.target && targetSize(image, looked.contents, rules.target.sizeUnit);
  return judge(rules, {
    image,
    facts,
    fixes: fixesFor(spoken, rules, {
      facts,
      size: size === image.virtualSize ? undefined : size,
      member: opening?.member,
    }),
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
export function requireFacts(profile: Profile, { import: kind, diskSize }: ImportFacts): void {
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
