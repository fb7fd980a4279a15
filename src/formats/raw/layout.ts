/**
 * File map of a raw image:
 *
 *     0 … virtualSize   the guest bytes, each at its own offset
 */

import { KiB } from '../../binary/align.ts';
import type { Layout } from '../../image/layout.ts';

export const rawLayout = (virtualSize: number): Layout => ({
  kind: 'layout',
  virtualSize,
  unit: 64 * KiB,
  dataStart: 0,
  placement: 'in-place',
  blockHead: new Uint8Array(0),
  sections: () => ({ head: [], tail: [] }),
});
