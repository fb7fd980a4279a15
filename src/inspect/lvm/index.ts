/** Logical volumes of LVM2, those that are made of whole stretches of physical ones ("linear"). */

import { CorruptImageError } from '../../errors.ts';
import { type Findings, look } from '../findings.ts';
import type { Volume } from '../volume.ts';
import { openPhysicalVolume, type PhysicalVolume } from './label.ts';
import { parseMetadata, type Section, type Value } from './metadata-text.ts';

export interface LogicalVolume {
  /** `group/name`. */
  readonly name: string;
  readonly volume: Volume;
  /** The physical volume that it begins on. */
  readonly first: Volume;
}

/** Of all groups; more are not looked at. */
const MAX_VOLUMES = 256;
const MAX_SEGMENTS = 4096;
const SECTOR = 512;

/** The logical volumes on all physical ones of a disk. What cannot be read goes to `findings`. */
export async function openLogicalVolumes(
  volumes: readonly Volume[],
  findings: Findings,
): Promise<LogicalVolume[]> {
  const physical = new Map<string, PhysicalVolume>();
  const groups = new Map<
    string,
    { readonly sequence: number; readonly name: string; readonly group: Section }
  >();
  for (const volume of volumes) {
    await look(findings, 'a physical volume of LVM2', async () => {
      const opened = await openPhysicalVolume(volume);
      physical.set(opened.id, opened);
      if (opened.text === undefined) return;
      const [[name, group] = []] = parseMetadata(opened.text).sections;
      if (name === undefined || group === undefined) throw broken('there is no group in it');
      const id = textOf(group, 'id');
      const sequence = numberOf(group, 'seqno');
      // Every physical volume has a copy; one that was away for a while has an old one.
      if (sequence > (groups.get(id)?.sequence ?? -1)) groups.set(id, { sequence, name, group });
    });
  }
  const logical: LogicalVolume[] = [];
  for (const { name, group } of groups.values()) {
    for (const [own, section] of group.sections.get('logical_volumes')?.sections ?? []) {
      if (!listOf(section, 'status').includes('VISIBLE')) continue;
      const what = `the logical volume ${name}/${own}`;
      if (logical.length === MAX_VOLUMES) {
        findings.notLookedAt.push({ what, why: `There are more than ${MAX_VOLUMES} logical volumes.` });
        return logical;
      }
      const segments = await look(findings, what, async () => segmentsOf(group, section, physical));
      if (typeof segments === 'string') findings.notLookedAt.push({ what, why: segments });
      else if (segments !== undefined) logical.push({ name: `${name}/${own}`, ...volumeOf(segments) });
    }
  }
  return logical;
}

/** A stretch of a logical volume, and where it stands on a physical one. In bytes. */
interface Segment {
  readonly start: number;
  readonly end: number;
  readonly volume: Volume;
  readonly offset: number;
}

/** Its segments, at least one; or why there are none. */
function segmentsOf(
  group: Section,
  logical: Section,
  physical: ReadonlyMap<string, PhysicalVolume>,
): [Segment, ...Segment[]] | string {
  const extentSize = numberOf(group, 'extent_size') * SECTOR;
  const count = numberOf(logical, 'segment_count');
  if (count > MAX_SEGMENTS) return `It has ${count} segments; up to ${MAX_SEGMENTS} are read.`;
  const segments: Segment[] = [];
  for (let index = 1; index <= count; index++) {
    const segment = sectionOf(logical, `segment${index}`);
    const type = textOf(segment, 'type');
    const stripes = type === 'striped' ? numberOf(segment, 'stripe_count') : 0;
    if (stripes !== 1)
      return `It is not linear, but of the type "${type}"${stripes > 1 ? ` with ${stripes} stripes` : ''}.`;
    const [name, first] = listOf(segment, 'stripes');
    if (typeof name !== 'string' || typeof first !== 'number') throw broken('a segment names no extents');
    const described = sectionOf(sectionOf(group, 'physical_volumes'), name);
    const { volume } = physical.get(textOf(described, 'id').replaceAll('-', '')) ?? {};
    if (volume === undefined) return `Its physical volume "${name}" is not on this disk.`;
    const start = numberOf(segment, 'start_extent') * extentSize;
    const end = start + numberOf(segment, 'extent_count') * extentSize;
    const offset = numberOf(described, 'pe_start') * SECTOR + first * extentSize;
    if (start !== (segments.at(-1)?.end ?? 0) || end <= start || !Number.isSafeInteger(offset + end))
      throw broken('segments do not follow each other');
    segments.push({ start, end, volume, offset });
  }
  const [first, ...others] = segments;
  return first === undefined ? 'It has no segments.' : [first, ...others];
}

function volumeOf(segments: [Segment, ...Segment[]]): Pick<LogicalVolume, 'volume' | 'first'> {
  const size = (segments.at(-1) as Segment).end;
  const volume: Volume = {
    size,
    async read(offset, length) {
      if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || offset + length > size) {
        const message = `Bytes ${offset} to ${offset + length} are asked of a logical volume of ${size} bytes.`;
        throw new CorruptImageError('bad-reference', message);
      }
      const parts: Uint8Array[] = [];
      for (const segment of segments) {
        const from = Math.max(offset, segment.start);
        const to = Math.min(offset + length, segment.end);
        if (from < to)
          parts.push(await segment.volume.read(segment.offset + from - segment.start, to - from));
      }
      return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    },
  };
  return { volume, first: segments[0].volume };
}

function sectionOf(section: Section, name: string): Section {
  const found = section.sections.get(name);
  if (found === undefined) throw broken(`"${name}" is missing`);
  return found;
}

function numberOf(section: Section, name: string): number {
  const value = section.values.get(name);
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw broken(`"${name}" is no number`);
}

function textOf(section: Section, name: string): string {
  const value = section.values.get(name);
  if (typeof value === 'string') return value;
  throw broken(`"${name}" is no text`);
}

function listOf(section: Section, name: string): readonly Value[] {
  const value = section.values.get(name);
  return Array.isArray(value) ? value : [];
}

const broken = (why: string): CorruptImageError =>
  new CorruptImageError('bad-table', `The metadata of LVM2 contradicts itself: ${why}.`);
