/** Checks images: is the metadata sound? Under qemu-img's names, with what was found as data. */

import { manifestProblems } from './archive/manifest.ts';
import { chosenMember } from './archive/ova.ts';
import { requireNotAborted, UnsupportedFeatureError, withDetails } from './errors.ts';
import { type FormatName, formatNamed, type OpenOptions } from './formats/index.ts';
import { collectFindings, type Finding } from './image/check.ts';
import { resolveOptions } from './image/options.ts';
import type { ImageInput } from './open.ts';
import { probe } from './probe.ts';
import { archiveIn, memberIn, openContainer, type SourceOptions } from './sources.ts';

export interface CheckOptions extends SourceOptions {
  /** Without it the bytes of the image tell. */
  readonly format?: FormatName;
  /** Options for opening an image of its format. */
  readonly options?: OpenOptions<FormatName>;
  /**
   * Decode every compressed block, too, and compare the disk of an OVA, and its descriptor, with the digests of its manifest.
   * False by default: only metadata is read.
   */
  readonly data?: boolean;
  readonly signal?: AbortSignal;
}

/** The keys of `qemu-img check --output=json`, `warnings` and `findings`. Counts that are 0 are left out, as there. */
export interface ImageCheck {
  readonly filename: string;
  readonly format: FormatName;
  /** Parts that could not be checked: always 0, because an image that cannot be checked throws. */
  readonly 'check-errors': number;
  /** File offset behind everything that is in use. */
  readonly 'image-end-offset'?: number;
  readonly 'total-clusters'?: number;
  readonly 'allocated-clusters'?: number;
  readonly 'fragmented-clusters'?: number;
  readonly 'compressed-clusters'?: number;
  /** How much contradicts itself: reading or writing the image loses data. */
  readonly corruptions?: number;
  /** Clusters that are lost space, and nothing worse. */
  readonly leaks?: number;
  readonly warnings?: number;
  /** The first 1000. */
  readonly findings: readonly Finding[];
}

/**
 * Walks all metadata of an image, which need not be one that can be read: nothing that it names is opened. What is
 * wrong with it is in the result; thrown is only what makes it impossible to check.
 * @throws UnsupportedFeatureError `no-check` for a format that has no check
 * @throws UnknownFormatError, CorruptImageError, UnsupportedFeatureError when not even a walk is possible
 * @throws BudgetError when more is in use than can be counted; ImageIoError; OptionError; CancelledError
 */
export async function checkImage(input: ImageInput, options: CheckOptions = {}): Promise<ImageCheck> {
  const { report, kept, count } = collectFindings();
  const requireRunning = () => requireNotAborted(options.signal);
  const container = await openContainer(input, options);
  let source = container;
  try {
    const archive = await archiveIn(container, options);
    if (archive) {
      if (options.data) {
        const { name } = chosenMember(archive, options.member);
        for (const { code, message, isCertain } of await manifestProblems(
          container,
          archive,
          name,
          requireRunning,
        )) {
          report[isCertain ? 'corruption' : 'warning'](code, () => message);
        }
      }
      source = await memberIn(container, archive, options);
    }
    const format = options.format === undefined ? (await probe(source)).format : formatNamed(options.format);
    const openOptions = resolveOptions(format.openOptions, options.options ?? {}, format.name);
    if (format.check === undefined) {
      throw new UnsupportedFeatureError('no-check', `There is nothing to check in a ${format.name} image.`, {
        format: format.name,
      });
    }
    const request = {
      options: openOptions,
      readsData: options.data ?? false,
      report,
      requireRunning,
    };
    const figures = await format.check(source, request).catch((error) => {
      throw withDetails(error, { format: format.name });
    });
    await source.requireUnchanged?.();
    return {
      filename: source.name,
      format: format.name,
      'check-errors': 0,
      ...unlessZero('image-end-offset', figures.imageEndOffset),
      ...unlessZero('total-clusters', figures.totalClusters),
      ...unlessZero('allocated-clusters', figures.allocatedClusters),
      ...unlessZero('fragmented-clusters', figures.fragmentedClusters),
      ...unlessZero('compressed-clusters', figures.compressedClusters),
      ...unlessZero('corruptions', count('corruption')),
      ...unlessZero('leaks', count('leak')),
      ...unlessZero('warnings', count('warning')),
      findings: kept,
    };
  } finally {
    await source.close();
  }
}

const unlessZero = <K extends string>(key: K, value: number | undefined): { readonly [P in K]?: number } =>
  (value ? { [key]: value } : {}) as { readonly [P in K]?: number };
