// The shell lines that most qcow2 recipes share.

import { guest, lines, type Recipe } from './recipe.ts';

export const MIB = 1_048_576;

export const made = (name: string, features: string[], ...command: string[]): Recipe => ({
  file: `qcow2/${name}.qcow2`,
  format: 'qcow2',
  tools: command.some((line) => line.includes('qemu-io')) ? ['qemu-img', 'qemu-io'] : ['qemu-img'],
  command: lines(...command),
  features,
});

export const converted = (name: string, size: number, options: string, features: string[]): Recipe =>
  made(
    name,
    features,
    guest(size, `qcow2-${name}`),
    `qemu-img convert -f raw -O qcow2 ${options} guest.raw ${name}.qcow2`,
  );

/** As converted, with a run of random bytes that has to stay uncompressed. */
export const compressed = (
  name: string,
  size: number,
  solid: { at: number; length: number },
  options: string,
  features: string[],
): Recipe =>
  made(
    name,
    ['compressed', ...features],
    guest(size, `qcow2-${name}`, solid),
    `qemu-img convert -f raw -O qcow2 -c -m 1 ${options} guest.raw ${name}.qcow2`,
  );

export const refused = (recipe: Recipe, note: string, more: Partial<Recipe> = {}): Recipe => ({
  ...recipe,
  expect: 'refused',
  note,
  ...more,
});

export const qemuIo = (image: string, ...commands: string[]): string =>
  `qemu-io -f qcow2 ${commands.map((command) => `-c '${command}'`).join(' ')} ${image}`;

export const pokeByte = (image: string, offset: number, octal: string): string =>
  `printf '\\${octal}' | dd of=${image} bs=1 seek=${offset} conv=notrunc status=none`;

export const steadyDates = (image: string): string => `node "$FIXTURES/poke-snapshot-dates.ts" ${image}`;
