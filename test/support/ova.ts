/** Archives of disks, made by tar as appliances are. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface OvfSays {
  readonly file: string;
  readonly size?: number;
  /** GiB. */
  readonly capacity?: number;
}

/** A descriptor as VMware's tools write it, of what it is to say of each disk. */
export const ovfText = (disks: readonly OvfSays[]): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<!-- made for a <test> -->
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References>
${disks.map(({ file, size }, at) => `    <File ovf:href="${file}" ovf:id="file${at + 1}"${size === undefined ? '' : ` ovf:size="${size}"`}/>`).join('\n')}
  </References>
  <DiskSection>
    <Info>Virtual disk information</Info>
${disks.map(({ capacity = 1 }, at) => `    <Disk ovf:capacity="${capacity}" ovf:capacityAllocationUnits="byte * 2^30" ovf:diskId="vmdisk${at + 1}" ovf:fileRef="file${at + 1}"/>`).join('\n')}
  </DiskSection>
</Envelope>
`;

/** Lines of a manifest. */
export const manifestOf = (
  files: Readonly<Record<string, Uint8Array | string>>,
  algorithm = 'SHA256',
): string =>
  Object.entries(files)
    .map(
      ([name, bytes]) =>
        `${algorithm}(${name})= ${createHash(algorithm.toLowerCase()).update(bytes).digest('hex')}\n`,
    )
    .join('');

/**
 * The bytes of an archive with these files in this order.
 * @param args further flags, or another flavour than ustar: `--format=pax`
 */
export function tarOf(
  folder: string,
  files: Readonly<Record<string, Uint8Array | string>>,
  args: readonly string[] = ['--format=ustar'],
): Buffer {
  const own = mkdtempSync(join(folder, 'tar-'));
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(own, name)), { recursive: true });
    writeFileSync(join(own, name), bytes);
  }
  const archive = `${own}.tar`;
  execFileSync('tar', [...args, '-C', own, '-cf', archive, ...Object.keys(files)]);
  return readFileSync(archive);
}
