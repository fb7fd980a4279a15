/** Errors of VMDK images: all with the format, and most with a place in the file. */

import {
  CorruptImageError,
  type ErrorCode,
  type ErrorDetails,
  UnsupportedFeatureError,
} from '../../errors.ts';

export const corrupt = (
  code: ErrorCode,
  message: string,
  fileOffset: number,
  details: Pick<ErrorDetails, 'guestOffset' | 'hint'> = {},
): CorruptImageError => new CorruptImageError(code, message, { format: 'vmdk', fileOffset, ...details });

export const unsupported = (
  code: ErrorCode,
  message: string,
  fileOffset: number | undefined,
  hint: string,
): UnsupportedFeatureError =>
  new UnsupportedFeatureError(code, message, { format: 'vmdk', fileOffset, hint });

/** What to do about a file that ends too early. */
export const INCOMPLETE = 'The file is probably an incomplete download or copy: fetch it again.';
