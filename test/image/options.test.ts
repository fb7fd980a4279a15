import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KiB, MiB, TiB } from '../../src/binary/align.ts';
import { formats } from '../../src/formats/index.ts';
import {
  choice,
  formatSize,
  onOff,
  optionalInteger,
  parseOption,
  parseSize,
  powerOfTwoSize,
  resolveOptions,
} from '../../src/image/options.ts';

const runs = { seed: 5, numRuns: 300 };

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['512', 512],
    ['512B', 512],
    ['64k', 64 * KiB],
    ['64K', 64 * KiB],
    ['64KiB', 64 * KiB],
    ['1.5M', 1.5 * MiB],
    ['0.5k', 512],
    ['2T', 2 * TiB],
    ['1p', 2 ** 50],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%s', (text, size) => expect(parseSize(text)).toBe(size));

  it.each([
    '',
    'K',
    '-1',
    '+1',
    ' 1',
    '1 ',
    '1 K',
    '1KB',
    '1X',
    '1e3',
    '0x10',
    '.5K',
    '1.',
    '1.K',
    '1,5K',
    '1.0001K',
    '0.1',
    '9007199254740992',
    '8E',
    'NaN',
    'Infinity',
    '1KK',
    '1\n',
  ])('%j is none', (text) => expect(parseSize(text)).toBeUndefined());

  it('are printed as they are parsed, in whole units', () =>
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.constantFrom(1, KiB, MiB, TiB), (number, unit) => {
        const size = Math.floor(number / unit) * unit;
        expect(parseSize(formatSize(size))).toBe(size);
      }),
      runs,
    ));

  it.each([
    [0, '0'],
    [1023, '1023'],
    [1024, '1K'],
    [1536, '1536'],
    [64 * KiB, '64K'],
    [2 * MiB, '2M'],
    [2 ** 50, '1P'],
    [2 ** 53, '8P'],
  ])('%d is printed as %s', (size, text) => expect(formatSize(size)).toBe(text));
});

/** What every object has, and no option. */
const inherited = ['constructor', 'toString', 'hasOwnProperty', '__proto__'];

const specs = {
  word: choice('word', ['one', 'two'], 'one', 'a word', { uno: 'one' }),
  flag: onOff('flag', false, 'a flag'),
  level: optionalInteger('the_level', 1, 9, 'a level'),
  size: powerOfTwoSize('size', 512, 2 * MiB, 64 * KiB, 'a size'),
};

describe('options', () => {
  it('have the defaults when nothing is given', () => {
    const defaults = { word: 'one', flag: false, level: undefined, size: 64 * KiB };
    expect(resolveOptions(specs, {}, 'test')).toEqual(defaults);
    const undefinedOnes = { word: undefined, flag: undefined, level: undefined, size: undefined };
    expect(resolveOptions(specs, undefinedOnes, 'test')).toEqual(defaults);
  });

  it('take what is given', () => {
    const given = { word: 'two', flag: true, level: 9, size: 512 };
    expect(resolveOptions(specs, given, 'test')).toEqual(given);
  });

  it.each<Record<string, unknown>>([
    { word: 'three' },
    { word: 'uno' },
    { word: 1 },
    { flag: 'on' },
    { level: 0 },
    { level: 10 },
    { level: 1.5 },
    { level: '5' },
    { size: 256 },
    { size: 4 * MiB },
    { size: 65_535 },
    { size: '64K' },
    { nothing: 1 },
    ...inherited.map((word) => ({ word })),
    { constructor: 1 },
  ])('refuse %j', (given) => {
    expect(() => resolveOptions(specs, given, 'test')).toThrow(
      expect.objectContaining({ name: 'OptionError', code: 'bad-option', format: 'test' }),
    );
  });

  it.each([
    ['word', 'two', ['word', 'two']],
    ['word', 'uno', ['word', 'one']],
    ['flag', 'on', ['flag', true]],
    ['flag', 'off', ['flag', false]],
    ['the_level', '7', ['level', 7]],
    ['size', '4K', ['size', 4096]],
    ['size', '2M', ['size', 2 * MiB]],
  ])('parse %s=%s', (name, text, pair) => expect(parseOption(specs, name, text, 'test')).toEqual(pair));

  it.each([
    ['word', ''],
    ['flag', 'true'],
    ['flag', ''],
    ['the_level', '0'],
    ['the_level', '1.0'],
    ['the_level', '-1'],
    ['the_level', ''],
    ['level', '7'],
    ['size', '4097'],
    ['size', '4M'],
    ['size', 'large'],
    ['nothing', '1'],
    ...inherited.flatMap((text) => [
      ['word', text],
      ['flag', text],
      [text, 'one'],
    ]),
  ])('refuse %s=%s', (name, text) => {
    expect(() => parseOption(specs, name as string, text as string, 'test')).toThrow(
      expect.objectContaining({ name: 'OptionError', code: 'bad-option', hint: expect.any(String) }),
    );
  });
});

describe.each(formats)('the options of $name', ({ name, createOptions, openOptions }) => {
  it('accept their own defaults, and what they say of their values', () => {
    for (const specs of [createOptions, openOptions]) {
      expect(resolveOptions(specs, {}, name)).toBeTypeOf('object');
      for (const option of Object.values(specs)) {
        expect(option.default === undefined || option.accepts(option.default)).toBe(true);
        for (const text of option.values.split(/, .*|\.\.|\|/).filter(Boolean)) {
          const value = option.parse(text);
          expect(option.accepts(value)).toBe(true);
          expect(parseOption(specs, option.name, text, name)[1]).toBe(value);
        }
      }
    }
  });

  it('have names of their own', () => {
    for (const specs of [createOptions, openOptions]) {
      const names = Object.values(specs).map((option) => option.name);
      expect(new Set(names)).toHaveLength(names.length);
    }
  });
});
