import { describe, expect, it } from 'vitest';
import { type ConvertFlags, convertOptions } from '../../src/cli/convert-options.ts';
import { outputFormat, pairsArgument, sizeArgument, sortOptions } from '../../src/cli/options.ts';

const flags = (given: Partial<ConvertFlags>): ConvertFlags => ({
  options: [],
  sparse: 'on',
  cache: 'writeback',
  allowPath: [],
  header: {},
  ...given,
});

describe('what is typed becomes what the library takes', () => {
  it.each([
    ['512', 512],
    ['64k', 65536],
    ['1.5G', 1610612736],
    ['40GiB', 42949672960],
    ['2T', 2199023255552],
  ])('size %s', (text, bytes) => expect(sizeArgument(text)).toBe(bytes));

  it.each(['', '-1', '64x', 'k', '1..5M', '99999999E', '0x10'])('no size: %j', (text) => {
    expect(() => sizeArgument(text)).toThrow('Expected a size');
  });

  it('joins -o given twice, and a name alone means on', () => {
    const pairs = pairsArgument('compress', pairsArgument('cluster_size=4k,compat=v2', []));
    expect(sortOptions(pairs, 'qcow2', undefined)).toEqual({
      create: { clusterSize: 4096, compat: '0.10', compress: true },
      open: {},
    });
  });

  it('gives an option that the output does not have to the input', () => {
    const pairs = pairsArgument('size=chs,compat=v3', []);
    expect(sortOptions(pairs, 'qcow2', undefined)).toEqual({
      create: { compat: '1.1' },
      open: { size: 'chs' },
    });
  });

  it.each([
    ['cluster_size=3k', 'cluster_size=3k is not possible'],
    ['cluster_size=4M', 'cluster_size=4M is not possible'],
    ['compression_type=lzo', 'compression_type=lzo is not possible'],
    ['colour=red', 'qcow2 has no option colour'],
  ])('refuses -o %s', (text, message) => {
    expect(() => sortOptions(pairsArgument(text, []), 'qcow2', undefined)).toThrow(message);
  });

  it('takes the format from the name of the output, unless -O says it', () => {
    expect(outputFormat(undefined, 'a/disk.ZVHD2')).toBe('zvhd2');
    expect(outputFormat(undefined, 'disk.img')).toBe('raw');
    expect(outputFormat('qcow2', 'disk.vhd')).toBe('qcow2');
    expect(() => outputFormat(undefined, 'disk.bin')).toThrow('does not tell a format');
  });

  it('compresses where the format leaves the choice', () => {
    expect(convertOptions('d.qcow2', flags({ compress: true }), { env: {} }).options).toEqual({
      compress: true,
    });
    expect(convertOptions('d.zvhd2', flags({ compress: true }), { env: {} }).options).toEqual({});
    expect(() => convertOptions('d.vhd', flags({ compress: true }), { env: {} })).toThrow(
      'vhd has no compression',
    );
  });

  it('--sparse=off is -S 0', () => {
    expect(convertOptions('d.raw', flags({ sparse: 'off', sparseSize: 65536 }), { env: {} }).sparseSize).toBe(
      0,
    );
    expect(convertOptions('d.raw', flags({ sparseSize: 65536 }), { env: {} }).sparseSize).toBe(65536);
  });

  it('-t unsafe leaves out the flush', () => {
    expect(convertOptions('d.raw', flags({ cache: 'unsafe' }), { env: {} }).flush).toBe(false);
    expect(convertOptions('d.raw', flags({}), { env: {} }).flush).toBeUndefined();
  });

  it('--reproducible takes the time from SOURCE_DATE_EPOCH', () => {
    const time = (env: Record<string, string>) =>
      convertOptions('d.vhd', flags({ reproducible: true }), { env }).reproducible;
    expect(time({ SOURCE_DATE_EPOCH: '1700000000' })).toEqual({ timestamp: 1700000000 });
    expect(time({})).toEqual({ timestamp: 0 });
    expect(() => time({ SOURCE_DATE_EPOCH: 'yesterday' })).toThrow('SOURCE_DATE_EPOCH');
  });
});
