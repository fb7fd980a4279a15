/** What to convert an image into for a cloud, what that changes, and what no conversion makes right. Pure. */

import { alignUp, GiB, SECTOR } from '../binary/align.ts';
import { OptionError } from '../errors.ts';
import type { DiskContents } from '../inspect/contents.ts';
import type { ImportTarget, Profile, RequirementKind } from '../profiles/profile.ts';
import { judge } from './judge.ts';
import { exactSize, plural } from './judgement.ts';
import { formatOf } from './rules/container.ts';
import { sizeReport, targetSize } from './size.ts';
import type { ImageFacts, ImportFacts } from './subject.ts';

/** What the user has said of the output; the rest is up to the cloud. */
export interface AskedOutput {
  readonly format?: string;
  readonly options?: Readonly<Record<string, unknown>>;
  /** Virtual size in bytes. */
  readonly size?: number;
}

/** Something that the output has otherwise than the image. */
export interface ImportChange {
  readonly what: 'format' | 'size' | 'archive' | 'chain' | 'snapshots' | 'encryption';
  readonly from: string;
  readonly to: string;
  /** A sentence. */
  readonly why: string;
}

export interface ImportPlan {
  readonly format: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Virtual size in bytes. */
  readonly size: number;
  /** The output is this member of a tar archive, packed with gzip. */
  readonly archiveMember?: string;
  readonly changes: readonly ImportChange[];
}

export interface PlanRequest {
  readonly image: ImageFacts;
  readonly contents: DiskContents;
  readonly facts: ImportFacts;
  readonly asked: AskedOutput;
  /** What the output is to be called. */
  readonly outputName: string;
}

/**
 * @throws OptionError `not-importable`, with all reasons, when the cloud would refuse the result, or its machines would
 * not start; OptionError `bad-option` for a profile that does not say what to convert into
 */
export function planFor(profile: Profile, request: PlanRequest): ImportPlan {
  const { target } = profile;
  if (target === undefined) {
    throw new OptionError('bad-option', `The profile ${profile.name} does not say what to convert into.`, {
      hint: 'Give it a target, or say the format with -O and leave the cloud out.',
    });
  }
  const { image, contents, asked } = request;
  const format = asked.format ?? target.format;
  const isTarget = format === target.format;
  const options = { ...(isTarget && target.options), ...asked.options };
  const size = asked.size ?? targetSize(image, contents, isTarget ? target.sizeUnit : undefined);
  const archiveMember = isTarget ? target.archiveMember : undefined;
  const output = outputFacts(request, { format, options, size, archiveMember });
  requireTaken(profile, request, output);
  return {
    format,
    options,
    size,
    ...(archiveMember !== undefined && { archiveMember }),
    changes: changesOf(image, output, target, profile.title),
  };
}

/** What rules will see of the output. */
function outputFacts(
  { outputName }: PlanRequest,
  plan: {
    format: string;
    options: Readonly<Record<string, unknown>>;
    size: number;
    archiveMember: string | undefined;
  },
): ImageFacts {
  const { format, options, size, archiveMember } = plan;
  const subformat = subformatOf(format, options);
  const virtualSize = isWholeGiB(format) ? alignUp(size, GiB) : size;
  return {
    name: outputName,
    format,
    ...(subformat !== undefined && { subformat }),
    virtualSize,
    // Of formats that pack their data it is known at the end only: see KNOWN_LATER.
    fileSize: size + (format === 'vhd' ? SECTOR : 0),
    ...(archiveMember !== undefined && { archiveMember, wrapper: 'gzip' }),
    isEncrypted: false,
    isDirty: false,
    snapshotCount: 0,
    ...(virtualSize !== size && { originalSize: size }),
  };
}

/** Their readers round up. */
const isWholeGiB = (format: string): boolean => format === 'zvhd' || format === 'zvhd2';

/** As a reader will name it. */
function subformatOf(format: string, options: Readonly<Record<string, unknown>>): string | undefined {
  const asked = typeof options.subformat === 'string' ? options.subformat : undefined;
  if (format === 'vhd' || format === 'vhdx') return asked ?? 'dynamic';
  if (format === 'vmdk') return options.compress === true ? 'streamOptimized' : (asked ?? 'monolithicSparse');
  return asked;
}

const isSizeKnown = ({ format, subformat }: ImageFacts): boolean =>
  format === 'raw' || (format === 'vhd' && subformat === 'fixed');

/** What is judged when the output is there. */
const KNOWN_LATER: readonly RequirementKind[] = ['file-size', 'file-size-over-disk', 'companion-file'];

/** @throws OptionError `not-importable` */
function requireTaken(profile: Profile, { contents, facts }: PlanRequest, output: ImageFacts): void {
  const later = new Set(
    profile.rules
      .filter(
        ({ requires: { kind } }) =>
          KNOWN_LATER.includes(kind) && !(kind === 'file-size' && isSizeKnown(output)),
      )
      .map(({ id }) => id),
  );
  const report = judge(profile, { image: output, contents, facts, fixes: { resized: () => undefined } });
  const failures = report.rules.filter(({ verdict, rule }) => verdict === 'fail' && !later.has(rule));
  if (failures.length === 0) return;
  const reasons = failures.map(({ rule, reason = '', wanted, advice }) =>
    [`${rule}: ${reason}`, `Wanted: ${wanted}.`, ...(advice === undefined ? [] : [advice])].join(' '),
  );
  throw new OptionError(
    'not-importable',
    `${profile.title} would not take the result. ${reasons.join(' ')}`,
    {
      format: output.format,
      hint: 'To convert all the same, leave the cloud out and say the format with -O; preflight shows every rule.',
    },
  );
}

function changesOf(
  image: ImageFacts,
  output: ImageFacts,
  target: ImportTarget,
  cloud: string,
): readonly ImportChange[] {
  const size = output.originalSize ?? output.virtualSize;
  const { roundedUp } = sizeReport(image, {});
  const isFormatNew = formatOf(image) !== formatOf(output);
  const isAsked = output.format !== target.format;
  return [
    ...(isFormatNew
      ? [
          {
            what: 'format',
            from: formatOf(image),
            to: formatOf(output),
            why: isAsked ? `It was asked for, and ${cloud} takes it.` : sentence(target.why),
          } as const,
        ]
      : []),
    ...(size !== image.virtualSize
      ? [
          {
            what: 'size',
            from: exactSize(image.virtualSize),
            to: exactSize(size),
            why:
              roundedUp?.meantSize === size
                ? 'The VHD had been rounded up to whole cylinders; this is what was meant, and only zeros are cut off.'
                : target.sizeUnit !== undefined && size % target.sizeUnit === 0
                  ? `The size must be whole ${target.sizeUnit === GiB ? 'GiB' : `multiples of ${exactSize(target.sizeUnit)}`}; zeros are added.`
                  : 'It was asked for.',
          } as const,
        ]
      : []),
    ...(output.virtualSize !== size
      ? [
          {
            what: 'size',
            from: exactSize(size),
            to: exactSize(output.virtualSize),
            why: `A ${output.format.toUpperCase()} is read as whole GiB: choose a disk of ${output.virtualSize / GiB} GiB or more.`,
          } as const,
        ]
      : []),
    ...(output.archiveMember !== undefined
      ? [
          {
            what: 'archive',
            from: 'one file',
            to: `${output.archiveMember} in a tar archive of old GNU flavour, compressed with gzip`,
            why: `${cloud} takes nothing else.`,
          } as const,
        ]
      : []),
    ...(image.isInOva && image.archiveMember !== undefined
      ? [
          {
            what: 'archive',
            from: `${image.archiveMember} in an OVA`,
            to: 'a file of its own',
            why: 'Each disk is converted by itself.',
          } as const,
        ]
      : []),
    ...(image.isEncrypted
      ? [
          {
            what: 'encryption',
            from: 'encrypted',
            to: 'not encrypted',
            why: 'The cloud has no key for it: whoever has the file can read the disk.',
          } as const,
        ]
      : []),
    ...(image.backing !== undefined
      ? [
          {
            what: 'chain',
            from: `built on ${image.backing === '' ? 'another image' : JSON.stringify(image.backing)}`,
            to: 'complete',
            why: 'One file is uploaded.',
          } as const,
        ]
      : []),
    ...(image.snapshotCount > 0
      ? [
          {
            what: 'snapshots',
            from: plural(image.snapshotCount, 'internal snapshot'),
            to: 'none',
            why: 'Only the state that was read is converted.',
          } as const,
        ]
      : []),
  ];
}

const sentence = (words: string): string => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
