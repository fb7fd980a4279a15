/** All that the command line knows of the process that it runs in; tests give it another one. */
export interface ProcessIo {
  /** What is piped in; undefined where that is a terminal. */
  readonly stdin: AsyncIterable<Uint8Array> | undefined;
  /** Results. */
  out(text: string): void;
  /**
   * Results that are bytes. Done when they are written, so that no more is read than is taken; false when nobody reads
   * them any more.
   * @throws ImageIoError `write-failed`
   */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Errors, notes and progress. */
  err(text: string): void;
  /** Is the error stream a terminal, on which a line can be drawn over? */
  readonly isTerminal: boolean;
  /** Is the output stream one? */
  readonly isOutputTerminal: boolean;
  /** Characters in a line of the terminal. */
  readonly columns: number;
  /** Asks the person at the terminal, without showing what is typed; left out where there is none. */
  readonly askSecret?: (question: string) => Promise<string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted when the user asks to stop. */
  readonly signal: AbortSignal;
}

/** What a command is given: the process, and a say in how it exits. */
export interface CliIo extends ProcessIo {
  /**
   * With which code the process exits, when that is not 0 for a command that ends and 1 for one that throws. Set before
   * the work begins it is the code of its errors too.
   */
  setExitCode(code: number): void;
}
