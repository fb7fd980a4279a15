/** The images in native-fixtures/, made by other tools. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { FormatName } from '../../src/index.ts';

/** An entry of native-fixtures/manifest.json. */
export interface Fixture {
  /** Path below native-fixtures/. */
  readonly file: string;
  readonly format: FormatName;
  readonly features: readonly string[];
  readonly expect: 'readable' | 'refused';
  readonly virtualSize: number | null;
  /** SHA-256 over all guest bytes, by another tool. */
  readonly guestSha256: string | null;
  readonly imageSha256: string;
  readonly imageSize: number;
  readonly originalSize?: number;
  readonly storedBlocks?: readonly number[];
  readonly storedBlocksSha256?: string;
  readonly guestSha256OverOriginalSize?: string;
  readonly asQemuSees?: { readonly virtualSize: number; readonly guestSha256: string };
  /** What the guest sees when the files in `companions` are allowed. */
  readonly whenAllowed?: { readonly virtualSize: number; readonly guestSha256: string };
  /** What the guest sees when the passphrase is given. */
  readonly unlocked?: {
    readonly passphrase: string;
    readonly virtualSize: number;
    readonly guestSha256: string;
  };
  readonly companions?: readonly { readonly file: string; readonly name: string }[];
  readonly dataRanges?: readonly {
    readonly guestOffset: number;
    readonly length: number;
    readonly sha256: string;
  }[];
}

const folder = new URL('../../native-fixtures/', import.meta.url);

export const fixtures: readonly Fixture[] = JSON.parse(
  readFileSync(new URL('manifest.json', folder), 'utf8'),
).images;

/** Where the file stands, compressed if its name ends in `.gz`. */
export const fixturePath = (file: string): string => fileURLToPath(new URL(file, folder));

/** The bytes of the image. */
export function fixtureBytes({ file }: Pick<Fixture, 'file'>): Uint8Array {
  const bytes = readFileSync(new URL(file, folder));
  return file.endsWith('.gz') ? gunzipSync(bytes) : bytes;
}

/** The fixture whose file is `<format>/<name>.…`. */
export function fixtureNamed(name: string): Fixture {
  const found = fixtures.find(({ file }) => file === name || file.startsWith(`${name}.`));
  if (!found) throw new Error(`no fixture ${name}`);
  return found;
}
