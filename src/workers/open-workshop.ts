/** Opens a job's source and target on the thread that performs its tasks. */

import { outputOver } from '../conversion/output.ts';
import type { Workshop } from '../conversion/perform.ts';
import { formatNamed } from '../formats/index.ts';
import { diskImage } from '../image/image.ts';
import { openBlockingFileSource } from '../io/file-source.ts';
import { openFileTarget } from '../io/file-target.ts';
import type { Job } from './job.ts';

export async function openWorkshop({ source, target, writer, shared, ...settings }: Job): Promise<Workshop> {
  const bytes = openBlockingFileSource(source.path, source.size);
  const reader = await formatNamed(source.format).open(bytes, source.options);
  const outputWriter = formatNamed(writer.format).writer(writer.virtualSize, writer.options);
  return {
    image: diskImage(source.format, bytes, reader),
    target: openFileTarget(target.path, target),
    output: outputOver(outputWriter, shared.stored),
    turnstile: { memory: shared.turnstile },
    ...settings,
  };
}
