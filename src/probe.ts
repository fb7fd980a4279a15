/** Which format answers for the bytes of a source. */

import { UnknownFormatError } from './errors.ts';
import { type FormatName, formatBySuffix, formatNamed, formats } from './formats/index.ts';
import { type Format, PROBE_LENGTH, type ProbeSample } from './image/format.ts';
import type { Note } from './image/reader.ts';
import type { ByteSource } from './io/source.ts';
import { remarksOnRaw, requireNotKnown } from './known-formats.ts';

/** The format, and what there is to say of bytes that are taken as raw. */
export interface Probed {
  readonly format: Format<FormatName>;
  readonly remarks: readonly Note[];
}

/**
 * @throws UnknownFormatError `ambiguous-format`, or `unknown-format` for what only its name says to be an image;
 * UnsupportedFeatureError for a format that is known by sight only
 */
export async function probe(source: ByteSource): Promise<Probed> {
  const sample = await probeSample(source);
  const answers = formats.filter((format) => format.probe(sample));
  if (answers.length > 1) {
    const names = answers.map(({ name }) => name).join(' and ');
    throw new UnknownFormatError('ambiguous-format', `${source.name} can be read as ${names}.`, {
      hint: 'Say which with -f, if you trust where it comes from.',
    });
  }
  const [format] = answers;
  if (format) return { format, remarks: [] };
  requireNotKnown(sample, source.name);
  return { format: rawUnlessNamedOtherwise(source.name), remarks: await remarksOnRaw(source) };
}

async function probeSample(source: ByteSource): Promise<ProbeSample> {
  const length = Math.min(PROBE_LENGTH, source.size);
  const head = new Uint8Array(length);
  const tail = new Uint8Array(length);
  await source.read(head, 0);
  await source.read(tail, source.size - length);
  return { head, tail, size: source.size };
}

/** Half a download of a fixed VHD looks like raw: what its name says is believed enough to ask. */
function rawUnlessNamedOtherwise(name: string): Format<FormatName> {
  const raw = formatNamed('raw');
  const named = formatBySuffix(name);
  if (named === undefined || named === raw) return raw;
  throw new UnknownFormatError('unknown-format', `${name} is named like ${named.name}, but holds none.`, {
    fileOffset: 0,
    hint: 'It is damaged or incomplete; or, if these are the bytes of a disk, say -f raw.',
  });
}
