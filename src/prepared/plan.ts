/** A prepared output as data: what another process, or another machine, needs to make the same bytes. */

import { Buffer } from 'node:buffer';
import { OptionError } from '../errors.ts';
import { type FormatName, formats } from '../formats/index.ts';
import type { Identity } from '../image/identity.ts';

/** JSON can hold it. Its fields are not for others to change. */
export interface OutputPlan {
  readonly version: 1;
  readonly format: FormatName;
  /** Options of the format, complete. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Bytes of the disk. */
  readonly virtualSize: number;
  /** The UUID of the output in hexadecimal digits, and its time in seconds since 1970. */
  readonly identity: { readonly uuid: string; readonly timestamp: number };
  /** Which blocks are stored, where the format packs them: runs, see `lengths.ts`. */
  readonly stored?: string;
  /** What the source is known by, see `fingerprint.ts`. */
  readonly source: string;
}

export const planIdentity = ({ uuid, timestamp }: Identity): OutputPlan['identity'] => ({
  uuid: Buffer.from(uuid).toString('hex'),
  timestamp,
});

export const identityOfPlan = ({ identity }: OutputPlan): Identity => ({
  uuid: Uint8Array.from(Buffer.from(identity.uuid, 'hex')),
  timestamp: identity.timestamp,
});

/** A plan that came from outside. @throws OptionError `bad-option` when it is none */
export function requirePlan(value: unknown): OutputPlan {
  const plan = value as Partial<OutputPlan> | null;
  const isPlan =
    typeof plan === 'object' &&
    plan?.version === 1 &&
    formats.some(({ name }) => name === plan.format) &&
    typeof plan.options === 'object' &&
    plan.options !== null &&
    Number.isSafeInteger(plan.virtualSize) &&
    (plan.virtualSize as number) >= 0 &&
    /^[0-9a-f]{32}$/.test(plan.identity?.uuid ?? '') &&
    Number.isSafeInteger(plan.identity?.timestamp) &&
    (plan.stored === undefined || typeof plan.stored === 'string') &&
    typeof plan.source === 'string';
  if (isPlan) return plan as OutputPlan;
  throw new OptionError('bad-option', 'This is not a plan of an output, or one of a later version.', {
    hint: 'Begin anew, without the plan.',
  });
}
