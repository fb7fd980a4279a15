/** The package's version, as its package.json says it. */

import manifest from '../../package.json' with { type: 'json' };

export const version = (): string => manifest.version;
