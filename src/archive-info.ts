/** What is in an archive of disks, each described by itself and by the archive's descriptor. */

import type { Archive, ArchiveDisk } from './archive/ova.ts';
import { CancelledError, ImageError } from './errors.ts';
import { type ImageInfo, imageInfo } from './info.ts';
import type { ByteSource } from './io/source.ts';
import { type ImageInput, type OpenImageOptions, openImage } from './open.ts';
import { archiveIn, memberIn, openContainer } from './sources.ts';

/** A disk of an archive. Sizes in bytes. */
export interface ArchivedDisk {
  /** As `member` takes it. */
  readonly name: string;
  /** What it takes up in the archive; left out where it is not there. */
  readonly 'stored-size'?: number;
  readonly format?: string;
  /** As the image itself has it. */
  readonly 'virtual-size'?: number;
  /** As the descriptor has it. */
  readonly 'disk-id'?: string;
  readonly 'file-id'?: string;
  readonly 'ovf-size'?: number;
  readonly capacity?: number;
  /** Why the image cannot be described. */
  readonly problem?: { readonly code: string; readonly message: string };
}

export interface ArchiveInfo {
  readonly filename: string;
  readonly format: 'ova' | 'tar';
  readonly 'actual-size'?: number;
  readonly disks: readonly ArchivedDisk[];
  /** What else stands in it. */
  readonly 'other-files': readonly { readonly name: string; readonly size: number }[];
  readonly notes?: ImageInfo['notes'];
}

/**
 * Describes an image, or an archive of disks of which none was chosen with `member`. Of images only metadata is read.
 * @throws what {@link openImage} throws; what is wrong with a disk in an archive is in the list
 */
export async function describeImage(
  input: ImageInput,
  options: OpenImageOptions = {},
): Promise<ImageInfo | ArchiveInfo> {
  const source = await openContainer(input, options);
  const shared: ByteSource = { ...source, close: async () => {} };
  try {
    const archive = options.member === undefined ? await archiveIn(source, options) : undefined;
    if (archive) return await archiveInfo(shared, archive, options);
    await using image = await openImage(shared, { ...options, metadataOnly: true });
    return imageInfo(image);
  } finally {
    await source.close();
  }
}

async function archiveInfo(
  source: ByteSource,
  archive: Archive,
  options: OpenImageOptions,
): Promise<ArchiveInfo> {
  const { members, disks } = archive;
  const described: ArchivedDisk[] = [];
  for (const disk of disks) described.push(await describeDisk(source, archive, disk, options));
  const names = new Set(disks.map(({ name }) => name));
  return {
    filename: source.name,
    format: archive.kind,
    ...(source.allocatedSize !== undefined && { 'actual-size': source.allocatedSize }),
    disks: described,
    'other-files': members.filter(({ name }) => !names.has(name)).map(({ name, size }) => ({ name, size })),
    ...(source.remarks && source.remarks.length > 0 && { notes: source.remarks }),
  };
}

async function describeDisk(
  source: ByteSource,
  archive: Archive,
  { name, member, file, diskId, capacity }: ArchiveDisk,
  options: OpenImageOptions,
): Promise<ArchivedDisk> {
  const told = {
    name,
    ...(member && { 'stored-size': member.size }),
    ...(diskId !== undefined && { 'disk-id': diskId }),
    ...(file && { 'file-id': file.id }),
    ...(file?.size !== undefined && { 'ovf-size': file.size }),
    ...(capacity !== undefined && { capacity }),
  };
  try {
    const own = await memberIn(source, archive, { ...options, member: name });
    await using image = await openImage(own, { ...options, metadataOnly: true });
    return { ...told, format: image.format, 'virtual-size': image.virtualSize };
  } catch (error) {
    if (!(error instanceof ImageError) || error instanceof CancelledError) throw error;
    return { ...told, problem: { code: error.code, message: error.message } };
  }
}
