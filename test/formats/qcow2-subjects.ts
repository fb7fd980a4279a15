/** The qcow2 images of which fields and table entries are changed, and where those stand in them. */

import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import type { Subject } from './fields.ts';

export const imageOf = (name: string, alignment: number): Omit<Subject, 'places'> => ({
  format: 'qcow2',
  image: () => fixtureBytes(fixtureNamed(`qcow2/${name}`)),
  structures: (_, { tables }) => {
    const at = (what: string) => tables.find((table) => table.what === what)?.at ?? 0;
    return {
      header: 0,
      'L1 table': at('L1'),
      'L2 table': at('L1: L2'),
      'refcount table': at('refcount table'),
      'refcount block': at('refcount block'),
    };
  },
  unit: 1,
  alignment,
});

export const record =
  (what: string): Subject['places'] =>
  (_, { records }) =>
    records.flatMap((place) => (place.what === what ? [place.at] : []));
/** Of the first table of that name. */
export const entry =
  (what: string, index = 0): Subject['places'] =>
  (_, { tables }) => {
    const table = tables.find((place) => place.what === what);
    return table ? [table.at + index * table.entrySize] : [];
  };

export const plain = imageOf('cluster-4k', 4096);
export const named = imageOf('v3', 65536);
export const version2 = imageOf('v2-empty', 65536);
export const zlib = imageOf('zlib-cluster-4k', 4096);
export const zstd = imageOf('zstd-cluster-512', 512);
export const extended = imageOf('extended-l2-cluster-16k', 16384);
export const snapshots = imageOf('snapshots', 65536);
export const bitmap = imageOf('bitmap', 65536);
export const backing: Omit<Subject, 'places'> = {
  ...imageOf('backing-v2', 65536),
  companion: () => fixtureBytes({ file: 'qcow2/backing-v2-base.raw.gz' }),
};
export const dataFile: Omit<Subject, 'places'> = {
  ...imageOf('data-file', 65536),
  companion: () => fixtureBytes({ file: 'qcow2/data-file.bin.gz' }),
};
