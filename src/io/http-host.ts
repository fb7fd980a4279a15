/**
 * Whether a request means this server. A page of another site can make its own name resolve to this machine (DNS
 * rebinding) and would read the image in its visitor's name; what it cannot do is to leave its name out of Host. Pure.
 */

import { isIP } from 'node:net';

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);
const ANY = new Set(['0.0.0.0', '::']);

/** An address as it stands in a URL. */
export const urlHost = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);

/**
 * @param field Host of the request. Its port is not looked at: a tunnel may lead here from another one
 * @param listening the address or the name that the server was told to listen on. If that is every address, any address
 * will do: it is names that resolve
 */
export function isOwnHost(field: string | undefined, listening: string): boolean {
  const host = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(field?.trim().toLowerCase() ?? '')?.[1];
  if (host === undefined || host === '') return false;
  if (host === urlHost(listening).toLowerCase()) return true;
  if (ANY.has(listening)) return host === 'localhost' || isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0;
  return LOOPBACK.has(urlHost(listening)) && LOOPBACK.has(host);
}
