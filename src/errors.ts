/**
 * The errors that diskimg throws: every one has a stable code, and says where it stands and what to do.
 * They cross threads as plain data, because structured cloning loses class and code.
 */

/** Stable: a code is never renamed, and its meaning never changes. The README lists them. */
export type ErrorCode =
  // which format is it?
  | 'unknown-format'
  | 'ambiguous-format'
  | 'wrong-format'
  // the image contradicts its specification
  | 'truncated'
  | 'bad-header'
  | 'bad-checksum'
  | 'bad-table'
  | 'bad-reference'
  | 'bad-data'
  | 'marked-corrupt'
  | 'verify-failed'
  // the image is fine, but this cannot be done with it
  | 'unsupported-version'
  | 'unsupported-feature'
  | 'encrypted'
  | 'wrong-passphrase'
  | 'needs-backing'
  | 'needs-data-file'
  | 'needs-parent'
  | 'needs-member'
  | 'no-check'
  // images that build on each other
  | 'bad-chain'
  // what was asked for does not fit
  | 'bad-option'
  | 'bad-profile'
  | 'not-importable'
  | 'bad-size'
  | 'data-past-size'
  | 'over-budget'
  // the world outside
  | 'not-found'
  | 'not-a-file'
  | 'same-file'
  | 'read-failed'
  | 'write-failed'
  | 'source-changed'
  | 'no-ranges'
  | 'upload-failed'
  | 'worker-failed'
  | 'cancelled';

/** Where an error stands and what to do about it; offsets in bytes. */
export interface ErrorDetails {
  readonly format?: string | undefined;
  /** Place in the image file. */
  readonly fileOffset?: number | undefined;
  /** Place on the virtual disk. */
  readonly guestOffset?: number | undefined;
  /** What the user can do. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** The base of all errors thrown on purpose. */
export class ImageError extends Error {
  readonly code: ErrorCode;
  readonly format: string | undefined;
  readonly fileOffset: number | undefined;
  readonly guestOffset: number | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.format = details.format;
    this.fileOffset = details.fileOffset;
    this.guestOffset = details.guestOffset;
    this.hint = details.hint;
  }
}

/** No format, or more than one, answers for the bytes. */
export class UnknownFormatError extends ImageError {}
/** The image breaks its own specification. */
export class CorruptImageError extends ImageError {
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(code, message, { ...details, hint: details.hint ?? DAMAGED });
  }
}
/** The image is valid, but uses something that diskimg does not do. */
export class UnsupportedFeatureError extends ImageError {}
/** An option, or a size, that cannot be. */
export class OptionError extends ImageError {}
/** The operating system refused, or a file is not what it was. */
export class ImageIoError extends ImageError {}
/** A limit that protects against hostile images was met. */
export class BudgetError extends ImageError {}
/** The caller asked to stop. */
export class CancelledError extends ImageError {
  constructor(details: ErrorDetails = {}) {
    super('cancelled', 'The work was cancelled.', details);
  }
}

/** @throws CancelledError when the caller has asked to stop */
export function requireNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new CancelledError({ cause: signal.reason });
}

const DAMAGED = 'The image is damaged: fetch it again, or take it from a backup.';

/** The same error with what it did not know: an inner part knows the problem, an outer one the place. */
export function withDetails(error: unknown, known: Omit<ErrorDetails, 'cause'>): unknown {
  if (!(error instanceof ImageError) || error instanceof CancelledError) return error;
  const { code, message, cause } = error;
  const ErrorClass = error.constructor as typeof ImageError;
  return new ErrorClass(code, message, {
    format: error.format ?? known.format,
    fileOffset: error.fileOffset ?? known.fileOffset,
    guestOffset: error.guestOffset ?? known.guestOffset,
    hint: error.hint ?? known.hint,
    cause,
  });
}

/** The same error with `name` before its message, unless that has it: for errors of one file among several. */
export function withName(error: unknown, name: string): unknown {
  if (!(error instanceof ImageError) || error instanceof CancelledError || error.message.includes(name))
    return error;
  const { code, message, format, fileOffset, guestOffset, hint, cause } = error;
  const ErrorClass = error.constructor as typeof ImageError;
  return new ErrorClass(code, `${name}: ${message}`, { format, fileOffset, guestOffset, hint, cause });
}

const classes = {
  ImageError,
  UnknownFormatError,
  CorruptImageError,
  UnsupportedFeatureError,
  OptionError,
  ImageIoError,
  BudgetError,
};

/** An error as data that survives structured cloning. */
export interface WireError {
  readonly kind: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Omit<ErrorDetails, 'cause'>;
  readonly cause: string | undefined;
}

/** Any thrown value as data; what is not an ImageError becomes a `worker-failed` with its stack as the cause. */
export function errorToWire(error: unknown): WireError {
  if (!(error instanceof ImageError)) {
    const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const message = error instanceof Error ? error.message : String(error);
    return { kind: 'ImageError', code: 'worker-failed', message, details: {}, cause };
  }
  const { code, message, format, fileOffset, guestOffset, hint } = error;
  const cause = error.cause instanceof Error ? error.cause.message : undefined;
  return { kind: error.name, code, message, details: { format, fileOffset, guestOffset, hint }, cause };
}

/** The inverse of {@link errorToWire}: class, code and place as they were. */
export function errorFromWire(wire: WireError): ImageError {
  const cause = wire.cause === undefined ? undefined : new Error(wire.cause);
  if (wire.kind === 'CancelledError') return new CancelledError({ ...wire.details, cause });
  const ErrorClass = classes[wire.kind as keyof typeof classes] ?? ImageError;
  return new ErrorClass(wire.code, wire.message, { ...wire.details, cause });
}
