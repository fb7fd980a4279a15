/** An opened image as data, so that another thread can open the same again: nothing is looked for a second time. */

import { formatNamed } from '../formats/index.ts';
import { concatenation } from '../image/concat.ts';
import { type DiskImage, diskImage } from '../image/image.ts';
import { openBlockingFileSource } from '../io/file-source.ts';
import type { ByteSource } from '../io/source.ts';

export interface JobFile {
  readonly path: string;
  readonly size: number;
  /** As its descriptor has it. */
  readonly version: string | undefined;
}

export interface JobLayer extends JobFile {
  readonly format: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly salvage: boolean;
  readonly dataFile?: JobFile;
  readonly backing?: JobImage;
}

/** One image with all below it, or several one behind the other. */
export type JobImage = JobLayer | { readonly parts: readonly JobImage[] };

/** Opens the image on the calling thread, which its reads block. */
export async function openJobImage(image: JobImage): Promise<DiskImage> {
  if ('parts' in image) return concatenation(await openAll(image.parts));
  const { path, size, version, format, options, salvage, dataFile, backing } = image;
  const source = openBlockingFileSource(path, size, version);
  const openDataFile = async (): Promise<ByteSource> => {
    if (dataFile === undefined) throw new TypeError(`${path} names a data file that the job does not have`);
    return openBlockingFileSource(dataFile.path, dataFile.size, dataFile.version);
  };
  const reader = await formatNamed(format).open(source, options, { openDataFile, salvage });
  return diskImage(format, source, reader, backing && (await openJobImage(backing)));
}

async function openAll(parts: readonly JobImage[]): Promise<DiskImage[]> {
  const images: DiskImage[] = [];
  for (const part of parts) images.push(await openJobImage(part));
  return images;
}
