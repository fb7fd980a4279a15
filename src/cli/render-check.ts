/** The result of a check for people. Pure. */

import type { Finding, ImageCheck } from '../index.ts';

/** Each finding on a line, then what qemu-img says at the end of a check. */
export function renderCheck(check: ImageCheck): string {
  const { findings, corruptions = 0, leaks = 0, warnings = 0 } = check;
  const omitted = corruptions + leaks + warnings - findings.length;
  const lines = findings.map(renderFinding);
  if (omitted > 0) lines.push(`… and ${omitted} more.`);
  if (corruptions > 0) lines.push('', `${counted(corruptions, 'corruption')}: data may be lost.`);
  if (leaks > 0) lines.push('', `${counted(leaks, 'leaked cluster')}: space is lost, no data is.`);
  if (corruptions + leaks === 0) lines.push('No errors were found on the image.');
  return `${[...lines, ...renderFigures(check)].join('\n')}\n`;
}

function renderFinding({ severity, code, message, fileOffset, guestOffset }: Finding): string {
  const place = [
    fileOffset === undefined ? undefined : `file byte ${fileOffset}`,
    guestOffset === undefined ? undefined : `guest byte ${guestOffset}`,
  ].filter((part) => part !== undefined);
  return `${severity}: [${code}] ${message}${place.length > 0 ? ` (${place.join(', ')})` : ''}`;
}

function renderFigures(check: ImageCheck): string[] {
  const total = check['total-clusters'];
  const allocated = check['allocated-clusters'] ?? 0;
  const share = (part = 0, whole = 0): string => `${(whole === 0 ? 0 : (part / whole) * 100).toFixed(2)}%`;
  const lines: string[] = [];
  if (total !== undefined) {
    const fragmented = share(check['fragmented-clusters'], allocated);
    const compressed = share(check['compressed-clusters'], allocated);
    lines.push(
      `${allocated}/${total} = ${share(allocated, total)} allocated, ${fragmented} fragmented, ${compressed} compressed clusters`,
    );
  }
  if (check['image-end-offset'] !== undefined) lines.push(`Image end offset: ${check['image-end-offset']}`);
  return lines;
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
