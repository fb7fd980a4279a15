/** The Range field of a request (RFC 9110, sections 14.1 and 14.2). Pure. */

/** The bytes [start, end) of a file, at least one. */
export interface RequestedRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What a request asks for: all of the file, also where the field is of another unit, is not well formed, or asks for too
 * many ranges (section 14.2 lets a server ignore it); ranges of it; or ranges of which none is in it.
 */
export type RangeRequest =
  | { readonly kind: 'all' }
  | { readonly kind: 'unsatisfiable' }
  | { readonly kind: 'some'; readonly ranges: readonly [RequestedRange, ...RequestedRange[]] };

/** More ranges in one request are no download, but an attack (section 17.15). */
const MAX_RANGES = 16;

const ALL: RangeRequest = { kind: 'all' };

/**
 * @param field the Range field, if there is one
 * @param size bytes of the file
 * @returns ranges in the order in which they were asked for; sorted and merged where some overlap
 */
export function requestedRanges(field: string | undefined, size: number): RangeRequest {
  const set = /^[ \t]*bytes[ \t]*=(.*)$/i.exec(field ?? '')?.[1];
  if (set === undefined) return ALL;
  // A list may have empty elements (section 5.6.1).
  const specs = set.split(',').map((spec) => spec.replaceAll(/^[ \t]+|[ \t]+$/g, ''));
  const wanted = specs.filter((spec) => spec !== '').map((spec) => rangeOf(spec, size));
  if (wanted.length === 0 || wanted.length > MAX_RANGES || wanted.includes('malformed')) return ALL;
  const [first, ...more] = wanted.filter((range): range is RequestedRange => typeof range === 'object');
  if (first === undefined) return { kind: 'unsatisfiable' };
  return { kind: 'some', ranges: withoutOverlap([first, ...more]) };
}

/** `first-last`, `first-` or `-length`; undefined for what is not in the file. */
function rangeOf(spec: string, size: number): RequestedRange | 'malformed' | undefined {
  const match = /^(\d*)-(\d*)$/.exec(spec);
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return 'malformed';
  // Numbers beyond what is exact are past any end all the same.
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return 'malformed';
  return start < end ? { start, end } : undefined;
}

function withoutOverlap(
  ranges: readonly [RequestedRange, ...RequestedRange[]],
): [RequestedRange, ...RequestedRange[]] {
  const sorted = ranges.toSorted((a, b) => a.start - b.start);
  const merged: RequestedRange[] = [];
  for (const range of sorted) {
    const before = merged.at(-1);
    if (before && range.start < before.end) {
      merged[merged.length - 1] = { start: before.start, end: Math.max(before.end, range.end) };
    } else {
      merged.push(range);
    }
  }
  const isMerged = merged.length < ranges.length;
  return (isMerged ? merged : [...ranges]) as [RequestedRange, ...RequestedRange[]];
}
