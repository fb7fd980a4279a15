/** All that a command knows of the process that it runs in; tests give it another one. */
export interface CliIo {
  /** Results. */
  out(text: string): void;
  /** Errors, notes and progress. */
  err(text: string): void;
  /** Is the error stream a terminal, on which a line can be drawn over? */
  readonly isTerminal: boolean;
  /** Characters in a line of the terminal. */
  readonly columns: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted when the user asks to stop. */
  readonly signal: AbortSignal;
}
