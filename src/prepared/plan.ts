/** A prepared output as data: what another process, or another machine, needs to make the same bytes. */

import type { FormatName } from '../formats/index.ts';

/** JSON can hold it. Its fields are not for others to change. */
export interface OutputPlan {
  readonly version: 1;
  readonly format: FormatName;
  readonly options: Readonly<Record<string, unknown>>;
  /** Bytes of the disk. */
  readonly virtualSize: number;
  /** The UUID of the output in hexadecimal digits, and its time in seconds since 1970. */
  readonly identity: { readonly uuid: string; readonly timestamp: number };
  /** Blocks of the file that hold data, where that was found by reading them; see `found.ts`. */
  readonly stored?: string;
  /** What the source is known by: it must be the same when the plan is used. */
  readonly source: string;
}
