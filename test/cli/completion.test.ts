import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { CliIo } from '../../src/cli/io.ts';
import { createProgram } from '../../src/cli/program.ts';
import { formats } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { describeWith } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

const io = { out() {}, err() {}, setExitCode() {} } as unknown as CliIo;
const program = await createProgram(io, undefined);
const commands = program.commands.map((command) => command.name());
const formatNames = formats.flatMap(({ name, aliases }) => [name, ...aliases]);

const script = async (shell: string): Promise<string> => {
  const { code, out } = await diskimg(['completion', shell]);
  expect(code).toBe(0);
  return out;
};

describeWith(['bash'], 'bash', () => {
  /** What bash offers for the last of `words`. */
  async function complete(...words: string[]): Promise<string[]> {
    writeFileSync(temp('diskimg.bash'), await script('bash'));
    const line = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _diskimg; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const out = execFileSync('bash', ['-c', line, temp('diskimg.bash'), 'diskimg', ...words], {
      encoding: 'utf8',
    });
    return out.split('\n').filter((word) => word !== '');
  }

  it('takes the script', async () => {
    writeFileSync(temp('n.bash'), await script('bash'));
    execFileSync('bash', ['-n', temp('n.bash')]);
  });

  it('offers every command, and the options of the program', async () => {
    expect(await complete('')).toEqual(expect.arrayContaining([...commands, 'help', '--version']));
    expect(await complete('conv')).toEqual(['convert']);
    expect(await complete('--v')).toEqual(['--version']);
  });

  it('offers every option of every command', async () => {
    for (const command of program.commands) {
      const offered = await complete(command.name(), '-');
      for (const { short, long } of command.options.filter(({ hidden }) => !hidden)) {
        expect(offered).toContain(long);
        if (short) expect(offered).toContain(short);
      }
    }
  });

  it('offers formats, choices, options of formats, and shells', async () => {
    for (const flag of ['-O', '--output-format']) {
      expect(await complete('convert', flag, '')).toEqual(formatNames);
    }
    expect(await complete('info', '--output', 'j')).toEqual(['json']);
    expect(await complete('convert', '--sparse', '=', '')).toEqual(['on', 'off']);
    expect(await complete('convert', '--sparse', '=', 'of')).toEqual(['off']);
    expect(await complete('create', '-o', 'clu')).toEqual(['cluster_size=']);
    expect(await complete('completion', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(await complete('help', 'resi')).toEqual(['resize']);
  });

  it('leaves files to bash', async () => {
    expect(await complete('convert', 'disk')).toEqual([]);
    expect(await complete('create', '-b', '')).toEqual([]);
  });
});

for (const shell of ['zsh', 'fish'] as const) {
  it(`${shell}: names every command and format`, async () => {
    const text = await script(shell);
    for (const name of commands) expect(text).toContain(name);
    expect(text).toContain(formatNames.join(' '));
  });

  describeWith([shell], shell, () => {
    it('takes the script', async () => {
      writeFileSync(temp(`n.${shell}`), await script(shell));
      execFileSync(shell, ['-n', temp(`n.${shell}`)]);
    });
  });
}

it('of another shell is refused', async () => {
  expect(await diskimg(['completion', 'tcsh'])).toMatchObject({ code: 1, out: '' });
});
