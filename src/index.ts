/**
 * diskimg converts virtual disk images. This is its public API, and all that the command line uses.
 *
 *     import { convert, openImage } from 'diskimg';
 *
 *     await convert('disk.qcow2', 'disk.zvhd2', { format: 'zvhd2' });
 *     await using image = await openImage('disk.vhd');
 *     console.log(image.virtualSize);
 */

export { type ArchivedDisk, type ArchiveInfo, describeImage } from './archive-info.ts';
export { type GuestRange, guestChunks } from './cat.ts';
export { type CheckOptions, checkImage, type ImageCheck } from './check.ts';
export { type CodecName, codecNames } from './codecs/index.ts';
export {
  type ComparedImage,
  CompareError,
  type CompareOptions,
  type CompareReport,
  type CompareStage,
  compareImages,
} from './compare.ts';
export type { Progress } from './conversion/run.ts';
export type { LostRange } from './conversion/salvage.ts';
export { type ConvertOptions, type ConvertReport, convert, type OutputFormat } from './convert.ts';
export { type ConvertForOptions, type ConvertForReport, convertFor } from './convert-for.ts';
export { type CreateImageOptions, type CreateReport, createImage } from './create.ts';
export { type DigestAlgorithm, type DigestOptions, type DigestReport, digestImage } from './digest.ts';
export {
  BudgetError,
  CancelledError,
  CorruptImageError,
  type ErrorCode,
  type ErrorDetails,
  ImageError,
  ImageIoError,
  OptionError,
  UnknownFormatError,
  UnsupportedFeatureError,
} from './errors.ts';
export {
  type CreateOptions,
  type FormatName,
  formatBySuffix,
  formatNamed,
  formats,
  type OpenOptions,
  type WritableName,
  writableFormatNamed,
  writableFormats,
} from './formats/index.ts';
export type { Finding, FindingCode, Severity } from './image/check.ts';
export type { DataExtent, Extent, PackedExtent, ZeroExtent } from './image/extent.ts';
export type { Format, WritableFormat } from './image/format.ts';
export type { DiskImage } from './image/image.ts';
export { formatSize, type Option, type OptionSpecs, parseOption, parseSize } from './image/options.ts';
export type { ImageDetails, InternalSnapshot, JsonValue, Note } from './image/reader.ts';
export { type ImageInfo, imageInfo } from './info.ts';
export type {
  Architecture,
  BootFacts,
  BootMode,
  Content,
  ContentKind,
  DiskContents,
  InspectionNote,
  NotLookedAt,
  Partition,
  SystemFacts,
  TableKind,
} from './inspect/contents.ts';
export { type DiskReport, type InspectOptions, inspectImage } from './inspect.ts';
export { type FileJournal, fileJournal } from './io/file-journal.ts';
export type { ServedRequest } from './io/http-server.ts';
export type { HttpOptions } from './io/http-source.ts';
export type {
  ByteRange,
  ByteSource,
  FileDescriptor,
  HttpDescriptor,
  PartDescriptor,
  SourceDescriptor,
} from './io/source.ts';
export { type MapEntry, type MapRange, mapFiles, mapImage } from './map.ts';
export { type EmptyDisk, type Measurement, type MeasureOptions, measure } from './measure.ts';
export { type ImageInput, type OpenedImage, type OpenImageOptions, openImage } from './open.ts';
export type { BackingFile } from './overlay-base.ts';
export { type EncryptedFile, type Passphrase, readPassphrase, type Secret } from './passphrase.ts';
export type { PreflightReport, RuleVerdict, Verdict } from './preflight/judge.ts';
export {
  type AskedOutput,
  type ImportChange,
  type ImportPlan,
  type PlanRequest,
  planFor,
} from './preflight/plan-for.ts';
export type { RoundedUp, SizeReport } from './preflight/size.ts';
export type { ImageFacts, ImportFacts } from './preflight/subject.ts';
export { type PreflightOptions, preflight, profileNamed, readProfile } from './preflight.ts';
export { type PreparedKind, type PrepareOptions, prepare } from './prepare.ts';
export type {
  AddressableOutput,
  FoundPart,
  Part,
  PartsOptions,
  PreparedOutput,
  PreparedProgress,
  SequentialOutput,
  StreamOptions,
} from './prepared/output.ts';
export type { OutputPlan } from './prepared/plan.ts';
export { profiles } from './profiles/index.ts';
export type {
  ImportKind,
  ImportTarget,
  Profile,
  Requirement,
  RequirementKind,
  Rule,
  RuleCondition,
  RuleSeverity,
  Source,
} from './profiles/profile.ts';
export type { Reference, ReferenceRules } from './references.ts';
export { type NewSize, type ResizeOptions, type ResizeReport, resizeImage } from './resize.ts';
export type { ReadingProgress } from './scan/progress.ts';
export { type ImageServer, type ServeOptions, serveImage } from './serve.ts';
export type { InputStream, SourceInput, SourceOptions } from './sources.ts';
export type { Journal } from './upload/journal.ts';
export { type ObsClientLike, type ObsStoreOptions, obsStore } from './upload/obs-store.ts';
export type { RetryNotice } from './upload/retry.ts';
export { type S3ClientLike, type S3Commands, type S3StoreOptions, s3Store } from './upload/s3-store.ts';
export {
  type ListedPart,
  type ObjectStore,
  type PartDigestAlgorithm,
  type PartToPut,
  type StoredObject,
  type StoredPart,
  StoreError,
  type StoreErrorDetails,
  type StoreLimits,
} from './upload/store.ts';
export type { UploadProgress, UploadReport } from './upload/upload-parts.ts';
export { type JournaledUpload, journaledUpload, type UploadOptions, uploadParts } from './upload.ts';
