/** Errors for people: one line with the code, the place and what to do. */

import { ImageError } from '../index.ts';

/** `verbose` adds the causes behind an error. */
export function renderError(error: unknown, { verbose }: { readonly verbose: boolean }): string {
  const line = error instanceof ImageError ? renderImageError(error) : `[internal] ${messageOf(error)}`;
  const causes = verbose ? causesOf(error).map((cause) => `  caused by: ${cause}\n`) : [];
  return `diskimg: ${line}\n${causes.join('')}`;
}

function renderImageError({ code, message, format, fileOffset, guestOffset, hint }: ImageError): string {
  const place = [
    format,
    fileOffset === undefined ? undefined : `file byte ${fileOffset}`,
    guestOffset === undefined ? undefined : `guest byte ${guestOffset}`,
  ].filter((part) => part !== undefined);
  const where = place.length > 0 ? ` (${place.join(', ')})` : '';
  return `[${code}] ${message}${where}${hint ? ` ${hint}` : ''}`;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function causesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const stack = error instanceof ImageError ? [] : [error.stack ?? error.message];
  const cause = error.cause === undefined ? [] : [messageOf(error.cause), ...causesOf(error.cause)];
  return [...stack, ...cause];
}

/** An error as one event of the JSON progress. */
export function errorEvent(error: unknown): object {
  if (!(error instanceof ImageError)) return { event: 'error', code: 'internal', message: messageOf(error) };
  const { code, message, format, fileOffset, guestOffset, hint } = error;
  return { event: 'error', code, message, format, fileOffset, guestOffset, hint };
}
