/** S3 and what is like it, through the client of `@aws-sdk/client-s3` that the caller has. */

import { GiB, MiB, TiB } from '../binary/align.ts';
import { ImageError } from '../errors.ts';
import { toBase64 } from './part-digest.ts';
import { emptyAnswer, refusalError } from './refusal.ts';
import type { ListedPart, ObjectStore, PartDigestAlgorithm, PartToPut, StoredPart } from './store.ts';

/** An `S3Client` of `@aws-sdk/client-s3`. */
export interface S3ClientLike {
  send(command: never, options?: { readonly abortSignal?: AbortSignal }): Promise<unknown>;
}

type CommandClass = new (input: never) => object;

/** The commands that are needed: the module `@aws-sdk/client-s3` has them all. */
export interface S3Commands {
  readonly CreateMultipartUploadCommand: CommandClass;
  readonly UploadPartCommand: CommandClass;
  readonly ListPartsCommand: CommandClass;
  readonly CompleteMultipartUploadCommand: CommandClass;
  readonly AbortMultipartUploadCommand: CommandClass;
  /** With it, an upload whose last answer was lost can be told from one that was removed. */
  readonly HeadObjectCommand?: CommandClass;
}

export interface S3StoreOptions {
  readonly bucket: string;
  readonly key: string;
  /**
   * How the store is to check the parts. By default `md5`, which all of them know; `crc32c` and `sha256` are kept with
   * the object by those that know them; `none` leaves it to the client.
   */
  readonly digest?: PartDigestAlgorithm | 'none';
  /** More of the input of CreateMultipartUpload: ACL, StorageClass, Metadata, ServerSideEncryption and so on. */
  readonly create?: Readonly<Record<string, unknown>>;
}

/** As Amazon has them. */
const LIMITS = {
  minPartSize: 5 * MiB,
  maxPartSize: 5 * GiB,
  maxParts: 10_000,
  maxObjectSize: 5 * TiB,
} as const;

const CHECKSUMS = { crc32c: 'ChecksumCRC32C', sha256: 'ChecksumSHA256' } as const;

/**
 * An object of an S3 bucket, for `uploadParts`.
 *
 *     import * as s3 from '@aws-sdk/client-s3';
 *     const store = s3Store(new s3.S3Client({}), s3, { bucket: 'images', key: 'disk.qcow2' });
 *
 * Best with a client whose `maxAttempts` is 1: uploadParts makes requests again itself, with longer waits.
 */
export function s3Store(
  client: S3ClientLike,
  commands: S3Commands,
  { bucket, key, digest = 'md5', create = {} }: S3StoreOptions,
): ObjectStore {
  const object = { Bucket: bucket, Key: key };
  const checksum = digest === 'crc32c' || digest === 'sha256' ? CHECKSUMS[digest] : undefined;
  const { HeadObjectCommand } = commands;

  async function send(command: keyof S3Commands, input: object, signal: AbortSignal): Promise<Answer> {
    const Command = commands[command] as CommandClass;
    try {
      const request = new Command({ ...object, ...input } as never);
      return (await client.send(request as never, { abortSignal: signal })) as Answer;
    } catch (error) {
      throw refusalOf(command.replace('Command', ''), error);
    }
  }

  return {
    target: `s3://${bucket}/${key}`,
    limits: LIMITS,
    ...(digest !== 'none' && { digest }),

    async start(signal) {
      const algorithm = checksum && { ChecksumAlgorithm: checksum.replace('Checksum', '') };
      const input = { ...algorithm, ...create };
      const { UploadId } = await send('CreateMultipartUploadCommand', input, signal);
      if (!UploadId) throw emptyAnswer('CreateMultipartUpload', 'upload id');
      return UploadId;
    },

    async putPart(UploadId, { number, bytes, digest: found }: PartToPut, signal) {
      const input = {
        UploadId,
        PartNumber: number,
        Body: bytes,
        ContentLength: bytes.length,
        ...(found !== undefined && { [checksum ?? 'ContentMD5']: toBase64(found) }),
      };
      const { ETag } = await send('UploadPartCommand', input, signal);
      if (!ETag) throw emptyAnswer('UploadPart', 'ETag');
      return ETag;
    },

    async listParts(UploadId, signal) {
      const all: ListedPart[] = [];
      let marker: string | undefined;
      do {
        const input = { UploadId, ...(marker !== undefined && { PartNumberMarker: marker }) };
        const answer = await send('ListPartsCommand', input, signal);
        for (const { PartNumber = 0, Size = -1, ETag = '' } of answer.Parts ?? []) {
          all.push({ number: PartNumber, size: Size, etag: ETag });
        }
        const next = answer.IsTruncated ? answer.NextPartNumberMarker : undefined;
        marker = next === marker ? undefined : next; // a store that does not know the marker is not asked for ever
      } while (marker !== undefined);
      return all;
    },

    async complete(UploadId, parts, signal) {
      const Parts = parts.map(({ number, etag, digest: found }: StoredPart) => ({
        PartNumber: number,
        ETag: etag,
        ...(checksum && found !== undefined && { [checksum]: toBase64(found) }),
      }));
      const input = { UploadId, MultipartUpload: { Parts } };
      const { ETag, Location } = await send('CompleteMultipartUploadCommand', input, signal);
      if (!ETag) throw emptyAnswer('CompleteMultipartUpload', 'ETag');
      return { etag: ETag, ...(Location && { location: Location }) };
    },

    async abort(UploadId, signal) {
      try {
        await send('AbortMultipartUploadCommand', { UploadId }, signal);
      } catch (error) {
        if (!(error as { isGone?: boolean }).isGone) throw error;
      }
    },

    ...(HeadObjectCommand && {
      async find(signal: AbortSignal) {
        try {
          const { ContentLength = -1, ETag = '' } = await send('HeadObjectCommand', {}, signal);
          return { size: ContentLength, etag: ETag };
        } catch (error) {
          if ((error as { status?: number }).status === 404) return undefined;
          throw error;
        }
      },
    }),
  };
}

/** What is read of the outputs of the commands. */
interface Answer {
  readonly UploadId?: string;
  readonly ETag?: string;
  readonly Location?: string;
  readonly ContentLength?: number;
  readonly IsTruncated?: boolean;
  readonly NextPartNumberMarker?: string;
  readonly Parts?: readonly {
    readonly PartNumber?: number;
    readonly Size?: number;
    readonly ETag?: string;
  }[];
}

/** What the SDK throws: a service's refusal, or why there was no answer. */
function refusalOf(what: string, error: unknown): ImageError {
  if (error instanceof ImageError) return error;
  const { name, message, code, $metadata, $response } = error as Partial<Error> & {
    readonly code?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
    readonly $response?: { readonly headers?: Readonly<Record<string, unknown>> };
  };
  const status = $metadata?.httpStatusCode;
  const noAnswer = typeof code === 'string' ? code : name;
  return refusalError({
    what,
    status,
    code: status === undefined ? noAnswer : name,
    message: message ?? String(error),
    requestId: $metadata?.requestId,
    headers: $response?.headers,
  });
}
