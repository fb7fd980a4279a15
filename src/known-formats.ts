/** What is known by sight and not read: formats that are refused by their names, and raw bytes that are more than a disk. */

import { UnsupportedFeatureError } from './errors.ts';
import type { ProbeSample } from './image/format.ts';
import type { Note } from './image/reader.ts';
import type { ByteSource } from './io/source.ts';

interface KnownFormat {
  readonly name: string;
  readonly isIn: (sample: ProbeSample) => boolean;
  /** What a user can do. */
  readonly hint: string;
}

const startsWith =
  (...texts: readonly string[]) =>
  ({ head }: ProbeSample): boolean =>
    texts.some((text) => textAt(head, 0, text.length) === text);

const textAt = (bytes: Uint8Array, at: number, length: number): string =>
  String.fromCharCode(...bytes.subarray(at, at + length));

const ELSEWHERE = 'Convert it to raw or qcow2 with the software that it comes from, or with qemu-img.';

const known: readonly KnownFormat[] = [
  { name: 'Parallels', isIn: startsWith('WithoutFreeSpace', 'WithouFreSpacExt'), hint: ELSEWHERE },
  { name: 'cloop', isIn: startsWith('#!/bin/sh\n#V2.0 Format\nmodprobe cloop'), hint: ELSEWHERE },
  { name: 'Bochs', isIn: startsWith('Bochs Virtual HD Image'), hint: ELSEWHERE },
  {
    name: 'ASIF (Apple Sparse Image Format)',
    isIn: startsWith('shdw'),
    hint: 'Convert it to raw with diskutil on a Mac.',
  },
  {
    name: 'DMG (Apple Disk Image)',
    isIn: ({ tail }) => tail.length === 512 && textAt(tail, 0, 4) === 'koly',
    hint: 'Convert it to raw with hdiutil on a Mac, or with qemu-img.',
  },
  {
    // As an image that is named by the user it is looked into before anything is probed.
    name: 'OVA (a tar archive of disks)',
    isIn: ({ head }) =>
      textAt(head, 257, 5) === 'ustar' && /\.(ovf|vmdk|mf|cert)\0/i.test(textAt(head, 0, 100)),
    hint: 'A disk in one is read where the archive itself is named as the image, and not changed, nor built on.',
  },
];

/**
 * @throws UnsupportedFeatureError for bytes of a format that is known, and not read
 */
export function requireNotKnown(sample: ProbeSample, name: string): void {
  const found = known.find(({ isIn }) => isIn(sample));
  if (found === undefined) return;
  throw new UnsupportedFeatureError(
    'unsupported-feature',
    `${name} is of a format that is not supported: ${found.name}.`,
    {
      fileOffset: 0,
      hint: `${found.hint} If these are the bytes of a disk, say -f raw.`,
    },
  );
}

/** The volume descriptors of ISO 9660 begin here. */
const ISO_DESCRIPTOR = 32_769;

/** What a user should know of bytes that are taken as raw. */
export async function remarksOnRaw(source: ByteSource): Promise<Note[]> {
  const notes: Note[] = [];
  if (source.size < ISO_DESCRIPTOR + 5) return notes;
  const identifier = new Uint8Array(5);
  await source.read(identifier, ISO_DESCRIPTOR);
  if (textAt(identifier, 0, 5) === 'CD001') {
    notes.push({ code: 'iso', message: 'This is the image of an optical disc (ISO 9660), read as raw.' });
  }
  return notes;
}
