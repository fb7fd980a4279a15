/**
 * File map of the uncompressed qcow2 images that we write, every part a multiple of the cluster size:
 *
 *     header (1 cluster) │ LUKS header, if encrypted │ data clusters │ L2 tables │ L1 table │ refcount table │ refcount blocks
 *
 * Tables whose size depends on the data stand behind it, so that the data begins where it always does.
 */

import { type Allocation, rankInOrder } from '../../image/allocation.ts';
import type { Layout } from '../../image/layout.ts';
import { bytesSection, paddingSection, type Section, tableSection } from '../../image/section.ts';
import type { WriterContext } from '../../image/writer.ts';
import { clusterCipher, LUKS_BYTES, luksSection } from './encryption.ts';
import {
  COPIED,
  headerCluster,
  mapTables,
  NO_FLAGS,
  type Qcow2Options,
  type Qcow2Shape,
  qcow2Shape,
  REFCOUNT_BYTES,
  refcountsPerBlock,
  setEntry,
  usedL2Tables,
} from './tables.ts';

/** @throws OptionError */
export function qcow2Layout(virtualSize: number, options: Qcow2Options, context: WriterContext): Layout {
  const shape = qcow2Shape(virtualSize, options, context);
  const { clusterSize, encryptFormat } = options;
  const { dataStart } = shape;
  const { encryption } = context;
  return {
    kind: 'layout',
    virtualSize,
    unit: clusterSize,
    dataStart,
    placement: 'packed',
    blockHead: new Uint8Array(0),
    ...(encryption && { encipher: clusterCipher(encryption) }),
    sections(allocation) {
      const l2Tables = usedL2Tables(shape, allocation);
      const dataEnd = dataStart + allocation.storedCount * clusterSize;
      const tables = mapTables(shape, dataEnd, l2Tables.storedCount);
      const l1 = tableSection('L1 table', shape.l1Size, 8, (view, at, index) => {
        if (!l2Tables.has(index)) return;
        setEntry(view, at, tables.l2Offset + l2Tables.rank(index) * clusterSize, COPIED);
      });
      const refcountTable = tableSection('refcount table', tables.refcountBlockCount, 8, (view, at, index) =>
        setEntry(view, at, tables.refcountBlocksOffset + index * clusterSize, NO_FLAGS),
      );
      const refcounts = tables.refcountBlockCount * refcountsPerBlock(clusterSize);
      return {
        head: [
          bytesSection('header', headerCluster(shape, tables)),
          ...(encryptFormat ? [luksSection(encryption), paddingSection(LUKS_BYTES, clusterSize)] : []),
        ],
        tail: [
          l2Section(shape, allocation, l2Tables),
          l1,
          paddingSection(l1.length, clusterSize),
          refcountTable,
          paddingSection(refcountTable.length, clusterSize),
          tableSection('refcount blocks', refcounts, REFCOUNT_BYTES, (view, at, cluster) =>
            view.setUint16(at, cluster < tables.totalClusters ? 1 : 0),
          ),
        ],
      };
    },
  };
}

function l2Section(shape: Qcow2Shape, allocation: Allocation, l2Tables: Allocation): Section {
  const { l2Entries, clusterCount, dataStart } = shape;
  const { clusterSize } = shape.options;
  const rankOf = rankInOrder(allocation);
  let tableRank = -1;
  let firstCluster = 0;
  return tableSection('L2 tables', l2Tables.storedCount * l2Entries, 8, (view, at, index) => {
    const slot = index % l2Entries;
    const rank = (index - slot) / l2Entries;
    if (rank !== tableRank) {
      tableRank = rank;
      firstCluster = l2Tables.select(rank) * l2Entries;
    }
    const cluster = firstCluster + slot;
    if (cluster < clusterCount && allocation.has(cluster)) {
      setEntry(view, at, dataStart + rankOf(cluster) * clusterSize, COPIED);
    }
  });
}
