import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import {
  closeTurnstile,
  createTurnstile,
  lastFrontier,
  passTurnstile,
  type Turnstile,
} from '../../src/conversion/turnstile.ts';
import { type Frontier, frontierAt } from '../../src/image/frontier.ts';
import { lengthOf, type TurnstileJob, type TurnstileReport } from './turnstile-worker.ts';

async function onThread(turnstile: Turnstile, indexes: readonly number[]): Promise<TurnstileReport> {
  const workerData: TurnstileJob = { memory: turnstile.memory, indexes };
  const worker = new Worker(new URL('./turnstile-worker.ts', import.meta.url), { workerData });
  const [report] = await once(worker, 'message');
  await worker.terminate();
  return report;
}

describe('a turnstile', () => {
  it('lets tasks pass one by one, each at the end of the one before', () => {
    const turnstile = createTurnstile(100);
    const addresses: number[] = [];
    for (let index = 0; index < 3; index++) {
      passTurnstile(turnstile, index, ({ end }) => {
        addresses.push(end);
        return { end: end + 10, open: end + 7 };
      });
    }
    expect(addresses).toEqual([100, 110, 120]);
    expect(lastFrontier(turnstile)).toEqual({ end: 130, open: 127 });
  });

  it('keeps the order of tasks over real threads, past 2^32', async () => {
    const turnstile = createTurnstile(4096);
    const [threads, count] = [4, 200];
    const indexes = Array.from({ length: count }, (_, i) => i);
    const reports = await Promise.all(
      Array.from({ length: threads }, (_, thread) =>
        onThread(
          turnstile,
          indexes.filter((index) => index % threads === thread),
        ),
      ),
    );
    const passed = reports.flatMap((report) => report.passed).toSorted(([a], [b]) => a - b);
    let address = 4096;
    const expected = indexes.map((index) => {
      address += lengthOf(index);
      return [index, address - lengthOf(index)];
    });
    expect(passed).toEqual(expected);
    expect(lastFrontier(turnstile)).toEqual(frontierAt(address));
  });

  it('turns away who waits when it is closed, and who comes later', async () => {
    const turnstile = createTurnstile(0);
    const waiting = [onThread(turnstile, [1]), onThread(turnstile, [2, 3])];
    await new Promise((resolve) => setTimeout(resolve, 300)); // by now they wait, most likely
    closeTurnstile(turnstile);
    expect(await Promise.all(waiting)).toEqual([
      { passed: [], code: 'cancelled' },
      { passed: [], code: 'cancelled' },
    ]);
    expect(() => passTurnstile(turnstile, 0, (frontier) => frontier)).toThrow(
      expect.objectContaining({ name: 'CancelledError', code: 'cancelled' }),
    );
  });

  it('stays closed when it is closed while a task passes', () => {
    const turnstile = createTurnstile(0);
    const pass = (frontier: Frontier): Frontier => {
      closeTurnstile(turnstile);
      return frontier;
    };
    expect(() => passTurnstile(turnstile, 0, pass)).toThrow(expect.objectContaining({ code: 'cancelled' }));
    expect(() => passTurnstile(turnstile, 1, pass)).toThrow(expect.objectContaining({ code: 'cancelled' }));
  });
});
