/** `diskimg convert … -`: the output leaves through standard output while it is made. */

import {
  BudgetError,
  CancelledError,
  ImageIoError,
  OptionError,
  type PrepareOptions,
  prepare,
} from '../../index.ts';
import { type ConvertFlags, convertOptions } from '../convert-options.ts';
import { inputsOf } from '../image-flags.ts';
import type { CliIo } from '../io.ts';
import { withProgress } from '../progress.ts';
import { humanSize, renderNotes } from '../render.ts';

/** Flags that only a file can have, and why. */
const FILES_ONLY: readonly (readonly [flag: keyof ConvertFlags, name: string, why: string])[] = [
  ['existing', '-n', 'a pipe has nothing in it'],
  ['verify', '--verify', 'what has left cannot be read back: compare at the other end, with diskimg digest'],
  ['salvage', '--salvage', 'what is lost is known only at the end'],
  ['backing', '-B', 'an overlay stands beside its base'],
];

/** @throws OptionError `bad-option` for what a pipe cannot have */
function requirePipeFlags(flags: ConvertFlags, io: CliIo): void {
  for (const [flag, name, why] of FILES_ONLY) {
    if (flags[flag] === undefined) continue;
    throw new OptionError('bad-option', `${name} is not possible with standard output: ${why}.`, {
      hint: 'Name a file for the output.',
    });
  }
  if (flags.outputFormat === undefined) {
    throw new OptionError('bad-option', 'Standard output has no name that tells the format.', {
      hint: 'Say it with -O.',
    });
  }
  if (io.isOutputTerminal) {
    throw new OptionError('bad-option', 'An image is nothing for a terminal.', {
      hint: 'Send it to a program or a file: diskimg convert -O vhd disk.qcow2 - | …',
    });
  }
}

export async function convertToPipe(
  sources: readonly string[],
  flags: ConvertFlags,
  io: CliIo,
): Promise<void> {
  requirePipeFlags(flags, io);
  const { timeout, maxOutput = Infinity } = flags;
  const deadline = timeout === undefined ? undefined : AbortSignal.timeout(timeout * 1000);
  const signal = deadline ? AbortSignal.any([io.signal, deadline]) : io.signal;
  const { format, options, input, size, threads, maxExpansion, reproducible } = convertOptions(
    '-',
    flags,
    io,
  );
  const wanted = {
    ...{ format, options, input, signal },
    ...(size !== undefined && { size }),
    ...(threads !== undefined && { threads }),
    ...(maxExpansion !== undefined && { maxExpansion }),
    ...(reproducible && { reproducible }),
    ...(flags.scan && { scan: 'data' }),
  } as PrepareOptions; // checked against the declarations of the formats by the library
  const tells = flags.progress !== 'json' && !flags.quiet;
  try {
    await withProgress(flags, io, async (onProgress) => {
      await using output = await prepare(inputsOf(sources, io), wanted);
      if (tells) io.err(renderNotes(output.notes));
      if (tells && output.kind === 'sequential' && output.isHeadLast) io.err(spoolNote(output.maxSize));
      let fileSize = 0;
      const stream = output.stream({
        signal,
        onProgress: ({ doneBytes, totalBytes, madeBytes }) =>
          onProgress({ doneBytes, totalBytes, ...{ writtenBytes: madeBytes } }),
      });
      for await (const chunk of stream) {
        fileSize += chunk.length;
        requireOutputBytes(fileSize, maxOutput);
        if (signal.aborted) throw new CancelledError({ cause: signal.reason });
        if (!(await io.write(chunk))) throw nobodyReads(fileSize);
      }
      return { outputFormat: format, virtualSize: output.virtualSize, fileSize, notes: output.notes };
    });
  } catch (error) {
    if (!(error instanceof CancelledError) || !deadline?.aborted) throw error;
    throw new BudgetError('over-budget', `The conversion took longer than ${timeout} s.`, {
      hint: 'Allow more with --timeout.',
      cause: error,
    });
  }
}

const spoolNote = (maxSize: number): string =>
  renderNotes([
    {
      code: 'spooled',
      message: `The head of a compressed qcow2 is known last: the output is made in a temporary file first, of at most ${humanSize(maxSize)}.`,
    },
  ]);

/** @throws BudgetError */
function requireOutputBytes(size: number, most: number): void {
  if (size <= most) return;
  throw new BudgetError('over-budget', `The output has more than ${most} bytes.`, {
    hint: 'Allow more with --max-output, or choose a compressed format.',
  });
}

/** A reader that has gone has only a part of the image. */
const nobodyReads = (fileSize: number): ImageIoError =>
  new ImageIoError('write-failed', `Nobody reads the output any more, after ${fileSize} bytes.`, {
    hint: 'The program at the other end of the pipe has ended: what it has is not complete.',
  });
