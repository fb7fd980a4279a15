/** Completion scripts for bash, zsh and fish. Pure. */

import type { CompletedCommand, CompletedOption, Completion } from './completion.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

export function completionScript(shell: Shell, completion: Completion): string {
  const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript };
  return `${scripts[shell](completion).join('\n')}\n`;
}

const flagsOf = ({ short, long }: CompletedOption): string[] =>
  short === undefined ? [long] : [short, long];

const isWords = (value: CompletedOption['value']): value is readonly string[] => typeof value === 'object';

/** In single quotes, as every shell here takes it. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function bashScript({ program, options, commands }: Completion): string[] {
  const names = commands.map(({ name }) => name);
  return [
    `# Completion for bash. Source it: source <(${program} completion bash)`,
    `_${program}() {`,
    `  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" command="" words="" i`,
    '  # bash takes --name=value apart.',
    '  if [[ $cur == "=" ]]; then cur=""',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's
    '  elif [[ $prev == "=" ]]; then prev="${COMP_WORDS[COMP_CWORD-2]}"; fi',
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's
    '    if [[ ${COMP_WORDS[i]} != -* ]]; then command="${COMP_WORDS[i]}"; break; fi',
    '  done',
    '  case "$command $prev" in',
    ...commands.flatMap(bashValues),
    '    *) case "$command" in',
    `      "") words=${quoted([...names, ...options.flatMap(flagsOf)].join(' '))} ;;`,
    ...commands.map(bashWords),
    '    esac ;;',
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's
    '  if [[ ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi',
    '}',
    `complete -o default -F _${program} ${program}`,
  ];
}

/** What follows an option that takes a value; nothing known means files, which bash completes by default. */
const bashValues = ({ name, options }: CompletedCommand): string[] =>
  options
    .filter(({ value }) => value !== 'none')
    .map((option) => {
      const patterns = flagsOf(option).map((flag) => quoted(`${name} ${flag}`));
      return `    ${patterns.join('|')}) words=${isWords(option.value) ? quoted(option.value.join(' ')) : "''"} ;;`;
    });

function bashWords({ name, options, words = [] }: CompletedCommand): string {
  const flags = options.flatMap(flagsOf).join(' ');
  const others = words.length > 0 ? `words=${quoted(words.join(' '))}` : ':';
  return `      ${name}) if [[ $cur == -* ]]; then words=${quoted(flags)}; else ${others}; fi ;;`;
}

function zshScript({ program, options, commands }: Completion): string[] {
  return [
    `#compdef ${program}`,
    `# Completion for zsh. Source it, or save it as _${program} in a folder of fpath.`,
    `_${program}() {`,
    '  local -a commands',
    '  local context state state_descr line',
    '  typeset -A opt_args',
    '  commands=(',
    ...commands.map(({ name, about }) => `    ${quoted(`${name}:${about}`)}`),
    '  )',
    '  _arguments -C \\',
    ...options.map((option) => `    ${zshOption(option)} \\`),
    "    '1:command:->command' '*::argument:->argument'",
    '  case $state in',
    "    command) _describe 'command' commands ;;",
    '    argument) case $words[1] in',
    ...commands.flatMap((command) => [
      `      ${command.name}) _arguments \\`,
      ...command.options.map((option) => `        ${zshOption(option)} \\`),
      `        ${quoted(command.words ? `*:argument:(${command.words.join(' ')})` : '*:file:_files')} ;;`,
    ]),
    '    esac ;;',
    '  esac',
    '}',
    `if [ "$funcstack[1]" = "_${program}" ]; then _${program} "$@"; else compdef _${program} ${program}; fi`,
  ];
}

/** `(-f --long)`{-f,--long}`[about]:value:(words)`: an option that excludes its other form. */
function zshOption(option: CompletedOption): string {
  const flags = flagsOf(option);
  const about = option.about.replaceAll(/[[\]:\\]/g, (sign) => `\\${sign}`);
  const { value } = option;
  const words = isWords(value) ? `(${value.join(' ')})` : '_files';
  const rest = quoted(`[${about}]${value === 'none' ? '' : `:value:${words}`}`);
  return flags.length === 1
    ? `${quoted(flags[0] as string)}${rest}`
    : `${quoted(`(${flags.join(' ')})`)}{${flags.join(',')}}${rest}`;
}

function fishScript({ program, options, commands }: Completion): string[] {
  const none = '__fish_use_subcommand';
  return [
    `# Completion for fish. Save it as ~/.config/fish/completions/${program}.fish`,
    ...options.map((option) => fishOption(program, none, option)),
    ...commands.flatMap(({ name, about, options: own, words }) => {
      const seen = `__fish_seen_subcommand_from ${name}`;
      return [
        `complete -c ${program} -n ${none} -f -a ${name} -d ${fishQuoted(about)}`,
        ...own.map((option) => fishOption(program, seen, option)),
        ...(words ? [`complete -c ${program} -n '${seen}' -f -a ${fishQuoted(words.join(' '))}`] : []),
      ];
    }),
  ];
}

function fishOption(
  program: string,
  condition: string,
  { short, long, about, value }: CompletedOption,
): string {
  const flags = short === undefined ? `-l ${long.slice(2)}` : `-s ${short.slice(1)} -l ${long.slice(2)}`;
  const takes = isWords(value) ? ` -x -a ${fishQuoted(value.join(' '))}` : value === 'any' ? ' -r' : '';
  return `complete -c ${program} -n '${condition}' ${flags}${takes} -d ${fishQuoted(about)}`;
}

/** In fish a backslash counts within single quotes too. */
const fishQuoted = (text: string): string => `'${text.replaceAll(/['\\]/g, (sign) => `\\${sign}`)}'`;
