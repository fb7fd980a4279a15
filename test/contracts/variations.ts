/**
 * What the laws are held for: every format of the registry with its own defaults, and the choices below. A new format
 * is held to all laws by its line in the registry alone.
 */

import { KiB, MiB } from '../../src/binary/align.ts';
import { type CreateOptions, type WritableName, writableFormats } from '../../src/formats/index.ts';
import { type Recipe, writerFor } from '../support/memory-images.ts';

export interface Variation extends Recipe {
  readonly name: string;
}

const choices: { readonly [N in WritableName]?: readonly CreateOptions<N>[] } = {
  vhd: [{ subformat: 'fixed' }],
  vhdx: [{ subformat: 'fixed' }, { blockSize: MiB }],
  qcow2: [
    { clusterSize: 512 },
    { clusterSize: 4 * KiB },
    { clusterSize: 2 * MiB },
    { compat: '0.10' },
    { compress: true },
    { compress: true, compat: '0.10' },
    { compress: true, compressionType: 'zstd' },
    { compress: true, clusterSize: 512 },
    { compress: true, clusterSize: 4 * KiB, compressionType: 'zstd' },
    { compress: true, clusterSize: 2 * MiB },
    { compress: true, clusterSize: 2 * MiB, compressionType: 'zstd', compressionLevel: 1 },
  ],
  vmdk: [{ compress: true }, { subformat: 'streamOptimized', compressionLevel: 1 }],
  zvhd: [{ compressionLevel: 1 }],
  zvhd2: [{ compressionType: 'zlib' }],
};

const optionsOf = (name: WritableName): readonly Readonly<Record<string, unknown>>[] => [
  {},
  ...(choices[name] ?? []),
];

export const variations: readonly Variation[] = writableFormats.flatMap((format) =>
  optionsOf(format.name).map((options) => ({
    name: [format.name, ...Object.entries(options).map(([key, value]) => `${key}=${value}`)].join(' '),
    format,
    options,
  })),
);

/** Every format once, as it is written when nothing is chosen. */
export const defaults: readonly Variation[] = variations.filter(
  ({ options }) => Object.keys(options).length === 0,
);

export const isLayout = (variation: Variation): boolean => writerFor(variation, MiB).kind === 'layout';
