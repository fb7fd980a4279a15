/** Commands that put an image right, ready for a shell. Pure. */

import { GiB, MiB } from '../binary/align.ts';
import { profiles } from '../profiles/index.ts';
import type { ImportTarget, Profile } from '../profiles/profile.ts';
import type { Fixes, ImportFacts } from './subject.ts';

/** The ending that goes with a format. */
const ENDINGS: Readonly<Record<string, string>> = { raw: '.raw' };

export interface FixRequest {
  readonly facts: ImportFacts;
  /** The virtual size of what is made, where it is another one. */
  readonly size: number | undefined;
  /** The disk of an archive, where one was chosen. */
  readonly member?: string | undefined;
}

/** @param named the image, as the user named it */
export function fixesFor(named: string, profile: Profile, { facts, size, member }: FixRequest): Fixes {
  const { target } = profile;
  // What begins with a dash would be taken for a flag.
  const path = named.length > 1 && named.startsWith('-') ? `./${named}` : named;
  const command = (...words: readonly string[]): string => ['diskimg', ...words].map(quoted).join(' ');
  const chosen = member === undefined ? [] : memberWords(member);
  const convert = (wanted: number | undefined, ...flags: readonly string[]): string | undefined => {
    if (target === undefined) return undefined;
    const name = outputName(
      member === undefined ? path : besideOf(path, member),
      target.archiveMember ?? `x${ENDINGS[target.format] ?? `.${target.format}`}`,
    );
    const sized = wanted === undefined ? [] : ['--size', sizeText(wanted)];
    if (target.archiveMember !== undefined && profiles.includes(profile)) {
      const archive = name.replace(/\.raw$/, '.tar.gz');
      return command(
        'convert',
        ...flags,
        ...chosen,
        '--for',
        profile.name,
        ...factWords(facts),
        ...sized,
        path,
        archive,
      );
    }
    const words = [
      'convert',
      ...flags,
      ...chosen,
      ...sized,
      '-O',
      target.format,
      ...optionWords(target),
      path,
    ];
    if (target.archiveMember === undefined) return command(...words, name);
    const packed = [
      'tar',
      '--format=oldgnu',
      '-Sczf',
      name.replace(/\.raw$/, '.tar.gz'),
      target.archiveMember,
    ];
    return `${command(...words, target.archiveMember)} && ${packed.map(quoted).join(' ')}`;
  };
  const plain = convert(size);
  const flattened = convert(size, '--allow-path', '.');
  return {
    ...(plain !== undefined && { convert: plain }),
    ...(flattened !== undefined && { flattened }),
    resized: (wanted) => convert(wanted),
  };
}

const memberWords = (member: string): readonly string[] =>
  member.startsWith('-') ? [`--member=${member}`] : ['--member', member];

/** What is made of a disk in an archive has its name, and stands beside the archive. */
const besideOf = (archive: string, member: string): string =>
  archive.replace(/[^/\\]*$/, '') + member.replace(/^.*[/\\]/s, '');

const factWords = ({ os, boot, arch, disk }: ImportFacts): readonly string[] => [
  ...(os ? ['--os', os] : []),
  ...(boot ? ['--boot', boot] : []),
  ...(arch ? ['--arch', arch] : []),
  ...(disk === 'data' ? ['--data-disk'] : []),
];

const optionWords = ({ options = {} }: ImportTarget): readonly string[] => {
  const pairs = Object.entries(options).map(([name, value]) => `${name}=${value === true ? 'on' : value}`);
  return pairs.length === 0 ? [] : ['-o', pairs.join(',')];
};

/** Beside the input, with the ending of what is made; never the input itself. */
function outputName(path: string, pattern: string): string {
  const ending = pattern.slice(pattern.lastIndexOf('.'));
  const file = /^https?:/.test(path)
    ? (path
        .replace(/[?#].*$/, '')
        .split('/')
        .at(-1) ?? 'disk')
    : path;
  const stem = file === '-' || file === '' ? 'disk' : file.replace(/(\.[A-Za-z0-9]{1,5}){1,2}$/, '');
  return `${stem}${ending}` === path ? `${stem}-fixed${ending}` : `${stem}${ending}`;
}

/** As `--size` takes it. */
function sizeText(bytes: number): string {
  if (bytes % GiB === 0) return `${bytes / GiB}G`;
  return bytes % MiB === 0 ? `${bytes / MiB}M` : String(bytes);
}

/** A word as a POSIX shell takes it for one; what a terminal would obey is written as an escape. */
function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(word)) {
    const escaped = word.replaceAll(/[\\']|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) =>
      char === '\\' || char === "'" ? `\\${char}` : bytesOf(char),
    );
    return `$'${escaped}'`;
  }
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** As `$'…'` of bash, zsh and ksh writes bytes. */
const bytesOf = (char: string): string =>
  [...new TextEncoder().encode(char)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
