/** Huawei Cloud's OBS, through the client of `esdk-obs-nodejs` that the caller has. */

import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';
import { GiB, KiB, TiB } from '../binary/align.ts';
import { requireNotAborted } from '../errors.ts';
import { unlessAborted } from '../prepared/slots.ts';
import { toBase64 } from './part-digest.ts';
import { emptyAnswer, refusalError } from './refusal.ts';
import { type ListedPart, type ObjectStore, StoreError } from './store.ts';

/** An `ObsClient` of `esdk-obs-nodejs`. */
export interface ObsClientLike {
  initiateMultipartUpload(input: object): Promise<unknown>;
  uploadPart(input: object): Promise<unknown>;
  listParts(input: object): Promise<unknown>;
  completeMultipartUpload(input: object): Promise<unknown>;
  abortMultipartUpload(input: object): Promise<unknown>;
  /** With it, an upload whose last answer was lost can be told from one that was removed. */
  getObjectMetadata?(input: object): Promise<unknown>;
}

export interface ObsStoreOptions {
  readonly bucket: string;
  readonly key: string;
  /** How the store is to check the parts; by default `md5`. */
  readonly digest?: 'md5' | 'none';
  /** More of the input of initiateMultipartUpload: ACL, StorageClass, Metadata and so on. */
  readonly create?: Readonly<Record<string, unknown>>;
}

const LIMITS = {
  minPartSize: 100 * KiB,
  maxPartSize: 5 * GiB,
  maxParts: 10_000,
  maxObjectSize: 48 * TiB,
} as const;

/**
 * An object of an OBS bucket, for `uploadParts`.
 *
 *     import ObsClient from 'esdk-obs-nodejs';
 *     const client = new ObsClient({ access_key_id, secret_access_key, server, ssl_verify: true });
 *     const store = obsStore(client, { bucket: 'images', key: 'disk.zvhd2' });
 */
export function obsStore(
  client: ObsClientLike,
  { bucket, key, digest = 'md5', create = {} }: ObsStoreOptions,
): ObjectStore {
  const object = { Bucket: bucket, Key: key };

  async function call(method: keyof ObsClientLike, input: object, signal: AbortSignal): Promise<Fields> {
    requireNotAborted(signal);
    let headers: Readonly<Record<string, unknown>> | undefined;
    const given = {
      ...object,
      ...input,
      RequestHook: (request: { abort(): void; once(event: 'close', listener: () => void): void }) => {
        const abort = (): void => request.abort();
        signal.addEventListener('abort', abort, { once: true });
        request.once('close', () => signal.removeEventListener('abort', abort));
      },
      ResponseHook: (response: { readonly headers: Readonly<Record<string, unknown>> }) => {
        headers = response.headers;
      },
    };
    let answer: Answer;
    try {
      // The client tells of an aborted request late or never.
      answer = (await unlessAborted(client[method]?.(given) as Promise<unknown>, signal)) as Answer;
    } catch (error) {
      requireNotAborted(signal);
      const { code, name, message } = error as NodeJS.ErrnoException;
      throw refusalError({
        what: method,
        status: undefined,
        code: code ?? name,
        message: message ?? String(error),
        requestId: undefined,
        headers: undefined,
      });
    }
    const { Status, Code, Message, RequestId } = answer.CommonMsg;
    if (Status < 300) return answer.InterfaceResult ?? {};
    throw refusalError({
      what: method,
      status: Status,
      code: Code || undefined,
      message: Message || '',
      requestId: RequestId || undefined,
      headers,
    });
  }

  return {
    target: `obs://${bucket}/${key}`,
    limits: LIMITS,
    ...(digest !== 'none' && { digest }),

    async start(signal) {
      const { UploadId } = await call('initiateMultipartUpload', create, signal);
      if (!UploadId) throw emptyAnswer('initiateMultipartUpload', 'upload id');
      return String(UploadId);
    },

    async putPart(UploadId, { number, bytes, digest: found }, signal) {
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const input = {
        UploadId,
        PartNumber: number,
        // Anything but a stream would be taken for text.
        Body: Readable.from(view.length > 0 ? [view] : [], { objectMode: false }),
        PartSize: bytes.length,
        ...(found !== undefined && { ContentMD5: toBase64(found) }),
      };
      const { ETag } = await call('uploadPart', input, signal);
      if (!ETag) throw emptyAnswer('uploadPart', 'ETag');
      return String(ETag);
    },

    async listParts(UploadId, signal) {
      const all: ListedPart[] = [];
      let marker: number | undefined;
      do {
        const input = { UploadId, ...(marker !== undefined && { PartNumberMarker: marker }) };
        const answer = await call('listParts', input, signal);
        for (const { PartNumber, Size, ETag } of answer.Parts ?? []) {
          all.push({ number: Number(PartNumber), size: Number(Size), etag: String(ETag) });
        }
        const next = String(answer.IsTruncated) === 'true' ? Number(answer.NextPartNumberMarker) : undefined;
        marker = next === marker || Number.isNaN(next) ? undefined : next;
      } while (marker !== undefined);
      return all;
    },

    async complete(UploadId, parts, signal) {
      const Parts = parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag }));
      const { ETag, Location } = await call('completeMultipartUpload', { UploadId, Parts }, signal);
      if (!ETag) throw emptyAnswer('completeMultipartUpload', 'ETag');
      return { etag: String(ETag), ...(Location ? { location: String(Location) } : {}) };
    },

    async abort(UploadId, signal) {
      try {
        await call('abortMultipartUpload', { UploadId }, signal);
      } catch (error) {
        if (!(error instanceof StoreError && error.isGone)) throw error;
      }
    },

    ...(client.getObjectMetadata && {
      async find(signal: AbortSignal) {
        try {
          const { ContentLength, ETag } = await call('getObjectMetadata', {}, signal);
          return { size: Number(ContentLength), etag: String(ETag) };
        } catch (error) {
          if (error instanceof StoreError && error.status === 404) return undefined;
          throw error;
        }
      },
    }),
  };
}

interface Answer {
  readonly CommonMsg: {
    readonly Status: number;
    readonly Code?: string;
    readonly Message?: string;
    readonly RequestId?: string;
  };
  readonly InterfaceResult?: Fields;
}

/** What is read of answers: the client gives numbers as it finds them in the text, or as text. */
interface Fields {
  readonly UploadId?: unknown;
  readonly ETag?: unknown;
  readonly Location?: unknown;
  readonly ContentLength?: unknown;
  readonly IsTruncated?: unknown;
  readonly NextPartNumberMarker?: unknown;
  readonly Parts?: readonly {
    readonly PartNumber?: unknown;
    readonly Size?: unknown;
    readonly ETag?: unknown;
  }[];
}
