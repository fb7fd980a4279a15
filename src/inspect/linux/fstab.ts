/** `/etc/fstab` (fstab(5)): what is mounted where, and which lines name a device that another machine names otherwise. */

import { MAX_VALUE } from './text.ts';

export interface FstabEntry {
  /** From 1. */
  readonly line: number;
  /** `UUID=…`, `LABEL=…`, `/dev/…`, or the name of something that is no disk. */
  readonly device: string;
  readonly mountPoint: string;
  readonly type: string;
}

export function fstabEntries(lines: readonly string[]): FstabEntry[] {
  return lines.flatMap((text, index) => {
    const [device, mountPoint, type] = text.trim().split(/\s+/).map(unescaped);
    if (device === undefined || mountPoint === undefined || type === undefined || device.startsWith('#'))
      return [];
    return [{ line: index + 1, device: device.replaceAll('"', ''), mountPoint, type }];
  });
}

/** Blanks stand as `\040`. */
const unescaped = (field: string): string =>
  field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** Of disks, as drivers number them: `sda1`, `nvme0n1p2`, `cciss/c0d0p1`. */
const NUMBERED =
  /^\/dev\/(?:(?:sd|hd|vd|xvd|ubd|dasd)[a-z]+\d*|nvme\d+n\d+(?:p\d+)?|mmcblk\d+(?:p\d+)?|(?:cciss|ida|rd)\/c\d+d\d+(?:p\d+)?)$/;
/** Names that follow from the controller, or from what a disk tells of itself: a cloud's disks tell other things. */
const BY_HARDWARE = /^\/dev\/disk\/by-(?:id|path)\//;

/** Has the device another name, or none, on another machine? */
export const isNamedByMachine = (device: string): boolean =>
  NUMBERED.test(device) || BY_HARDWARE.test(device);

/** Lines whose device has another name, or none, on another machine. */
export const fstabDevices = (
  entries: readonly FstabEntry[],
  lines: readonly string[],
): { line: number; text: string }[] =>
  entries
    .filter(({ device }) => isNamedByMachine(device))
    .map(({ line }) => ({ line, text: (lines[line - 1] as string).trim().slice(0, MAX_VALUE) }));

/** What a device's name asks for. */
export interface Wanted {
  readonly by: 'uuid' | 'label' | 'partuuid' | 'partlabel' | 'number' | 'volume';
  readonly value: string;
}

/** `undefined` for what is no partition and no logical volume. UUIDs in lower case; a logical volume is `group/name`. */
export function wantedBy(device: string): Wanted | undefined {
  const tag =
    /^(UUID|LABEL|PARTUUID|PARTLABEL)=(.+)$/.exec(device) ?? /^\/dev\/disk\/by-(\w+)\/(.+)$/.exec(device);
  if (tag !== null) {
    const by = (tag[1] as string).toLowerCase();
    const value = tag[2] as string;
    if (by === 'label' || by === 'partlabel') return { by, value };
    return by === 'uuid' || by === 'partuuid' ? { by, value: value.toLowerCase() } : undefined;
  }
  if (NUMBERED.test(device)) {
    const number = /(?:[a-z]|p)(\d+)$/.exec(device.replace(/nvme\d+n\d+$|mmcblk\d+$|c\d+d\d+$/, ''))?.[1];
    return number === undefined ? undefined : { by: 'number', value: number };
  }
  // The device mapper doubles hyphens within names: what is left of them divides group and name.
  const mapped = /^\/dev\/mapper\/((?:[^-]|--)+)-((?:[^-]|--)+)$/.exec(device);
  if (mapped !== null) {
    const [group, name] = [mapped[1] as string, mapped[2] as string].map((part) =>
      part.replaceAll('--', '-'),
    );
    return { by: 'volume', value: `${group}/${name}` };
  }
  const volume = /^\/dev\/([^/]+\/[^/]+)$/.exec(device);
  return volume === null ? undefined : { by: 'volume', value: volume[1] as string };
}
