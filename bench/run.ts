/** `npm run bench`: whole conversions against qemu-img. See options.ts for what can be asked for. */

import { spawnSync } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { type Case, cases, type GroupName, groups } from './convert/cases.ts';
import { corpusFilesIn, filesIn, OVER_HTTP, type Programs } from './convert/command.ts';
import { type Corpus, openCorpus } from './convert/corpus.ts';
import { measures } from './convert/measure.ts';
import { type Bench, commandsOf, runCase } from './convert/run-case.ts';
import { runMicroBenchmarks } from './micro.ts';
import { type BenchOptions, parseOptions, usage } from './options.ts';
import { figureTable } from './report/figures.ts';
import { type Facts, machineFacts, wasBusy } from './report/machine.ts';
import { type Failure, writeResults } from './report/results.ts';
import { groupsIn, legend, type Result, tableOf, textTable } from './report/table.ts';
import { figuresOf } from './report/verdict.ts';
import { type FigureCase, figureCases, figuresAbout, figuresTitle } from './upload/cases.ts';
import { type FigureRuns, runFigures } from './upload/run-figures.ts';
import { startWebServer, type WebServer } from './upload/web-server.ts';

const root = resolve(import.meta.dirname, '..');

/** Progress; results go to stdout. */
const say = (text: string): void => console.error(text);

/** What is to be run. */
interface Selection {
  readonly cases: readonly Case[];
  readonly figures: readonly FigureCase[];
}

function list({ cases: selected, figures }: Selection): void {
  for (const each of selected) {
    console.log(`${each.group}: ${each.name}`);
    for (const [contender, commands] of Object.entries(commandsOf(each))) {
      console.log(`  ${contender.padEnd(8)} ${commands.join(' && ')}`);
    }
  }
  for (const { name, command } of figures) console.log(`upload: ${name}\n  ours     ${command}`);
}

function buildCli(): string {
  const isWindows = process.platform === 'win32'; // npm is a script there
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: isWindows,
  });
  if (status !== 0) throw new Error('npm run build failed.');
  return resolve(root, 'dist/bin.cjs');
}

/** Makes plain JavaScript of the program that takes figures: types are taken off before it is measured, not while. */
function buildFigure(): string {
  const folder = resolve(root, '.bench/figure');
  const words = ['bench/upload/figure.ts', '--dir', folder, '--platform', 'node', '--logLevel', 'warn'];
  const externals = ['@aws-sdk/client-s3', 's3rver'].flatMap((name) => ['--external', name]);
  const { status } = spawnSync('npx', ['rolldown', ...words, ...externals], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error('rolldown cannot build bench/upload/figure.ts.');
  return resolve(folder, 'figure.js');
}

function requireQemuImg(): void {
  if (spawnSync('qemu-img', ['--version']).status === 0) return;
  throw new Error('qemu-img is needed: it makes images of the corpus, and is what we compare with.');
}

async function digestsOf(corpus: Corpus, { cases: selected, figures }: Selection): Promise<Facts> {
  const commands = [
    ...selected.flatMap(({ ours, theirs }) => [ours, ...(theirs?.default ?? [])]),
    ...figures.map(({ command }) => command),
  ];
  const facts: [string, string][] = [];
  for (const name of [...new Set(commands.flatMap(corpusFilesIn))].sort()) {
    facts.push([name, (await corpus.file(name, say)).digest]);
  }
  return facts;
}

/** Results are published: they name no folder of the machine. */
const withoutPaths = (text: string, folder: string): string =>
  text.replaceAll(`${folder}/`, '').replaceAll(`${root}/`, '').replaceAll(process.execPath, 'node');

function addressOn(web: WebServer | undefined, name: string): string {
  if (web === undefined) throw new Error('no web server was started');
  return web.addressOf(name);
}

/** Runs what is selected and shows the results; returns how many cases failed. */
async function runSelection(options: BenchOptions, selection: Selection): Promise<number> {
  requireQemuImg();
  const cli = options.cli ?? buildCli();
  const isUpload = [
    ...selection.cases.map(({ ours }) => ours),
    ...selection.figures.map(({ command }) => command),
  ].some((command) => command.startsWith('figure '));
  const programs: Programs = {
    diskimg: [process.execPath, cli],
    'qemu-img': ['qemu-img'],
    cp: ['cp'],
    curl: ['curl'],
    ...(isUpload && {
      figure: [process.execPath, buildFigure(), '--library', resolve(dirname(cli), 'index.js')],
    }),
  };
  if (wasBusy()) say('Something else is running on this machine: the figures will say little.');
  const corpus = openCorpus(options.corpus, options.scale, programs);
  const digests = await digestsOf(corpus, selection);
  const facts = machineFacts(corpus.folder, root, options.cli ? 'a build given with --cli' : '');
  const isOverHttp = selection.cases.some(({ ours }) =>
    filesIn(ours).some((name) => name.startsWith(OVER_HTTP)),
  );
  const web = isOverHttp ? await startWebServer(corpus.folder) : undefined;
  const bench: Bench = { corpus, programs, say, addressOf: (name) => addressOn(web, name) };

  const results: Result[] = [];
  const failures: Failure[] = [];
  const onFailure = (name: string, { message }: Error): void => {
    say(`${name} failed: ${message}`);
    failures.push({ name, message: withoutPaths(message, corpus.folder) });
  };
  /** A run that is broken off leaves what it has found. */
  const write = (figures: readonly FigureRuns[]): void => {
    if (options.out === undefined) return;
    writeResults(options.out, {
      ...{ facts, options, measured: measures, corpus: digests },
      ...{ results, figures, failures },
    });
  };
  try {
    for (const each of selection.cases) {
      try {
        results.push({ case: each, figures: figuresOf(await runCase(bench, each, options.runs)) });
      } catch (error) {
        onFailure(each.name, error as Error);
      }
      write([]);
    }
    const figures = await runFigures(bench, selection.figures, options.runs, onFailure);
    write(figures);
    console.log(facts.map(([name, value]) => `${name}: ${value}`).join('\n'));
    console.log(`\n${legend(measures).join('\n')}`);
    for (const name of groupsIn(results)) {
      console.log(`\n${groups[name].title}. ${groups[name].about}\n${textTable(tableOf(name, results))}`);
    }
    if (figures.length > 0)
      console.log(`\n${figuresTitle}. ${figuresAbout}\n${textTable(figureTable(figures))}`);
    for (const { name, message } of failures) console.log(`\nFailed: ${name}: ${message}`);
  } finally {
    await web?.close();
  }
  return failures.length;
}

/** Groups that only a full run takes; as it does of the others what is run less often. */
const LONG_GROUPS: ReadonlySet<GroupName> = new Set([
  'zvhd',
  'encryption',
  'fills',
  'sparse',
  'threads',
  'scale',
  'upload',
  'uploadHttp',
]);

/** Returns how many things failed. */
async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args, root);
  const isWanted = (group: GroupName, name: string, isLong: boolean): boolean =>
    options.only?.test(`${group}: ${name}`) ??
    (options.scale === 'full' || !(isLong || LONG_GROUPS.has(group)));
  const selection: Selection = {
    cases: cases.filter(({ group, name, maxRuns }) => isWanted(group, name, maxRuns !== undefined)),
    figures: figureCases.filter(({ name }) => isWanted('upload', name, true)),
  };
  const isEmpty = selection.cases.length + selection.figures.length === 0;
  if (isEmpty && options.mode !== 'help' && options.mode !== 'micro') {
    throw new Error('no case matches: --list shows their groups and names, as --only sees them.');
  }
  if (options.mode === 'help') console.log(usage);
  else if (options.mode === 'list') list(selection);
  else if (options.mode === 'micro') return runMicroBenchmarks(options.only);
  else return runSelection(options, selection);
  return 0;
}

const failed = await main(process.argv.slice(2)).catch((error: Error) => {
  say(`bench: ${error.message}`);
  return 1;
});
process.exitCode = failed > 0 ? 1 : 0;
