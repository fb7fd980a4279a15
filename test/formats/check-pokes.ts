/** Changes one thing in a sound image, and sees what a check finds. */

import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import type { FindingCode, FormatName, Severity } from '../../src/index.ts';
import { type CheckOptions, checkImage } from '../../src/index.ts';
import type { Poke } from './poke.ts';

/** What is changed, to what, how, and the finding that says so. */
export type CheckRow = readonly [
  field: string,
  value: string,
  poke: Poke,
  severity: Severity,
  code: FindingCode,
];

/** A test for each row: the poked image has the finding, and no other but of the codes in `beside`. */
export function testFindings(
  format: FormatName,
  image: () => Uint8Array,
  rows: readonly CheckRow[],
  { beside = [], ...options }: CheckOptions & { readonly beside?: readonly FindingCode[] } = {},
): void {
  test.each(rows)('%s: %s', async (_field, _value, poke, severity, code) => {
    const check = await checkImage(poke(Buffer.from(image())), { format, ...options });
    const found = check.findings.filter((finding) => finding.code === code);
    expect(check.findings.map((finding) => finding.code)).toContain(code);
    for (const finding of found) {
      expect(finding).toMatchObject({ severity, fileOffset: expect.any(Number) });
      expect(finding.message).toMatch(/\.$/);
    }
    const others = check.findings.filter(
      (finding) => finding.code !== code && !beside.includes(finding.code),
    );
    expect(others).toEqual([]);
  });
}
