/**
 * The stores that the command line uploads to, through clients that the user has installed beside diskimg: it brings none
 * of its own.
 */

import {
  type ObjectStore,
  type ObsClientLike,
  OptionError,
  obsStore,
  type S3ClientLike,
  type S3Commands,
  type S3StoreOptions,
  s3Store,
  UnsupportedFeatureError,
} from '../index.ts';
import type { CliIo } from './io.ts';
import { isBareAddress, type UploadTarget } from './upload-target.ts';

export interface StoreFlags {
  readonly endpoint?: string;
  readonly region?: string;
  readonly pathStyle?: true;
  readonly digest: NonNullable<S3StoreOptions['digest']>;
}

/** A store, and how to let go of it. */
export interface OpenedStore {
  readonly store: ObjectStore;
  close(): void;
}

/** How a store is waited for: connecting, and between any two bytes, in milliseconds. */
const CONNECTING_MS = 15_000;
const SILENCE_MS = 300_000;

/**
 * @throws UnsupportedFeatureError `unsupported-feature` when the client is not installed; OptionError `bad-option` when
 * credentials or the endpoint are missing
 */
export function openStore(target: UploadTarget, flags: StoreFlags, env: CliIo['env']): Promise<OpenedStore> {
  return target.scheme === 's3' ? openS3(target, flags, env) : openObs(target, flags, env);
}

interface S3Module extends S3Commands {
  readonly S3Client: new (
    config: object,
  ) => S3ClientLike & {
    readonly config: { region(): Promise<string> };
    destroy(): void;
  };
}

async function openS3(
  { bucket, key }: UploadTarget,
  { endpoint, region, pathStyle, digest }: StoreFlags,
  env: CliIo['env'],
): Promise<OpenedStore> {
  const s3 = (await load('@aws-sdk/client-s3')) as S3Module;
  const start = (wanted: string | undefined) =>
    new s3.S3Client({
      ...(endpoint !== undefined && { endpoint }),
      ...(wanted !== undefined && { region: wanted }),
      forcePathStyle: pathStyle ?? (endpoint !== undefined && isBareAddress(endpoint)),
      maxAttempts: 1, // uploadParts makes requests again, and parts with them
      requestChecksumCalculation: 'WHEN_REQUIRED', // other stores do not know those that Amazon has added
      requestHandler: { connectionTimeout: CONNECTING_MS, socketTimeout: SILENCE_MS },
    });
  const named = region ?? env.AWS_DEFAULT_REGION;
  let client = start(env.AWS_REGION === undefined || region !== undefined ? named : undefined);
  const known = await client.config.region().catch(() => undefined);
  if (known === undefined) {
    if (endpoint === undefined) {
      throw new OptionError('bad-option', 'No region is known.', {
        hint: 'Say it with --region, or in AWS_REGION, or name an --endpoint.',
      });
    }
    client.destroy();
    client = start('us-east-1'); // what stores take that have no regions
  }
  return { store: s3Store(client, s3, { bucket, key, digest }), close: () => client.destroy() };
}

async function openObs(
  { bucket, key }: UploadTarget,
  { endpoint, region, pathStyle, digest }: StoreFlags,
  env: CliIo['env'],
): Promise<OpenedStore> {
  if (digest !== 'md5' && digest !== 'none') {
    throw new OptionError('bad-option', `obs:// does not check parts by ${digest}.`, {
      hint: 'Use --digest md5 or none.',
    });
  }
  const server = endpoint ?? (region && `https://obs.${region}.myhuaweicloud.com`);
  if (!server) {
    throw new OptionError('bad-option', 'No endpoint is known.', {
      hint: 'Say it with --endpoint or --region.',
    });
  }
  const { OBS_ACCESS_KEY_ID, OBS_SECRET_ACCESS_KEY, OBS_SECURITY_TOKEN } = env;
  if (!OBS_ACCESS_KEY_ID || !OBS_SECRET_ACCESS_KEY) {
    throw new OptionError('bad-option', 'There are no credentials for obs://.', {
      hint: 'Set OBS_ACCESS_KEY_ID and OBS_SECRET_ACCESS_KEY, and OBS_SECURITY_TOKEN for temporary ones.',
    });
  }
  const { default: ObsClient } = (await load('esdk-obs-nodejs')) as {
    readonly default: new (config: object) => ObsClientLike & { close(): void };
  };
  const client = new ObsClient({
    access_key_id: OBS_ACCESS_KEY_ID,
    secret_access_key: OBS_SECRET_ACCESS_KEY,
    ...(OBS_SECURITY_TOKEN && { security_token: OBS_SECURITY_TOKEN }),
    server,
    ...(region && { region }),
    ...((pathStyle ?? isBareAddress(server)) && { path_style: true }),
    ssl_verify: true, // the client does not by default
    timeout: SILENCE_MS / 1000,
    long_conn_param: 0,
  });
  return { store: obsStore(client, { bucket, key, digest }), close: () => client.close() };
}

/** Found as Node finds packages from where diskimg is: in the same project, or installed globally like it. */
async function load(name: string): Promise<unknown> {
  try {
    return await import(name);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes(name)) throw cause;
    throw new UnsupportedFeatureError(
      'unsupported-feature',
      `This upload needs the package ${name}, which is not installed beside diskimg.`,
      { hint: `npm install ${name}, with -g if diskimg is installed so.`, cause },
    );
  }
}
