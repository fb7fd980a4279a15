/** The profiles as data: every rule has a source and a date, ids are unique, targets are what the cloud itself takes. */

import { describe, expect, it, test } from 'vitest';
import { profileNamed, profiles, type Source, writableFormatNamed } from '../../src/index.ts';
import { parseProfile } from '../../src/preflight/parse-profile.ts';
import { anyCloudRules, anyCloudSources } from '../../src/profiles/any-cloud.ts';

const sound = (source: Source | undefined): void => {
  expect(source?.title).toMatch(/./);
  expect(source?.url).toMatch(/^https:\/\/[^\s]+$/);
  expect(source?.date).toMatch(/^20\d\d(-\d\d(-\d\d)?)?$/);
};

describe.each(profiles)('$name', (profile) => {
  it('has a source with an address and a date for every rule', () => {
    for (const rule of profile.rules) for (const key of rule.sources) sound(profile.sources[key]);
    expect(profile.rules.length).toBeGreaterThan(2);
  });

  it('uses every source that it lists', () => {
    const used = new Set(profile.rules.flatMap(({ sources }) => sources));
    expect([...used].sort()).toEqual(Object.keys(profile.sources).sort());
  });

  it('has ids that are unique, with those of all clouds', () => {
    const ids = [...profile.rules, ...anyCloudRules].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z0-9]+([.-][a-z0-9]+)*$/);
  });

  it('is a profile as a user may write one', () => {
    expect(parseProfile(JSON.stringify(profile))).toEqual(profile);
  });

  it('converts into a format that the cloud takes', () => {
    const { target, rules } = profile;
    expect(target).toBeDefined();
    if (target === undefined) return;
    const format = writableFormatNamed(target.format);
    for (const name of Object.keys(target.options ?? {})) expect(format.createOptions).toHaveProperty(name);
    const taken = rules.flatMap(({ requires }) => (requires.kind === 'formats' ? [requires.formats] : []));
    for (const formats of taken) {
      expect(formats.some((name) => name.split('-')[0] === target.format)).toBe(true);
    }
  });
});

it('rules of all clouds have sources, too', () => {
  for (const { sources } of anyCloudRules) for (const key of sources) sound(anyCloudSources[key]);
});

it('every name is there once', () => {
  expect(new Set(profiles.map(({ name }) => name)).size).toBe(profiles.length);
  expect(() => profileNamed('azur')).toThrow(expect.objectContaining({ code: 'bad-option' }));
});

/** What `import-rules` of the documents say, in bytes: the numbers that matter most, written down a second time. */
test.each([
  ['huawei-ims', 'file-size.max', { max: 137_438_953_472 }],
  ['huawei-ims', 'fast.file-size.max', { max: 1_099_511_627_776 }],
  ['huawei-ims', 'disk-size.linux', { minGiB: 10, maxGiB: 1024 }],
  ['huawei-ims', 'disk-size.windows', { minGiB: 20, maxGiB: 1024 }],
  ['huawei-ims', 'fast.formats', { formats: ['zvhd2', 'raw'] }],
  ['azure', 'formats', { formats: ['vhd-fixed'] }],
  ['azure', 'virtual-size.multiple', { multipleOf: 1_048_576 }],
  ['azure', 'file-size.upload', { min: 20_972_032, max: 35_183_298_347_520 }],
  ['azure', 'virtual-size.generation-1', { max: 2_199_023_255_552 }],
  ['azure', 'virtual-size.linux', { max: 1_098_437_885_952 }],
  ['tencent', 'file-size.qcow2', { max: 53_687_091_200 }],
  ['tencent', 'virtual-size.max', { max: 536_870_912_000 }],
  ['oci', 'file-size.max', { max: 429_496_729_600 }],
  ['digitalocean', 'file-size.decimal', { max: 99_999_999_999 }],
  ['aws-import', 'virtual-size.mbr', { max: 2_199_023_255_552 }],
])('%s %s is %j', (cloud, id, value) => {
  const rule = profileNamed(cloud).rules.find((one) => one.id === id);
  expect(rule?.requires).toMatchObject(value);
});
