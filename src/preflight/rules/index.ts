/** The kinds of rules: one line each. */

import type { RequirementKind, RequirementOf } from '../../profiles/profile.ts';
import type { Judgement } from '../judgement.ts';
import type { Subject } from '../subject.ts';
import * as boot from './boot.ts';
import * as container from './container.ts';
import * as disk from './disk.ts';
import * as sizes from './sizes.ts';

export const judges: {
  readonly [K in RequirementKind]: (requirement: RequirementOf<K>, subject: Subject) => Judgement;
} = {
  formats: container.formats,
  archive: container.archive,
  'file-size': container.fileSize,
  'file-size-over-disk': container.fileSizeOverDisk,
  'outside-files': container.outsideFiles,
  'no-encrypted-image': container.noEncryptedImage,
  'internal-snapshots': container.internalSnapshots,
  'vmdk-types': container.vmdkTypes,
  'declared-format': container.declaredFormat,
  'file-name': container.fileName,
  'companion-file': container.companionFile,
  'virtual-size': sizes.virtualSize,
  'disk-size-range': sizes.diskSizeRange,
  'disk-fits': sizes.diskFits,
  'whole-gib-disk': sizes.wholeGibDisk,
  'vhd-size': sizes.vhdSize,
  'boot-modes': boot.bootModes,
  'boot-of-architecture': boot.bootOfArchitecture,
  architectures: boot.architectures,
  'boot-as-said': boot.bootAsSaid,
  'architecture-as-said': boot.architectureAsSaid,
  'os-as-said': boot.osAsSaid,
  'partition-table': disk.partitionTable,
  'no-encrypted-volumes': disk.noEncryptedVolumes,
  'no-optical-disc': disk.noOpticalDisc,
  'os-family': disk.osFamily,
  'one-system': disk.oneSystem,
  'root-filesystem': disk.rootFilesystem,
  'fstab-by-uuid': disk.fstabByUuid,
  'root-by-uuid': disk.rootByUuid,
  'virtio-drivers': disk.virtioDrivers,
  'cloud-init': disk.cloudInit,
  dhcp: disk.dhcp,
  'no-lvm-root': disk.noLvmRoot,
  'clean-shutdown': disk.cleanShutdown,
};
