/** Flags of qemu-img that we have not: some change nothing here and are accepted, the others are refused with the reason. */

import { type Command, Option } from 'commander';
import { OptionError } from '../index.ts';

interface ForeignFlags {
  /** Scripts have them, and nothing here depends on them: how files are cached, shared and copied. */
  readonly ignored: readonly string[];
  /** What to do instead, by the flag. */
  readonly refused: Readonly<Record<string, string>>;
}

const SHARE = '-U, --force-share';
const SOURCE_CACHE = '-T <mode>';

const everywhere = {
  '--image-opts': 'Name the image, its format with -f, and options with -o.',
  '--object <definition>': 'Give a passphrase with --passphrase-file.',
} as const;

const foreign: Readonly<Record<string, ForeignFlags>> = {
  check: {
    ignored: [SHARE, SOURCE_CACHE],
    refused: { '-r <kind>': 'Nothing is repaired here: run qemu-img check -r on a copy.' },
  },
  compare: { ignored: [SHARE, SOURCE_CACHE], refused: {} },
  convert: {
    ignored: [SHARE, SOURCE_CACHE, '-W', '-C', '--target-is-zero'],
    refused: {
      '-r <rate>': 'The speed is not limited here: send it through pv, or use nice and ionice.',
      '--bitmaps': 'Bitmaps are not copied: use qemu-img convert --bitmaps.',
      '--skip-broken-bitmaps': 'Bitmaps are not copied.',
    },
  },
  info: {
    ignored: [SHARE],
    refused: { '--backing-chain': 'Describe each image by itself: info opens nothing that an image names.' },
  },
  map: { ignored: [SHARE], refused: {} },
  measure: { ignored: [SHARE], refused: {} },
  resize: {
    ignored: [],
    refused: {
      '--shrink': 'A disk cannot be made smaller in place: use diskimg convert --size.',
      '--preallocation <mode>': 'Nothing is set aside: the new part is empty.',
    },
  },
};

/** Adds them to a command, hidden from its help. */
export function addForeignFlags(command: Command): void {
  const { ignored, refused } = foreign[command.name()] ?? { ignored: [], refused: {} };
  for (const flags of ignored) command.addOption(new Option(flags).hideHelp());
  for (const [flags, hint] of Object.entries({ ...refused, ...everywhere })) {
    const option = new Option(flags).hideHelp();
    command.addOption(option);
    command.on(`option:${option.name()}`, () => {
      throw new OptionError('bad-option', `${option.long ?? option.short} of qemu-img is not known here.`, {
        hint,
      });
    });
  }
}
