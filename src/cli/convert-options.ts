/** What the flags of `convert` ask of the library. */

import {
  type BackingFile,
  type ConvertOptions,
  type FormatName,
  formatNamed,
  OptionError,
} from '../index.ts';
import { type TrustFlags, trustRules } from './image-flags.ts';
import type { ImportFlags } from './import-flags.ts';
import { outputFormat, type Pair, sortOptions, sourceDateEpoch } from './options.ts';
import { outputPassphraseOf, type SecretIo } from './passphrase.ts';
import type { ProgressFlags } from './progress.ts';

/** qemu-img's words. Node cannot choose how a file is cached; what it can is to flush it or not. */
export const CACHE_MODES = ['writeback', 'unsafe', 'none', 'writethrough', 'directsync'] as const;

/** The options as commander gives them. */
export interface ConvertFlags extends ProgressFlags, TrustFlags, ImportFlags {
  readonly inputFormat?: FormatName;
  readonly outputFormat?: FormatName;
  readonly compress?: true;
  readonly options: readonly Pair[];
  readonly sparseSize?: number;
  readonly sparse: 'on' | 'off';
  readonly size?: number | 'original';
  readonly threads?: number;
  readonly cache: (typeof CACHE_MODES)[number];
  readonly snapshot?: string;
  readonly existing?: true;
  readonly backing?: string;
  readonly backingFormat?: FormatName;
  readonly salvage?: true;
  readonly verify?: true;
  readonly outputPassphraseFile?: string;
  readonly maxOutput?: number;
  readonly timeout?: number;
  readonly reproducible?: true;
  readonly scan?: true;
}

/** What is asked of the library. @throws OptionError `bad-option` */
export function convertOptions(destination: string, flags: ConvertFlags, io: SecretIo): ConvertOptions {
  const output = outputFormat(flags.outputFormat, destination);
  const { create, open } = sortOptions(flags.options, output, flags.inputFormat);
  const sparseSize = flags.sparse === 'off' ? 0 : flags.sparseSize;
  return {
    format: output,
    options: { ...create, ...(flags.compress && compression(output)) },
    input: {
      ...(flags.inputFormat && { format: flags.inputFormat }),
      options: { ...open, ...(flags.snapshot !== undefined && { snapshot: flags.snapshot }) },
      ...trustRules(flags, io),
      ...(flags.salvage && { salvage: true }),
    },
    outputPassphrase: outputPassphraseOf(flags.outputPassphraseFile, flags.passphraseFile, io),
    ...(flags.size !== undefined && { size: flags.size }),
    ...(flags.threads !== undefined && { threads: flags.threads }),
    ...(sparseSize !== undefined && { sparseSize }),
    ...(flags.cache === 'unsafe' && { flush: false }),
    ...(flags.existing && { existing: true }),
    ...(flags.verify && { verify: true }),
    ...(flags.maxOutput !== undefined && { maxOutputBytes: flags.maxOutput }),
    ...(flags.maxExpansion !== undefined && { maxExpansion: flags.maxExpansion }),
    ...(flags.timeout !== undefined && { timeoutSeconds: flags.timeout }),
    ...(flags.backing !== undefined && { backing: backingFile(flags.backing, flags.backingFormat) }),
    ...(flags.reproducible && { reproducible: { timestamp: sourceDateEpoch(io.env) } }),
  } as ConvertOptions; // checked against the declarations of the formats by the library
}

/** `-c`, for a format. @throws OptionError `bad-option` for one that has no compression */
export function compression(output: FormatName): { readonly compress?: true } {
  const kind = formatNamed(output).compression;
  if (kind !== 'never') return kind === 'optional' ? { compress: true } : {};
  throw new OptionError('bad-option', `-c: ${output} has no compression.`, {
    format: output,
    hint: 'Leave -c out, or choose qcow2, vmdk, zvhd or zvhd2.',
  });
}

/** @throws OptionError `bad-option` */
function backingFile(file: string, format: FormatName | undefined): BackingFile {
  if (format) return { file, format };
  throw new OptionError('bad-option', '-B needs the format of the backing file.', {
    hint: 'Say it with -F: a guest could make its raw disk look like another format.',
  });
}
