/** Rules on the size of the disk: that of the image, and that of the one that is chosen for it. */

import { alignUp, GiB, SECTOR } from '../../binary/align.ts';
import type { RequirementOf } from '../../profiles/profile.ts';
import { broken, doubtful, exactSize, type Judgement, kept } from '../judgement.ts';
import { canEndAt, sizeReport } from '../size.ts';
import type { Subject } from '../subject.ts';

const fixOf = (fix: string | undefined) => (fix === undefined ? {} : { fix });

export function virtualSize(
  { min = 0, max = Infinity, below = Infinity, multipleOf = 1 }: RequirementOf<'virtual-size'>,
  { image, fixes }: Subject,
): Judgement {
  const { virtualSize: size } = image;
  const wanted = [
    ...(multipleOf > 1 ? [`a multiple of ${exactSize(multipleOf)}`] : []),
    ...(min > 0 ? [`at least ${exactSize(min)}`] : []),
    ...(max < Infinity ? [`at most ${exactSize(max)}`] : []),
    ...(below < Infinity ? [`below ${exactSize(below)}`] : []),
  ].join(', ');
  const seen = exactSize(size);
  if (size % multipleOf !== 0) {
    const rounding = sizeReport(image, {}).roundedUp;
    const target =
      rounding && rounding.meantSize % multipleOf === 0 ? rounding.meantSize : alignUp(size, multipleOf);
    return broken(wanted, seen, {
      reason: `${size} bytes are ${size % multipleOf} over a multiple.`,
      ...fixOf(fixes.resized(target)),
    });
  }
  if (size < min) {
    return broken(wanted, seen, { reason: 'The disk is too small.', ...fixOf(fixes.resized(min)) });
  }
  if (size > max || size >= below) {
    return broken(wanted, seen, {
      reason: 'The disk is too large.',
      advice: 'Shrink the partitions in it, then convert with --size: zeros behind them are cut off.',
    });
  }
  return kept(wanted, seen);
}

export function diskFits(
  { equal }: RequirementOf<'disk-fits'>,
  { image, facts, contents, fixes }: Subject,
): Judgement {
  const report = sizeReport(image, facts);
  const { cloudSize, cloudSizeIs, smallestDiskGiB, diskSize, disputed, roundedUp } = report;
  const wanted = `a disk of ${smallestDiskGiB} GiB or more`;
  const image_ = `the image has ${exactSize(cloudSize)} (${cloudSizeIs})`;
  if (diskSize === undefined) {
    return kept(wanted, `${image_}; say --disk-size to have the choice checked`);
  }
  const seen = `${image_}; the disk ${exactSize(diskSize)}`;
  if (diskSize < cloudSize) {
    const smaller = disputed && Math.min(disputed.currentSize, disputed.chsSize);
    if (smaller !== undefined && diskSize >= smaller) {
      const reason = `Readers of this VHD differ: ${disputed?.currentSize} bytes by its current size, ${disputed?.chsSize} by its geometry, and only one of them fits.`;
      return doubtful(wanted, seen, { reason, ...fixOf(fixes.resized(smaller)) });
    }
    const canCut =
      roundedUp !== undefined && roundedUp.meantSize <= diskSize && canEndAt(roundedUp.meantSize, contents);
    return broken(wanted, seen, {
      reason: `The disk is ${exactSize(cloudSize - diskSize)} too small${roundedUp ? `: the VHD was rounded up from ${exactSize(roundedUp.meantSize)}` : ''}.`,
      advice: `Choose ${smallestDiskGiB} GiB at registration${canCut ? ', or convert:' : '.'}`,
      ...(canCut && fixOf(fixes.resized(roundedUp.meantSize))),
    });
  }
  if (diskSize === cloudSize && equal === 'disputed') {
    const reason = 'Documents differ on whether a disk of just the size of the image is accepted (≥ or >).';
    return doubtful(wanted, seen, { reason, advice: `Choose ${diskSize / GiB + 1} GiB to be safe.` });
  }
  return kept(wanted, seen);
}

export function wholeGibDisk(_: RequirementOf<'whole-gib-disk'>, { image, facts }: Subject): Judgement {
  const wanted = 'a disk of whole GiB';
  const { diskSize } = facts;
  const { smallestDiskGiB } = sizeReport(image, facts);
  if (diskSize === undefined) return kept(wanted, `the smallest that fits has ${smallestDiskGiB} GiB`);
  if (diskSize % GiB === 0) return kept(wanted, exactSize(diskSize));
  return broken(wanted, exactSize(diskSize), {
    reason: 'The field for it takes whole numbers only.',
    advice: `Choose ${Math.max(smallestDiskGiB, alignUp(diskSize, GiB) / GiB)} GiB.`,
  });
}

export function diskSizeRange(
  { minGiB, maxGiB }: RequirementOf<'disk-size-range'>,
  { image, facts }: Subject,
): Judgement {
  const { smallestDiskGiB } = sizeReport(image, facts);
  const wanted = `a disk of ${minGiB} to ${maxGiB} GiB`;
  const { diskSize } = facts;
  if (diskSize === undefined) {
    const seen = `the smallest that fits has ${smallestDiskGiB} GiB`;
    if (smallestDiskGiB <= maxGiB) {
      return kept(wanted, smallestDiskGiB < minGiB ? `${seen}; choose ${minGiB} GiB or more` : seen);
    }
    return broken(wanted, seen, {
      reason: 'The image is too large for any disk that can be chosen.',
      advice: 'Shrink the partitions in it, then convert with --size: zeros behind them are cut off.',
    });
  }
  const seen = exactSize(diskSize);
  if (diskSize >= minGiB * GiB && diskSize <= maxGiB * GiB) return kept(wanted, seen);
  const choice = Math.max(minGiB, smallestDiskGiB);
  return broken(wanted, seen, {
    reason: `The disk that is chosen is too ${diskSize < minGiB * GiB ? 'small' : 'large'}.`,
    advice:
      choice <= maxGiB ? `Choose ${choice} GiB, or more up to ${maxGiB}.` : 'The image is too large for any.',
  });
}

export function vhdSize(_: RequirementOf<'vhd-size'>, { image, facts, contents, fixes }: Subject): Judgement {
  const wanted = 'the size that was meant, the same for every reader';
  const { vhd } = image;
  const { cloudSize, disputed, roundedUp } = sizeReport(image, facts);
  if (vhd === undefined) return kept(wanted, exactSize(cloudSize));
  if (roundedUp) {
    const { meantSize, addedBytes } = roundedUp;
    const canCut = canEndAt(meantSize, contents);
    return broken(wanted, `${cloudSize} bytes`, {
      reason: `${exactSize(meantSize)} were rounded up to whole cylinders (CHS), by ${addedBytes / SECTOR} sectors: a disk of ${exactSize(meantSize)} is too small for it.`,
      ...(canCut
        ? fixOf(fixes.resized(meantSize))
        : { advice: 'Something stands in what was added: choose a larger disk.' }),
    });
  }
  if (disputed) {
    const { currentSize, chsSize } = disputed;
    return doubtful(wanted, `${currentSize} bytes by its current size, ${chsSize} by its geometry`, {
      reason: `Its creator goes by the geometry, other readers by the current size.`,
      ...fixOf(fixes.resized(image.virtualSize)),
    });
  }
  return kept(wanted, exactSize(cloudSize));
}
