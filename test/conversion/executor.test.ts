import { describe, expect, it } from 'vitest';
import { type Executor, inlineExecutor, runTasks } from '../../src/conversion/executor.ts';
import type { TaskResult } from '../../src/conversion/perform.ts';
import type { Task } from '../../src/conversion/plan.ts';

async function* tasks(count: number): AsyncGenerator<Task> {
  for (let index = 0; index < count; index++) yield { index, ranges: [{ from: index, to: index + 1 }] };
}

/** Finishes its tasks in an order of its own, and keeps the books. */
function bookkeeper(window: number, work: (task: Task) => Promise<TaskResult>) {
  const books = { underWay: 0, most: 0, started: [] as number[] };
  const executor: Executor<Task, TaskResult> = {
    window,
    async run(task) {
      books.started.push(task.index);
      books.underWay += 1;
      books.most = Math.max(books.most, books.underWay);
      try {
        return await work(task);
      } finally {
        books.underWay -= 1;
      }
    },
    close: async () => {},
  };
  return { books, executor };
}

const laterForEven = async ({ index }: Task): Promise<TaskResult> => {
  for (let turn = 0; turn < (index % 2 === 0 ? 20 : 1); turn++) await Promise.resolve();
  return { written: index };
};

describe('running tasks', () => {
  it('starts them in order, no more at once than may be, and tells of them in order', async () => {
    for (const window of [1, 2, 5, 100]) {
      const { books, executor } = bookkeeper(window, laterForEven);
      const told = [];
      for await (const { task, result } of runTasks(tasks(20), executor, () => {})) {
        told.push([task.index, result.written]);
      }
      const order = Array.from({ length: 20 }, (_, i) => i);
      expect(told).toEqual(order.map((i) => [i, i]));
      expect(books.started).toEqual(order);
      expect(books.most).toBeLessThanOrEqual(window);
      expect(books.underWay).toBe(0);
    }
  });

  it('does not stop anyone when all is well', async () => {
    let stops = 0;
    const executor = inlineExecutor(laterForEven);
    for await (const _ of runTasks(tasks(5), executor, () => stops++));
    expect(stops).toBe(0);
  });

  it('stops at the first task, in order, that fails, and ends when none is under way', async () => {
    let release: (() => void) | undefined;
    const waiting = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { books, executor } = bookkeeper(3, async ({ index }) => {
      if (index === 2) throw new Error('of task 2');
      if (index > 2) await waiting;
      return { written: 0 };
    });
    const told: number[] = [];
    const run = async () => {
      for await (const { task } of runTasks(tasks(10), executor, () => release?.())) told.push(task.index);
    };
    await expect(run()).rejects.toThrow('of task 2');
    expect(told).toEqual([0, 1]);
    expect(books.underWay).toBe(0);
  });

  it('stops when its listener has heard enough', async () => {
    let stops = 0;
    const { books, executor } = bookkeeper(2, laterForEven);
    for await (const _ of runTasks(tasks(10), executor, () => stops++)) break;
    expect([stops, books.underWay]).toEqual([1, 0]);
  });

  it('stops when the plan itself fails', async () => {
    async function* broken(): AsyncGenerator<Task> {
      yield* tasks(2);
      throw new Error('of the plan');
    }
    let stops = 0;
    const { books, executor } = bookkeeper(4, laterForEven);
    const run = async () => {
      for await (const _ of runTasks(broken(), executor, () => stops++));
    };
    await expect(run()).rejects.toThrow('of the plan');
    expect([stops, books.underWay]).toEqual([1, 0]);
  });
});
