/** Converts an image into what a cloud takes, and judges the result by the cloud's rules. */

import { type ConvertOptions, type ConvertReport, convert } from './convert.ts';
import { OptionError } from './errors.ts';
import { writableFormatNamed } from './formats/index.ts';
import { lookAll } from './image-facts.ts';
import type { ByteSource } from './io/source.ts';
import { type ImageInput, openImage } from './open.ts';
import type { PreflightReport } from './preflight/judge.ts';
import { type AskedOutput, type ImportChange, type ImportPlan, planFor } from './preflight/plan-for.ts';
import type { ImportFacts } from './preflight/subject.ts';
import { preflight, profileNamed, requireFacts } from './preflight.ts';
import type { PrepareOptions } from './prepare.ts';
import type { Profile } from './profiles/profile.ts';
import { openInput } from './sources.ts';
import { writeArchive } from './write-archive.ts';

/** How to convert; `format`, `options` and `size` are the cloud's to choose, and what is said of them must fit. */
export type ConvertForOptions = Omit<ConvertOptions, 'format' | 'options' | 'size' | 'existing' | 'backing'> &
  AskedOutput & {
    /** What is known of the import. */
    readonly facts?: ImportFacts;
  };

export interface ConvertForReport extends ConvertReport {
  /** What the output has otherwise than the input, and why. */
  readonly changes: readonly ImportChange[];
  /** The result, judged. */
  readonly preflight: PreflightReport;
}

/**
 * Converts `input` for a cloud: format, subformat and size are what it takes. What no conversion makes right is refused
 * before anything is written.
 * @throws OptionError `not-importable` with the reasons; what {@link convert} and {@link preflight} throw
 */
export async function convertFor(
  input: ImageInput,
  outputPath: string,
  profile: string | Profile,
  options: ConvertForOptions = {},
): Promise<ConvertForReport> {
  const rules = typeof profile === 'string' ? profileNamed(profile) : profile;
  const { format, options: createOptions, size, facts = {}, ...how } = options;
  requireFacts(rules, facts);
  // Opened once, for what is piped in is there once.
  const source = await openInput(input, how.input ?? {});
  const shared: ByteSource = { ...source, close: async () => {} };
  try {
    const plan = await planOf(shared, outputPath, rules, options);
    const output = { format: writableFormatNamed(plan.format).name, options: plan.options, size: plan.size };
    const report =
      plan.archiveMember === undefined
        ? await convert(shared, outputPath, { ...how, ...output } as ConvertOptions) // options are checked by the format
        : await convertToArchive(shared, outputPath, plan.archiveMember, {
            ...how,
            ...output,
          } as ConvertOptions);
    return {
      ...report,
      changes: plan.changes,
      preflight: await preflight(outputPath, rules, { ...facts, ...(how.signal && { signal: how.signal }) }),
    };
  } finally {
    await source.close();
  }
}

/** @throws OptionError `not-importable`; what keeps the image from being read */
async function planOf(
  source: ByteSource,
  outputName: string,
  profile: Profile,
  { input, signal, format, options, size, facts = {} }: ConvertForOptions,
): Promise<ImportPlan> {
  const { image, contents } = await lookAll(source, input, { maxReadBytes: undefined, signal });
  const asked = {
    ...(format !== undefined && { format }),
    ...(options !== undefined && { options }),
    ...(size !== undefined && { size }),
  };
  return planFor(profile, { image, contents, facts, asked, outputName });
}

/** Endings that clouds know a packed archive by. */
const ARCHIVE = /\.(tar\.gz|tgz)$/i;

/** @throws OptionError `bad-option` for what only a file of its own can have */
async function convertToArchive(
  source: ByteSource,
  outputPath: string,
  member: string,
  options: ConvertOptions,
): Promise<ConvertReport> {
  const {
    verify,
    input,
    timeoutSeconds,
    maxOutputBytes = Infinity,
    flush = true,
    onProgress,
    ...output
  } = options;
  if (!ARCHIVE.test(outputPath)) {
    throw new OptionError('bad-option', `${outputPath} is to be an archive, and its name does not tell so.`, {
      hint: 'Give it a name that ends in .tar.gz.',
    });
  }
  if (verify || input?.salvage || timeoutSeconds !== undefined) {
    const what = verify
      ? 'An archive is not verified'
      : input?.salvage
        ? 'What is salvaged does not go'
        : 'There is no time limit for what goes';
    throw new OptionError('bad-option', `${what} into an archive.`, { hint: 'Convert to raw first.' });
  }
  const { sparseSize: _, ...prepared } = output;
  await using image = await openImage({ ...source, close: async () => {} }, input);
  const { format: inputFormat, virtualSize: inputVirtualSize } = image;
  const written = await writeArchive(source, outputPath, {
    member,
    prepare: { ...prepared, ...(input && { input }) } as PrepareOptions,
    flush,
    maxOutputBytes,
    ...(onProgress && {
      onProgress: ({ doneBytes, totalBytes, madeBytes }) =>
        onProgress({ doneBytes, totalBytes, writtenBytes: madeBytes }),
    }),
  });
  return { inputFormat, outputFormat: output.format, inputVirtualSize, ...written };
}
