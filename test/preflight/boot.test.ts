/** What was said of a machine, against disks with real loaders in a real EFI partition. */

import { beforeAll, expect, it } from 'vitest';
import { preflight } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { describeWith } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { efiProgram, emptyDisk, makeFat, partitionWithSgdisk, putFile } from '../support/test-disks.ts';

const temp = tempFolder();
const MiB = 1024 * 1024;
/** IMAGE_FILE_MACHINE_ARM64, of the PE format. */
const ARM64 = 0xaa64;

describeWith(['sgdisk', 'mkfs.vfat', 'mcopy'], 'a disk for ARM that starts with UEFI', () => {
  const disk = temp('arm.raw');

  beforeAll(async () => {
    emptyDisk(disk, '12G');
    await partitionWithSgdisk(disk, ['-n', '1:2048:+34M', '-t', '1:ef00']);
    makeFat(temp('esp'), '34M', { 'EFI/BOOT/BOOTAA64.EFI': efiProgram(ARM64) }, temp);
    putFile(disk, temp('esp'), MiB);
  });

  const verdicts = async (cloud: string, facts: Parameters<typeof preflight>[2]) => {
    const { rules } = await preflight(disk, cloud, facts);
    return Object.fromEntries(rules.map(({ rule, verdict }) => [rule, verdict]));
  };

  it('is what it is said to be', async () => {
    const found = await verdicts('huawei-ims', { boot: 'uefi', arch: 'arm' });
    expect(found).toMatchObject({
      'boot.modes': 'pass',
      'boot.arm': 'pass',
      arch: 'pass',
      'said.boot': 'pass',
      'said.arch': 'pass',
    });
  });

  it('fails with the reason when it is said to be another one', async () => {
    const { code, out } = await diskimg([
      ...['preflight', '--for', 'huawei-ims', '--boot', 'bios', '--arch', 'x86', disk],
    ]);
    expect(code).toBe(1);
    expect(out).toMatch(
      /^FAIL {2}said\.boot: UEFI\n {6}wanted: BIOS\n {6}It was said to start with BIOS, but /m,
    );
    expect(out).toMatch(/^FAIL {2}said\.arch: arm\n {6}wanted: x86\n/m);
    expect(await verdicts('huawei-ims', { boot: 'bios', arch: 'arm' })).toMatchObject({ 'boot.arm': 'fail' });
  });

  it('is nothing for a cloud without such machines', async () => {
    expect(await verdicts('aws-import', {})).toMatchObject({ arch: 'fail', 'boot.modes': 'pass' });
    expect(await verdicts('huawei-ims', {})).not.toHaveProperty('said.boot');
  });

  it('is refused by convert --for, before anything is written', async () => {
    const { code, err } = await diskimg(['convert', '--for', 'aws-import', disk, temp('arm.vmdk')]);
    expect(code).toBe(1);
    expect(err).toMatch(
      /^diskimg: \[not-importable\] AWS VM Import\/Export would not take the result\. arch: /,
    );
  });
});
