/** The clouds: one line each. */

import { alibaba } from './alibaba.ts';
import { awsImport } from './aws-import.ts';
import { azure } from './azure.ts';
import { digitalocean } from './digitalocean.ts';
import { gcp } from './gcp.ts';
import { huaweiIms } from './huawei-ims.ts';
import { oci } from './oci.ts';
import { openstack } from './openstack.ts';
import type { Profile } from './profile.ts';
import { tencent } from './tencent.ts';

export const profiles: readonly Profile[] = [
  huaweiIms,
  azure,
  awsImport,
  gcp,
  alibaba,
  tencent,
  openstack,
  oci,
  digitalocean,
];
