/**
 * Checking an image: a format walks all of its metadata and reports what contradicts it. Unlike a reader it goes on
 * behind what it finds.
 */

import { CorruptImageError, type ErrorCode } from '../errors.ts';

/** Stable, like the codes of errors, which are used where the same thing makes a reader refuse. */
export type FindingCode =
  | ErrorCode
  // references
  | 'unaligned'
  | 'past-end'
  | 'overlap'
  | 'reserved-bits'
  | 'unused-space'
  // refcounts
  | 'refcount-too-low'
  | 'refcount-past-end'
  | 'leaked-cluster'
  | 'copied-flag'
  | 'dirty'
  // footers and records
  | 'footer-missing'
  | 'footers-differ'
  | 'sector-bitmap'
  | 'block-order'
  // partition tables
  | 'partition-past-end'
  | 'partition-overlap'
  | 'partition-table';

/**
 * `corruption`: the image contradicts itself, reading or writing it loses data. `leak`: space is lost, nothing else.
 * `warning`: it is allowed, but a user may want to know.
 */
export type Severity = 'corruption' | 'leak' | 'warning';

/** Where a finding stands; offsets in bytes. */
export interface FindingPlace {
  readonly fileOffset?: number | undefined;
  readonly guestOffset?: number | undefined;
}

export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  readonly message: string;
  /** Place in the image file. */
  readonly fileOffset?: number;
  /** Place on the virtual disk. */
  readonly guestOffset?: number;
}

/** Reports one finding. The message is asked for only when it is kept: there may be millions. */
export type ReportFinding = (code: FindingCode, message: () => string, place?: FindingPlace) => void;

/** Where a check puts what it finds. */
export interface FindingReport {
  readonly corruption: ReportFinding;
  readonly leak: ReportFinding;
  readonly warning: ReportFinding;
  /**
   * What `read` gives; or undefined and a corruption, when it throws a CorruptImageError. The corruption stands where the
   * error does, or else at `place`.
   */
  attempt<T>(read: () => Promise<T>, place?: FindingPlace): Promise<T | undefined>;
}

/** What is to be checked, and how. */
export interface CheckRequest<Options> {
  /** The options for opening the image. */
  readonly options: Options;
  /** Is every compressed block to be decoded, too? */
  readonly readsData: boolean;
  readonly report: FindingReport;
  /** To be called now and then. @throws CancelledError when the caller asks to stop */
  requireRunning(): void;
}

/** What a check counts; clusters are the format's blocks. */
export interface CheckFigures {
  /** File offset behind everything that is in use. */
  readonly imageEndOffset: number;
  readonly totalClusters?: number;
  readonly allocatedClusters?: number;
  /** Allocated clusters that do not follow the one before them. */
  readonly fragmentedClusters?: number;
  readonly compressedClusters?: number;
}

/** Findings that are kept; the others are only counted. */
export const MAX_FINDINGS = 1000;

/** All findings are counted, the first {@link MAX_FINDINGS} are kept. */
export interface Findings {
  readonly report: FindingReport;
  readonly kept: readonly Finding[];
  count(severity: Severity): number;
}

export function collectFindings(): Findings {
  const kept: Finding[] = [];
  const counts: Record<Severity, number> = { corruption: 0, leak: 0, warning: 0 };
  const reporter =
    (severity: Severity): ReportFinding =>
    (code, message, { fileOffset, guestOffset } = {}) => {
      counts[severity] += 1;
      if (kept.length >= MAX_FINDINGS) return;
      kept.push({
        code,
        severity,
        message: message(),
        ...(fileOffset !== undefined && { fileOffset }),
        ...(guestOffset !== undefined && { guestOffset }),
      });
    };
  const corruption = reporter('corruption');
  return {
    report: {
      corruption,
      leak: reporter('leak'),
      warning: reporter('warning'),
      async attempt(read, place = {}) {
        try {
          return await read();
        } catch (error) {
          if (!(error instanceof CorruptImageError)) throw error;
          const { fileOffset = place.fileOffset, guestOffset = place.guestOffset } = error;
          corruption(error.code, () => error.message, { fileOffset, guestOffset });
          return undefined;
        }
      },
    },
    kept,
    count: (severity) => counts[severity],
  };
}
