/** A user's own profile: what it may be, and errors that name the place in the JSON. */

import { writeFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { profileNamed, readProfile } from '../../src/index.ts';
import { parseProfile } from '../../src/preflight/parse-profile.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

const source = { title: 'Our runbook', url: 'https://example.com/runbook', date: '2026-05-01' };
const rule = {
  id: 'size',
  severity: 'error',
  requires: { kind: 'virtual-size', max: 1024 },
  sources: ['R'],
};
const own = { name: 'ours', title: 'Our cloud', sources: { R: source }, rules: [rule] };

const withRule = (changes: object) => ({ ...own, rules: [{ ...rule, ...changes }] });

it('takes a whole profile', () => {
  expect(parseProfile(JSON.stringify(own))).toEqual(own);
});

it('builds on one of ours: rules of the same id take their place', () => {
  const changes = {
    name: 'ours',
    title: 'Our Azure',
    extends: 'azure',
    sources: { R: source },
    rules: [{ ...rule, id: 'virtual-size.linux' }, rule],
  };
  const profile = parseProfile(JSON.stringify(changes));
  const azure = profileNamed('azure');
  expect(profile.rules).toHaveLength(azure.rules.length + 1);
  expect(profile.rules.find(({ id }) => id === 'virtual-size.linux')?.requires).toEqual(rule.requires);
  expect(profile.sources).toEqual({ ...azure.sources, R: source });
  expect(profile.target).toEqual(azure.target);
  expect(profile.name).toBe('ours');
});

describe('errors name the place', () => {
  test.each<[string, unknown]>([
    ['The profile: expected an object', 5],
    ['The profile: expected an object', []],
    ['The profile: expected an object', null],
    ['The profile: rules is missing.', { name: 'x', title: 'x' }],
    ['name: expected text', { ...own, name: 7 }],
    ['colour: is not known here', { ...own, colour: 'red' }],
    ['rules: expected a list of one or more', { ...own, rules: [] }],
    ['rules[0].severity: expected error, warning, found "fatal"', withRule({ severity: 'fatal' })],
    ['rules[0].requires: expected an object', withRule({ requires: 'qcow2' })],
    ['rules[0].requires.kind: "regexp" is no kind', withRule({ requires: { kind: 'regexp' } })],
    [
      'rules[0].requires.kind: "__proto__" is no kind',
      withRule({ requires: JSON.parse('{"kind":"__proto__"}') }),
    ],
    ['rules[0].requires.kind: nothing is no kind', withRule({ requires: {} })],
    [
      'rules[0].requires.max: expected a whole number',
      withRule({ requires: { kind: 'virtual-size', max: 1.5 } }),
    ],
    [
      'rules[0].requires.max: expected a whole number',
      withRule({ requires: { kind: 'virtual-size', max: 1e300 } }),
    ],
    [
      'rules[0].requires.multipleOf: expected a whole number, 1',
      withRule({ requires: { kind: 'virtual-size', multipleOf: 0 } }),
    ],
    [
      'rules[0].requires.maximum: is not known here',
      withRule({ requires: { kind: 'virtual-size', maximum: 1 } }),
    ],
    ['rules[0].requires: formats is missing.', withRule({ requires: { kind: 'formats' } })],
    [
      'rules[0].requires.formats[1]: expected text',
      withRule({ requires: { kind: 'formats', formats: ['raw', 1] } }),
    ],
    ['rules[0].when.os: expected linux, windows', withRule({ when: { os: 'beos' } })],
    ['rules[0].sources: "H1" is none of the sources: R.', withRule({ sources: ['H1'] })],
    ['rules[0].sources: "toString" is none of the sources', withRule({ sources: ['toString'] })],
    ['rules[0].sources: expected a list of one or more', withRule({ sources: [] })],
    ['rules[1].id: "size" is the id of another rule', { ...own, rules: [rule, rule] }],
    ['sources.R.date: expected a date', { ...own, sources: { R: { ...source, date: 'May' } } }],
    ['extends: "gcx" is none of', { ...own, extends: 'gcx' }],
    ['target: why is missing.', { ...own, target: { format: 'raw' } }],
    [
      'target.options."a b": expected text',
      { ...own, target: { format: 'raw', why: 'x', options: { 'a b': [] } } },
    ],
    ['The profile."__proto__": is not known', JSON.parse('{"__proto__": {}, "name": "x"}')],
  ])('%s', (message, value) => {
    const words = message.replace(/^The profile\."/, '"').replace(/^"?__proto__"?/, '__proto__');
    expect(() => parseProfile(JSON.stringify(value))).toThrow(
      expect.objectContaining({ code: 'bad-profile', message: expect.stringContaining(words) }),
    );
  });
});

it('refuses what is no JSON, and what is too long to be a profile', async () => {
  expect(() => parseProfile('{')).toThrow(expect.objectContaining({ code: 'bad-profile' }));
  expect(() => parseProfile('process.exit(1)')).toThrow(expect.objectContaining({ code: 'bad-profile' }));
  writeFileSync(temp('long.json'), ' '.repeat(1024 * 1024 + 1));
  await expect(readProfile(temp('long.json'))).rejects.toMatchObject({ code: 'bad-profile' });
  await expect(readProfile(temp('none.json'))).rejects.toMatchObject({ code: 'not-found' });
});
