/** An opened image as data, so that another thread can open the same again: nothing is looked for a second time. */

import { formatNamed } from '../formats/index.ts';
import { concatenation } from '../image/concat.ts';
import { type DiskImage, diskImage } from '../image/image.ts';
import { openBlockingFileSource } from '../io/file-source.ts';
import { partOf } from '../io/part.ts';
import type { ByteSource, SourceDescriptor } from '../io/source.ts';

export interface JobFile {
  readonly descriptor: SourceDescriptor;
  readonly size: number;
}

export interface JobLayer extends JobFile {
  readonly format: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly salvage: boolean;
  /** By the names that the image gives them. */
  readonly dataFiles: ReadonlyMap<string, JobFile>;
  readonly backing?: JobImage;
  /** Of an encrypted image: the thread is given the key, not the passphrase, from which it takes a second to make. */
  readonly volumeKey?: Uint8Array;
}

/** One image with all below it, or several one behind the other. */
export type JobImage = JobLayer | { readonly parts: readonly JobImage[] };

async function openAgain({ descriptor, size }: JobFile): Promise<ByteSource> {
  switch (descriptor.kind) {
    case 'file':
      return openBlockingFileSource(descriptor.path, size, descriptor.version);
    case 'http': {
      const { openHttpAgain } = await import('../io/http-source.ts');
      return openHttpAgain(descriptor, size);
    }
    case 'part': {
      const { name, whole, wholeSize, start } = descriptor;
      return partOf(await openAgain({ descriptor: whole, size: wholeSize }), { name, start, size });
    }
  }
}

/** Opens the image on the calling thread, which its reads block. */
export async function openJobImage(image: JobImage): Promise<DiskImage> {
  if ('parts' in image) return concatenation(await openAll(image.parts));
  const { format, options, salvage, dataFiles, backing, volumeKey } = image;
  const source = await openAgain(image);
  const openDataFile = async (name: string): Promise<ByteSource> => {
    const file = dataFiles.get(name);
    if (file === undefined)
      throw new TypeError(`${source.name} names a file that the job does not have: ${name}`);
    return openAgain(file);
  };
  const reader = await formatNamed(format).open(source, options, {
    openDataFile,
    salvage,
    ...(volumeKey && { unlock: { volumeKey } }),
  });
  return diskImage(format, source, reader, backing && (await openJobImage(backing)));
}

async function openAll(parts: readonly JobImage[]): Promise<DiskImage[]> {
  const images: DiskImage[] = [];
  for (const part of parts) images.push(await openJobImage(part));
  return images;
}
