/** Where an upload goes, as the user has typed it. Pure. */

import { InvalidArgumentError } from 'commander';
import { OptionError } from '../index.ts';

export interface UploadTarget {
  readonly scheme: 's3' | 'obs';
  readonly bucket: string;
  readonly key: string;
}

/** `s3://bucket/key` or `obs://bucket/key`; the key is taken as it is. @throws OptionError `bad-option` */
export function parseTarget(text: string): UploadTarget {
  const match = /^(s3|obs):\/\/([^/]+)\/(.*[^/])$/s.exec(text);
  if (match) {
    const [, scheme, bucket = '', key = ''] = match;
    return { scheme: scheme as UploadTarget['scheme'], bucket, key };
  }
  throw new OptionError('bad-option', `${text} is not an object of a store.`, {
    hint: 'Expected s3://bucket/key or obs://bucket/key.',
  });
}

/** For commander: the address of a store. */
export function endpointArgument(text: string): string {
  const url = URL.parse(text);
  const isAddress = url && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '';
  if (!isAddress) throw new InvalidArgumentError('Expected an address like https://s3.example.com.');
  if (url.username !== '' || url.password !== '') {
    throw new InvalidArgumentError('Credentials do not belong in an address: give them in the environment.');
  }
  return url.href.replace(/\/$/, '');
}

/** Has the address no name to put a bucket before? */
export function isBareAddress(endpoint: string): boolean {
  const { hostname } = new URL(endpoint);
  return hostname === 'localhost' || hostname.startsWith('[') || /^[\d.]+$/.test(hostname);
}
