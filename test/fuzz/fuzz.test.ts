/** A few thousand cases of `npm run fuzz`, the same ones every time. */

import { expect, test } from 'vitest';
import { formats } from '../../src/formats/index.ts';
import { openSuite, runCase } from './case.ts';
import { findsOf } from './shift.ts';

const CASES = 300;

/** Time and memory are told of by long runs: here others are at work on the same machine. */
test.each(formats.map(({ name }) => name))(
  '%s: refused with an error of ours, or read by the laws',
  async (format) => {
    const suite = await openSuite(20_260_730, format);
    const outcomes = new Set<string>();
    for (let index = 0; index < CASES; index++) {
      const result = await runCase(suite, index);
      outcomes.add(result.outcome);
      const finds = findsOf(index, result).filter(({ kind }) => kind !== 'slow' && kind !== 'over-budget');
      expect(finds, `npm run fuzz -- --case ${suite.seed}-${index}-${format}`).toEqual([]);
    }
    expect(outcomes).toContain('read');
  },
);
