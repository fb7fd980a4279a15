/** `diskimg convert --for CLOUD`: the cloud says what to convert into, and the result is judged by its rules. */

import {
  type ConvertForOptions,
  type ConvertForReport,
  convertFor,
  formatBySuffix,
  OptionError,
} from '../../index.ts';
import { type ConvertFlags, convertOptions } from '../convert-options.ts';
import { inputOf } from '../image-flags.ts';
import { importFacts, profileOf } from '../import-flags.ts';
import type { CliIo } from '../io.ts';
import { withProgress } from '../progress.ts';
import { printable, renderNotes } from '../render.ts';
import { renderPreflight } from '../render-preflight.ts';

/** @throws OptionError `bad-option`, `not-importable`; what converting throws */
export async function convertForCloud(
  sources: readonly string[],
  destination: string,
  flags: ConvertFlags,
  io: CliIo,
): Promise<void> {
  const profile = await profileOf(flags);
  const options = { ...askedOptions(sources, destination, flags, io), facts: importFacts(flags) };
  const report = await withProgress(flags, io, (onProgress) =>
    convertFor(inputOf(sources[0] as string, io), destination, profile, {
      ...options,
      signal: io.signal,
      onProgress,
    }),
  );
  if (report.preflight.verdict === 'fail' || (report.lost?.length ?? 0) > 0) io.setExitCode(1);
  if (flags.progress === 'json' || flags.quiet) return;
  io.err(renderNotes(report.notes) + renderChanges(destination, report));
  io.err(renderPreflight(report.preflight, { all: false, hasColor: false }));
}

/** What was said of the output, as far as it was. @throws OptionError `bad-option` */
function askedOptions(
  sources: readonly string[],
  destination: string,
  flags: ConvertFlags,
  io: CliIo,
): ConvertForOptions {
  const inTheWay = [
    ...(sources.length > 1 ? [['several images', 'convert them into one first'] as const] : []),
    ...(destination === '-'
      ? [['standard output', 'the result is judged when it is there: name a file'] as const]
      : []),
    ...(flags.existing ? [['-n', 'name a new file'] as const] : []),
    ...(flags.backing !== undefined ? [['-B', 'one file is uploaded, so it must be complete'] as const] : []),
    ...(flags.size === 'original' ? [['--size original', 'say the size in bytes'] as const] : []),
  ];
  for (const [what, hint] of inTheWay) {
    throw new OptionError('bad-option', `--for does not go with ${what}.`, {
      hint: `${hint.charAt(0).toUpperCase()}${hint.slice(1)}.`,
    });
  }
  // The ending of a name says a format as -O does; that of an archive says none.
  const asked = flags.outputFormat ?? formatBySuffix(destination)?.name;
  const parsed = convertOptions(destination, { ...flags, outputFormat: asked ?? 'raw' }, io);
  const { format, options, size, existing: _, backing: __, ...rest } = parsed;
  const hasOptions = Object.keys(options ?? {}).length > 0;
  if (hasOptions && asked === undefined) {
    throw new OptionError('bad-option', 'Options of a format are given, and no format.', {
      hint: 'Say it with -O.',
    });
  }
  return {
    ...rest,
    ...(asked !== undefined && { format }),
    ...(hasOptions && { options: { ...options } }),
    ...(typeof size === 'number' && { size }),
  };
}

function renderChanges(
  destination: string,
  { changes, outputFormat, virtualSize, fileSize }: ConvertForReport,
): string {
  const lines = changes.map(({ what, from, to, why }) => `  ${what}: ${from} → ${to}. ${why}`);
  return [
    `${destination}: ${outputFormat}, virtual size ${virtualSize} bytes, file ${fileSize} bytes`,
    ...(lines.length === 0 ? ['  nothing was changed but the file'] : lines),
    '',
  ]
    .map((line) => `${printable(line)}\n`)
    .join('');
}
