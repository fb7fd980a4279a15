/** Which Host fields mean a server. */

import { expect, it } from 'vitest';
import { isOwnHost } from '../../src/io/http-host.ts';

it.each([
  ['127.0.0.1:8080', '127.0.0.1'],
  ['127.0.0.1', '127.0.0.1'],
  ['LOCALHOST:1', '127.0.0.1'],
  ['[::1]:80', '::1'],
  ['images.example:80', 'images.example'],
  ['192.0.2.7:80', '0.0.0.0'],
  ['[2001:db8::1]', '::'],
  ['localhost', '::'],
])('%s is %s', (field, listening) => expect(isOwnHost(field, listening)).toBe(true));

it.each([
  ['evil.example', '127.0.0.1'],
  ['127.0.0.1.evil.example:80', '127.0.0.1'],
  ['192.0.2.7', '127.0.0.1'],
  ['evil.example:80', '0.0.0.0'],
  ['localhost', '192.0.2.7'],
  ['', '127.0.0.1'],
  [undefined, '127.0.0.1'],
  ['a:b:c', '::'],
])('%s is not %s', (field, listening) => expect(isOwnHost(field, listening)).toBe(false));
