/** Text files of a system: as lines, and as assignments the way a shell reads them. */

/** Enough for any file of settings; what stands behind is not seen. */
export const MAX_TEXT = 64 * 1024;
/** Of a value that a system's maker chose: longer ones are cut. */
export const MAX_VALUE = 200;

const decoder = new TextDecoder();

/** What stands behind this in a line is not seen: patterns that search long lines take long. */
const MAX_LINE = 1024;

export const linesOf = (bytes: Uint8Array | undefined): string[] =>
  bytes === undefined
    ? []
    : decoder
        .decode(bytes)
        .split(/\r?\n/)
        .map((line) => line.slice(0, MAX_LINE));

/** `NAME=value` lines, with quotes taken off (os-release(5), ifcfg files). Later ones win, as they do in a shell. */
export function assignmentsOf(lines: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of lines) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line);
    if (match !== null) values.set(match[1] as string, unquoted((match[2] as string).trim()));
  }
  return values;
}

function unquoted(value: string): string {
  const double = /^"((?:[^"\\]|\\.)*)"/.exec(value);
  if (double !== null) return (double[1] as string).replaceAll(/\\(["$`\\])/g, '$1');
  const single = /^'([^']*)'/.exec(value);
  if (single !== null) return single[1] as string;
  return value.replace(/\s+#.*$/, '');
}

/** Orders names as people read versions: 5.9 before 5.10, and 6.1~rc1 before 6.1. */
export function compareVersions(a: string, b: string): number {
  const left = a.match(/\d+|~|\D/g) ?? [];
  const right = b.match(/\d+|~|\D/g) ?? [];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = comparePart(left[i], right[i]);
    if (order !== 0) return order;
  }
  return 0;
}

function comparePart(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === '~' || b === '~') return a === '~' ? -1 : 1;
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
  const [left, right] = [Number(a), Number(b)];
  if (Number.isNaN(left) || Number.isNaN(right)) return a < b ? -1 : 1;
  return left - right;
}
