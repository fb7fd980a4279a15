/** One case: an image, what is done to it, and what comes of it. All of it follows from the case's id. */

import { getHeapStatistics } from 'node:v8';
import type { FormatName } from '../../src/formats/index.ts';
import { loadCorpus, type Specimen } from './corpus.ts';
import { withDraft } from './draft.ts';
import { type Examined, examine } from './examine.ts';
import { mutate } from './mutate.ts';
import { randomOf } from './random.ts';

export interface Suite {
  readonly seed: number;
  readonly corpus: readonly Specimen[];
}

export interface CaseResult extends Examined {
  readonly specimen: string;
  readonly mutations: readonly string[];
  /** On this thread, in milliseconds. */
  readonly cpuTime: number;
  /** Bytes by which buffers and heap have grown. */
  readonly memory: number;
}

/** Above this a case is slow: milliseconds of the processor. */
export const SLOW = 500;
/** Above this a case is over its budget: bytes. */
export const BUDGET = 256 * 1024 * 1024;

export async function openSuite(seed: number, format?: FormatName): Promise<Suite> {
  return { seed, corpus: await loadCorpus(format) };
}

/** Of this thread. Asking the process is dearer than most cases. */
const memoryInUse = (): number => {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
};

const cpuTime = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

export async function runCase({ seed, corpus }: Suite, index: number): Promise<CaseResult> {
  const random = randomOf(seed, index);
  const specimen = random.pick(corpus);
  let mutations: readonly string[] = [];
  const memory = memoryInUse();
  const start = cpuTime();
  const examined = await withDraft(
    specimen,
    (draft) => {
      mutations = mutate(draft, specimen, corpus, random);
    },
    (bytes) => examine(bytes, specimen.format, specimen.companion, random),
  );
  return {
    ...examined,
    specimen: specimen.name,
    mutations,
    cpuTime: cpuTime() - start,
    memory: memoryInUse() - memory,
  };
}

/** The bytes of a case, as the readers got them. */
export async function bytesOfCase({ seed, corpus }: Suite, index: number): Promise<Uint8Array> {
  const random = randomOf(seed, index);
  const specimen = random.pick(corpus);
  return withDraft(
    specimen,
    (draft) => mutate(draft, specimen, corpus, random),
    async (bytes) => bytes.slice(),
  );
}
