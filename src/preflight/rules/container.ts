/** Rules on the file of an image: its format, its parts, its name. */

import type { RequirementOf } from '../../profiles/profile.ts';
import { broken, exactSize, type Judgement, kept, listed, plural, unseen } from '../judgement.ts';
import type { Fixes, ImageFacts, Subject } from '../subject.ts';

/** `vhd-fixed`: the format as rules name it. */
export const formatOf = ({ format, subformat }: ImageFacts): string =>
  subformat === undefined ? format : `${format}-${subformat}`;

export const isOfFormats = (image: ImageFacts, formats: readonly string[]): boolean =>
  formats.includes(image.format) || formats.includes(formatOf(image));

const inWrapper = ({ wrapper, archiveMember, isInOva }: ImageFacts): string =>
  `${archiveMember === undefined ? '' : ` as ${archiveMember} in ${isInOva ? 'an OVA' : 'a tar archive'}`}${wrapper === undefined ? '' : `, compressed with ${wrapper}`}`;

export function formats(
  { formats: allowed, wrappers = [] }: RequirementOf<'formats'>,
  { image, fixes }: Subject,
): Judgement {
  const packed = wrappers.length === 0 ? '' : `; plain or compressed with ${listed(wrappers)}`;
  const wanted = `${listed(allowed)}${packed}`;
  const seen = `${formatOf(image)}${inWrapper(image)}`;
  const fix = fixes.convert !== undefined ? { fix: fixes.convert } : {};
  if (!isOfFormats(image, allowed)) {
    return broken(wanted, seen, { reason: `The cloud does not take ${formatOf(image)}.`, ...fix });
  }
  if (image.isInOva && !allowed.includes('ova')) {
    return broken(wanted, seen, { reason: 'The cloud takes no OVAs, but the disks in them.', ...fix });
  }
  if (image.wrapper !== undefined && !wrappers.includes(image.wrapper)) {
    const reason = `The file is compressed as a whole, with ${image.wrapper}.`;
    return broken(wanted, seen, { reason, ...fix });
  }
  return kept(wanted, seen);
}

export function archive({ member, wrapper }: RequirementOf<'archive'>, { image, fixes }: Subject): Judgement {
  const wanted = `${member} in a tar archive, compressed with ${wrapper}`;
  const seen = `${formatOf(image)}${inWrapper(image)}`;
  if (image.archiveMember === member && image.wrapper === wrapper) return kept(wanted, seen);
  const reason =
    image.archiveMember === undefined
      ? 'The image is not in an archive.'
      : image.archiveMember === member
        ? 'The archive is not compressed so.'
        : `What is in the archive is called ${image.archiveMember}.`;
  return broken(wanted, seen, { reason, ...(fixes.convert !== undefined && { fix: fixes.convert }) });
}

export function outsideFiles(
  { refused }: RequirementOf<'outside-files'>,
  { image, fixes }: Subject,
): Judgement {
  const wanted = 'all of the disk in one file';
  const { backing, dataFile, hasExtentFiles } = image;
  const found = [
    ...(refused.includes('backing') && backing !== undefined
      ? [`it builds on ${backing === '' ? 'another image' : JSON.stringify(backing)}`]
      : []),
    ...(refused.includes('data-file') && dataFile !== undefined
      ? [`its data is in ${JSON.stringify(dataFile)}`]
      : []),
    ...(refused.includes('extents') && hasExtentFiles ? ['its data is in the files of its extents'] : []),
  ];
  if (found.length === 0) return kept(wanted, 'it is complete');
  const reason = 'One file is uploaded, and without the others it is no disk.';
  return broken(wanted, found.join('; '), {
    reason,
    ...(fixes.flattened !== undefined && { fix: fixes.flattened }),
  });
}

export function noEncryptedImage(
  _: RequirementOf<'no-encrypted-image'>,
  { image, fixes }: Subject,
): Judgement {
  const wanted = 'an image that is not encrypted';
  return image.isEncrypted
    ? broken(wanted, 'the image is encrypted', decrypting(fixes))
    : kept(wanted, 'it is not');
}

/** What is wrong with an image that is encrypted itself, and what to do. */
export const decrypting = ({ convert }: Fixes) => ({
  reason: 'Without the key the cloud cannot read the disk.',
  advice: 'A conversion decrypts it, and asks for the passphrase.',
  ...(convert !== undefined && { fix: convert }),
});

export function internalSnapshots(
  _: RequirementOf<'internal-snapshots'>,
  { image, fixes }: Subject,
): Judgement {
  const wanted = 'no snapshots inside';
  if (image.snapshotCount === 0) return kept(wanted, 'none');
  return broken(wanted, plural(image.snapshotCount, 'internal snapshot'), {
    reason: 'Snapshots make the file larger, and may have it refused; a conversion leaves them out.',
    ...(fixes.convert !== undefined && { fix: fixes.convert }),
  });
}

export function vmdkTypes({ types }: RequirementOf<'vmdk-types'>, { image, fixes }: Subject): Judgement {
  const wanted = `createType ${listed(types)}`;
  const seen = image.subformat ?? 'no createType';
  if (image.subformat !== undefined && types.includes(image.subformat)) return kept(wanted, seen);
  return broken(wanted, seen, {
    reason: 'Other types are refused.',
    ...(fixes.convert !== undefined && { fix: fixes.convert }),
  });
}

/** What Glance calls formats. */
const DISK_FORMATS: Readonly<Record<string, string>> = {
  raw: 'raw',
  qcow2: 'qcow2',
  vhd: 'vhd',
  vmdk: 'vmdk',
  vdi: 'vdi',
  vhdx: 'vhdx',
};
const ENDINGS: Readonly<Record<string, string>> = {
  raw: 'raw',
  qcow2: 'qcow2',
  qcow: 'qcow',
  vhd: 'vhd',
  vpc: 'vhd',
  vmdk: 'vmdk',
  vdi: 'vdi',
  vhdx: 'vhdx',
  iso: 'iso',
};

export function declaredFormat(
  _: RequirementOf<'declared-format'>,
  { image, contents, fixes }: Subject,
): Judgement {
  const real = contents?.isIso && image.format === 'raw' ? 'iso' : DISK_FORMATS[image.format];
  if (real === undefined) {
    return broken(listed(Object.values(DISK_FORMATS)), image.format, {
      reason: `Glance has no disk_format for ${image.format}.`,
      ...(fixes.convert !== undefined && { fix: fixes.convert }),
    });
  }
  if (image.isInOva) {
    return broken(`disk_format ${real}, of the disk alone`, `${image.format}${inWrapper(image)}`, {
      reason: 'The file is an archive: no disk_format is that of its bytes.',
      ...(fixes.convert !== undefined && { fix: fixes.convert }),
    });
  }
  const hasTable = real === 'raw' && contents !== undefined && contents.table !== 'none';
  const wanted = `disk_format ${real}${hasTable ? ', or gpt where Glance has it' : ''}`;
  const ending = ENDINGS[endingOf(image.name).slice(1).toLowerCase()];
  const seen = `${image.format} in ${baseName(image.name)}`;
  if (ending === undefined || ending === real) return kept(wanted, seen);
  return broken(wanted, seen, {
    reason: `The name tells ${ending}, and the file is ${real}: who goes by the name declares it wrong.`,
    advice: `Declare it as ${real}, and name it so.`,
  });
}

const baseName = (name: string): string =>
  name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
const endingOf = (name: string): string => /\.[^./\\]+$/.exec(name)?.[0] ?? '';

export function fileName({ allowed, refused }: RequirementOf<'file-name'>, { image }: Subject): Judgement {
  const name = baseName(image.name);
  const counted = allowed === undefined ? name : name.slice(0, name.length - endingOf(name).length);
  const bad = [...new Set(counted)].filter(
    (char) => (allowed !== undefined && !allowed.includes(char)) || (refused?.includes(char) ?? false),
  );
  const wanted =
    allowed === undefined
      ? `no ${quoted([...(refused ?? '')])} in the name`
      : `only ${allowed.length > 20 ? 'letters, digits, - and _' : quoted([...allowed])} in the name`;
  if (bad.length === 0) return kept(wanted, name);
  return broken(wanted, name, {
    reason: `The name has ${quoted(bad)} in it.`,
    advice: 'Upload it under another name.',
  });
}

const quoted = (chars: readonly string[]): string =>
  listed(
    chars.slice(0, 8).map((char) => (char === ' ' ? 'space' : char)),
    'and',
  );

export function companionFile(
  { ending }: RequirementOf<'companion-file'>,
  { image, fixes }: Subject,
): Judgement {
  const { companion } = image;
  const wanted = `a file of the same name with the ending ${ending} beside it`;
  if (companion === undefined) return unseen(wanted, 'Only beside a file can another one be looked for.');
  const name = baseName(companion.name);
  if (companion.size !== undefined && companion.size > 0) {
    return kept(wanted, `${name}, ${companion.size} bytes`);
  }
  return broken(wanted, companion.size === 0 ? `${name} is empty` : `no ${name}`, {
    reason: 'The cloud reads it together with the image.',
    advice: `Make ${name} with the vendor's tool, or convert:`,
    ...(fixes.convert !== undefined && { fix: fixes.convert }),
  });
}

export function fileSize(
  { min = 0, max = Infinity }: RequirementOf<'file-size'>,
  { image, fixes }: Subject,
): Judgement {
  const { fileSize: size } = image;
  const wanted = [
    ...(min > 0 ? [`at least ${exactSize(min)}`] : []),
    ...(max < Infinity ? [`at most ${exactSize(max)}`] : []),
  ].join(', ');
  const seen = exactSize(size);
  if (size < min) {
    return broken(wanted, seen, {
      reason: `The file is ${exactSize(min - size)} too small.`,
      advice: 'A larger disk makes it larger: convert --size.',
    });
  }
  if (size <= max) return kept(wanted, seen);
  return broken(wanted, seen, {
    reason: `The file is ${exactSize(size - max)} too large.`,
    ...(fixes.convert !== undefined && { fix: fixes.convert }),
    advice: 'A compressed format is smaller, and so is a disk with less on it.',
  });
}

export function fileSizeOverDisk(
  { bytes }: RequirementOf<'file-size-over-disk'>,
  { image, fixes }: Subject,
): Judgement {
  const { fileSize: size, virtualSize } = image;
  const wanted = `the virtual size and ${bytes} bytes: ${virtualSize + bytes} bytes`;
  if (size === virtualSize + bytes) return kept(wanted, `${size} bytes`);
  return broken(wanted, `${size} bytes`, {
    reason: 'Something else is in the file beside the disk and its footer.',
    ...(fixes.convert !== undefined && { fix: fixes.convert }),
  });
}
