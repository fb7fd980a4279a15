/** What comes of looking at parts of a disk beside the facts: what is wrong, and what could not be looked at. */

import { BudgetError, CorruptImageError, UnsupportedFeatureError } from '../errors.ts';
import type { InspectionNote, NotLookedAt } from './contents.ts';

export interface Findings {
  readonly notes: InspectionNote[];
  readonly notLookedAt: NotLookedAt[];
}

/**
 * What `work` gives, or `undefined` after an entry in `findings` when `what` is broken, has features that are not
 * read, or would take more reading than is allowed. Everything else is thrown.
 */
export async function look<T>(
  findings: Findings,
  what: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const isBroken = error instanceof CorruptImageError;
    if (!isBroken && !(error instanceof UnsupportedFeatureError || error instanceof BudgetError)) throw error;
    if (isBroken)
      findings.notes.push({
        code: 'damaged-content',
        message: `${what}: ${error.message}`,
        severity: 'error',
      });
    findings.notLookedAt.push({ what, why: error.message });
    return undefined;
  }
}
