/** Opens a job's source and target on the thread that performs its tasks. */

import { outputOver } from '../conversion/output.ts';
import type { Workshop } from '../conversion/perform.ts';
import { writableFormatNamed } from '../formats/index.ts';
import { openFileTarget } from '../io/file-target.ts';
import type { Job } from './job.ts';
import { openJobImage } from './job-image.ts';

export async function openWorkshop({ source, target, writer, shared, ...settings }: Job): Promise<Workshop> {
  const outputWriter = writableFormatNamed(writer.format).writer(
    writer.virtualSize,
    writer.options,
    writer.context,
  );
  return {
    image: await openJobImage(source),
    target: openFileTarget(target),
    output: outputOver(outputWriter, shared.stored),
    turnstile: { memory: shared.turnstile },
    // Zeros are stored over a base, which would show otherwise.
    keepsZeros: writer.context.base !== undefined,
    ...settings,
  };
}
