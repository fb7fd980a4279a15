/**
 * How often each cluster of a file is referred to, and as what: what refcounts should say. Kept in pages, so that a
 * large file of which little is in use takes little memory.
 */

import { MiB } from '../../binary/align.ts';
import { BudgetError } from '../../errors.ts';

/** What a cluster can be. */
export const uses = [
  'nothing',
  'the header',
  'the refcount table',
  'a refcount block',
  'an L1 table',
  'an L2 table',
  'data',
  'compressed data',
  'the snapshot table',
  'the bitmap directory',
  'a bitmap table',
  'a bitmap',
  'the encryption header',
] as const;
export type Use = Exclude<(typeof uses)[number], 'nothing'>;

/** Clusters that one page is about. */
const PAGE = 65536;
/** A count in a page and a use. */
const BYTES_PER_CLUSTER = 3;
/** What all pages may take: 5.6 TiB of clusters of 64 KiB. */
const MAX_PAGE_BYTES = 256 * MiB;
/** From here on a count is in a map: nothing honest is referred to as often. */
const MANY = 0xffff;
/** Beside the use: has its content been looked at? */
const VISITED = 0x80;

export interface ClusterUses {
  /** Clusters of the file. */
  readonly clusterCount: number;
  /** How often `cluster` has been referred to. */
  count(cluster: number): number;
  /** Adds references to a cluster of the file, and returns what it was referred to as before. */
  add(cluster: number, use: Use, references: number): (typeof uses)[number];
  /** True the first time that it is called for a cluster that has been referred to. */
  visit(cluster: number): boolean;
  /** Clusters that have been referred to, in order. */
  used(): Iterable<number>;
}

interface Page {
  readonly counts: Uint16Array;
  readonly uses: Uint8Array;
}

/** Its functions throw BudgetError when the file has too many clusters in use. */
export function clusterUses(clusterCount: number): ClusterUses {
  const pages = new Map<number, Page>();
  const many = new Map<number, number>();

  const pageOf = (cluster: number): Page | undefined => pages.get(Math.floor(cluster / PAGE));

  function makePage(index: number): Page {
    if ((pages.size + 1) * PAGE * BYTES_PER_CLUSTER > MAX_PAGE_BYTES) {
      throw new BudgetError('over-budget', `More than ${pages.size * PAGE} clusters are in use.`, {
        format: 'qcow2',
        hint: `At most ${MAX_PAGE_BYTES} bytes are spent on counting them.`,
      });
    }
    const page = { counts: new Uint16Array(PAGE), uses: new Uint8Array(PAGE) };
    pages.set(index, page);
    return page;
  }

  function count(cluster: number): number {
    const stored = pageOf(cluster)?.counts[cluster % PAGE] ?? 0;
    return stored === MANY ? (many.get(cluster) as number) : stored;
  }

  return {
    clusterCount,
    count,
    add(cluster, use, references) {
      const page = pageOf(cluster) ?? makePage(Math.floor(cluster / PAGE));
      const at = cluster % PAGE;
      const sum = count(cluster) + references;
      page.counts[at] = Math.min(sum, MANY);
      if (sum >= MANY) many.set(cluster, sum);
      const before = page.uses[at] as number;
      page.uses[at] = (before & VISITED) | uses.indexOf(use);
      return uses[before & ~VISITED] as (typeof uses)[number];
    },
    visit(cluster) {
      const page = pageOf(cluster);
      const at = cluster % PAGE;
      const use = page?.uses[at] ?? 0;
      if (page === undefined || use === 0 || (use & VISITED) !== 0) return false;
      page.uses[at] = use | VISITED;
      return true;
    },
    *used() {
      for (const index of [...pages.keys()].sort((a, b) => a - b)) {
        const { counts } = pages.get(index) as Page;
        const end = Math.min(PAGE, clusterCount - index * PAGE);
        for (let at = 0; at < end; at++) if (counts[at] !== 0) yield index * PAGE + at;
      }
    },
  };
}
