/** `npm run bench`: whole conversions against qemu-img. See options.ts for what can be asked for. */

import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { type Case, cases, type GroupName, groups } from './convert/cases.ts';
import { filesIn, type Programs } from './convert/command.ts';
import { type Corpus, openCorpus } from './convert/corpus.ts';
import { measures } from './convert/measure.ts';
import { commandsOf, runCase } from './convert/run-case.ts';
import { runMicroBenchmarks } from './micro.ts';
import { type BenchOptions, parseOptions, usage } from './options.ts';
import { type Facts, machineFacts, wasBusy } from './report/machine.ts';
import { type Failure, writeResults } from './report/results.ts';
import { groupsIn, legend, type Result, tableOf, textTable } from './report/table.ts';
import { figuresOf } from './report/verdict.ts';

const root = resolve(import.meta.dirname, '..');

/** Progress; results go to stdout. */
const say = (text: string): void => console.error(text);

function list(selected: readonly Case[]): void {
  for (const each of selected) {
    console.log(`${each.group}: ${each.name}`);
    for (const [contender, commands] of Object.entries(commandsOf(each))) {
      console.log(`  ${contender.padEnd(8)} ${commands.join(' && ')}`);
    }
  }
}

function buildCli(): string {
  const isWindows = process.platform === 'win32'; // npm is a script there
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: isWindows,
  });
  if (status !== 0) throw new Error('npm run build failed.');
  return resolve(root, 'dist/bin.js');
}

function requireQemuImg(): void {
  if (spawnSync('qemu-img', ['--version']).status === 0) return;
  throw new Error('qemu-img is needed: it makes images of the corpus, and is what we compare with.');
}

async function digestsOf(corpus: Corpus, selected: readonly Case[]): Promise<Facts> {
  const names = new Set(
    selected.flatMap(({ ours, theirs }) => [ours, ...(theirs?.default ?? [])]).flatMap(filesIn),
  );
  const facts: [string, string][] = [];
  for (const name of [...names].filter((file) => file !== 'out' && file !== 'step').sort()) {
    facts.push([name, (await corpus.file(name, say)).digest]);
  }
  return facts;
}

/** Results are published: they name no folder of the machine. */
const withoutPaths = (text: string, folder: string): string =>
  text.replaceAll(`${folder}/`, '').replaceAll(`${root}/`, '').replaceAll(process.execPath, 'node');

/** Runs the cases and shows the results; returns how many cases failed. */
async function runConversions(options: BenchOptions, selected: readonly Case[]): Promise<number> {
  requireQemuImg();
  const programs: Programs = {
    diskimg: [process.execPath, options.cli ?? buildCli()],
    'qemu-img': ['qemu-img'],
    cp: ['cp'],
  };
  if (wasBusy()) say('Something else is running on this machine: the figures will say little.');
  const corpus = openCorpus(options.corpus, options.scale, programs);
  const digests = await digestsOf(corpus, selected);
  const facts = machineFacts(corpus.folder, root, options.cli ? 'a build given with --cli' : '');

  const results: Result[] = [];
  const failures: Failure[] = [];
  for (const each of selected) {
    try {
      const runs = await runCase({ corpus, programs, say }, each, options.runs);
      results.push({ case: each, figures: figuresOf(runs) });
    } catch (error) {
      const { message } = error as Error;
      say(`${each.name} failed: ${message}`);
      failures.push({ name: each.name, message: withoutPaths(message, corpus.folder) });
    }
  }
  console.log(facts.map(([name, value]) => `${name}: ${value}`).join('\n'));
  console.log(`\n${legend(measures).join('\n')}`);
  for (const name of groupsIn(results)) {
    console.log(`\n${groups[name].title}. ${groups[name].about}\n${textTable(tableOf(name, results))}`);
  }
  for (const { name, message } of failures) console.log(`\nFailed: ${name}: ${message}`);
  if (options.out) {
    writeResults(options.out, { facts, options, measured: measures, corpus: digests, results, failures });
  }
  return failures.length;
}

/** Groups that only a full run takes. */
const LONG_GROUPS: ReadonlySet<GroupName> = new Set(['zvhd', 'fills', 'sparse', 'threads', 'scale']);

/** Returns how many things failed. */
async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args, root);
  const selected = cases.filter(
    ({ name, group }) =>
      options.only?.test(`${group}: ${name}`) ?? (options.scale === 'full' || !LONG_GROUPS.has(group)),
  );
  if (options.mode === 'help') console.log(usage);
  else if (options.mode === 'list') list(selected);
  else if (options.mode === 'micro') return runMicroBenchmarks(options.only);
  else return runConversions(options, selected);
  return 0;
}

const failed = await main(process.argv.slice(2)).catch((error: Error) => {
  say(`bench: ${error.message}`);
  return 1;
});
process.exitCode = failed > 0 ? 1 : 0;
