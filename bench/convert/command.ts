/**
 * Commands as the cases write them: words with blanks between, the first one a program, `{name}` a file. Files are
 * put in after the words have been told apart, so their paths may hold blanks.
 */

/** How programs are started: the words that stand for `diskimg`, `qemu-img`, … */
export type Programs = Readonly<Record<string, readonly string[]>>;

/** @param fileNamed the path for the name in braces */
export function commandWords(
  command: string,
  programs: Programs,
  fileNamed: (name: string) => string,
): readonly string[] {
  const [program = '', ...args] = command.split(' ');
  const start = programs[program];
  if (start === undefined) throw new Error(`there is no program '${program}' for: ${command}`);
  return [...start, ...args.map((word) => word.replace(/\{(.+?)\}/, (_, name: string) => fileNamed(name)))];
}

/** A file that is to be read over HTTP is written `{http:name}`. */
export const OVER_HTTP = 'http:';

/** The files of the corpus that a command reads. */
export const corpusFilesIn = (command: string): string[] =>
  filesIn(command)
    .map((name) => (name.startsWith(OVER_HTTP) ? name.slice(OVER_HTTP.length) : name))
    .filter((name) => !isOutput(name));

/** `{out}` is the result, `{step}` one that is on the way. */
export const isOutput = (name: string): boolean => name === 'out' || name === 'step';

/** What a command names in braces. */
export const filesIn = (command: string): string[] =>
  [...command.matchAll(/\{(.+?)\}/g)].map((match) => match[1] as string);
