/** The image on which a new one builds: `create -b`, `convert -B`. */

import { dirname, resolve } from 'node:path';
import { OptionError } from './errors.ts';
import { type FormatName, formatNamed } from './formats/index.ts';
import type { Format } from './image/format.ts';
import type { DiskImage } from './image/image.ts';
import type { OverlayBase } from './image/overlay.ts';
import { realPathOf } from './io/file-gate.ts';
import { requireOtherFile } from './io/file-output.ts';
import { lastModified } from './io/file-source.ts';
import { pathOf } from './io/source.ts';
import { openImage } from './open.ts';
import { requireUnpacked } from './sources.ts';

export interface BackingFile {
  /** Written into the image exactly as it is here: absolute, or relative to the folder of the new image. */
  readonly file: string;
  /** Its format. It is not guessed: a guest could make its raw disk look like another format, which is then believed. */
  readonly format: FormatName;
  /**
   * Do not open it: it need not exist, and `size` must be given. Otherwise it is opened once, without what it builds on,
   * to see that it is of its format, and to learn its size.
   */
  readonly unchecked?: boolean;
}

/**
 * What the overlay at `path` has to know of its base.
 * @throws OptionError `bad-option` for a format without overlays, or a name with a protocol; ImageIoError `same-file`;
 * what {@link openImage} throws, for the base
 */
export async function overlayBase(
  path: string,
  format: Format<FormatName>,
  backing: BackingFile,
): Promise<OverlayBase> {
  if (!format.hasOverlays) {
    throw new OptionError('bad-option', `${format.name} images do not build on others.`, {
      format: format.name,
      hint: 'Choose qcow2 or vhd, or leave the backing file out.',
    });
  }
  const name = backing.file;
  const baseFormat = formatNamed(backing.format).name;
  if (backing.unchecked) return { name, format: baseFormat };
  const place = resolve(dirname(path), requirePlain(name));
  await requireOtherFile(place, path);
  await using image = await openImage(place, { format: baseFormat, metadataOnly: true });
  requireUnpacked(image.source, 'be built on');
  const { uuid } = image.details.specific;
  return {
    name,
    format: baseFormat,
    opened: {
      virtualSize: image.virtualSize,
      ...(typeof uuid === 'string' && { uuid }),
      modified: await lastModified(place),
    },
  };
}

/** QEMU takes what stands before a colon for a protocol. @throws OptionError `bad-option` */
function requirePlain(name: string): string {
  if (!/^[^/\\]{2,}:/.test(name)) return name;
  throw new OptionError('bad-option', `${name} is not a plain name, but one with a protocol.`, {
    hint: `If it is the name of a file, write ./${name}.`,
  });
}

/** An image of a chain, by how many files down it stands. */
export interface ChainBase {
  readonly depth: number;
  readonly virtualSize: number;
}

/**
 * Where in the chain of `image` the base of the new image at `path` stands.
 * @throws OptionError `bad-option` when it is no part of it: nobody then knows what the two have in common
 */
export async function findInChain(image: DiskImage, path: string, { file }: BackingFile): Promise<ChainBase> {
  const wanted = await realPathOf(resolve(dirname(path), file));
  let depth = 1;
  for (let below = image.backing; below; below = below.backing) {
    const lower = pathOf(below.source);
    const found = lower && (await realPathOf(lower));
    if (found === wanted) return { depth, virtualSize: below.virtualSize };
    depth += 1;
  }
  throw new OptionError(
    'bad-option',
    `${file} is not in the chain of backing files of ${image.source.name}.`,
    {
      hint: 'Only what an image already builds on can be kept; without -B all of the disk is written.',
    },
  );
}
