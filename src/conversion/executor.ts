/** Who performs tasks: this thread, or others. */

export interface Executor<Task, Result> {
  /** How many tasks may be under way at once. */
  readonly window: number;
  run(task: Task): Promise<Result>;
  /** Ends threads, whatever they are doing: tasks that are under way then fail with a CancelledError. */
  close(): Promise<void>;
}

/** Performs tasks one by one on the calling thread. */
export const inlineExecutor = <Task, Result>(
  perform: (task: Task) => Promise<Result>,
): Executor<Task, Result> => ({
  window: 1,
  run: perform,
  close: async () => {},
});

/** Performs tasks on the calling thread, one after the other, though several are asked for at once. */
export function serialExecutor<Task, Result>(
  perform: (task: Task) => Promise<Result>,
): Executor<Task, Result> {
  let last: Promise<unknown> = Promise.resolve();
  return {
    window: 1,
    run(task) {
      const result = last.then(() => perform(task));
      last = result.catch(() => {}); // seen by who asked for it
      return result;
    },
    close: async () => {},
  };
}

/** The results of all, once none is under way any more. @throws what the first of them threw */
export async function allDone<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

/** Work of fewer tasks (16 MiB of data) is over before threads have started. */
const MIN_TASKS_FOR_THREADS = 5;

/** Tasks, and who performs them. */
export interface Staffed<Task, Result> {
  readonly tasks: AsyncIterable<Task>;
  readonly executor: Executor<Task, Result>;
}

/**
 * Threads for `tasks`, where they can be started and there is enough to do; else the calling thread.
 * @param startPool undefined where threads cannot open what is read
 */
export async function staffed<Task, Result>(
  tasks: AsyncGenerator<Task>,
  performInline: () => (task: Task) => Promise<Result>,
  startPool: (() => Promise<Executor<Task, Result>>) | undefined,
): Promise<Staffed<Task, Result>> {
  const { all, isShort } = await peek(tasks, MIN_TASKS_FOR_THREADS);
  const executor = startPool && !isShort ? await startPool() : inlineExecutor(performInline());
  return { tasks: all, executor };
}

/** Is there enough to do for threads? Plans no further than it takes to tell. */
export async function isWorthThreads(tasks: AsyncIterable<unknown>): Promise<boolean> {
  let count = 0;
  for await (const _ of tasks) {
    count += 1;
    if (count === MIN_TASKS_FOR_THREADS) return true;
  }
  return false;
}

/** The tasks again, and whether there are fewer than `count`. */
async function peek<Task>(
  tasks: AsyncGenerator<Task>,
  count: number,
): Promise<{ all: AsyncIterable<Task>; isShort: boolean }> {
  const first: Task[] = [];
  while (first.length < count) {
    const next = await tasks.next();
    if (next.done) break;
    first.push(next.value);
  }
  async function* all(): AsyncGenerator<Task> {
    yield* first;
    yield* tasks;
  }
  return { all: all(), isShort: first.length < count };
}

/** A task and its result, which may be on its way. */
interface Handed<Task, Result> {
  readonly task: Task;
  readonly result: Result;
}

/**
 * Hands `tasks` to the executor and yields their results in task order. When one fails, or the caller stops early,
 * `stop` is called so that none waits for it in vain; it ends when no task is under way any more.
 */
export async function* runTasks<Task, Result>(
  tasks: AsyncIterable<Task>,
  executor: Executor<Task, Result>,
  stop: () => void,
): AsyncGenerator<Handed<Task, Result>> {
  const underWay: Handed<Task, Promise<Result>>[] = [];
  let isComplete = false;
  try {
    for await (const task of tasks) {
      if (underWay.length === executor.window) yield await finished(underWay);
      const result = executor.run(task);
      result.catch(() => {}); // seen when its turn comes, or below
      underWay.push({ task, result });
    }
    while (underWay.length > 0) yield await finished(underWay);
    isComplete = true;
  } finally {
    if (!isComplete) stop();
    await Promise.allSettled(underWay.map(({ result }) => result));
  }
}

async function finished<Task, Result>(
  underWay: Handed<Task, Promise<Result>>[],
): Promise<Handed<Task, Result>> {
  const { task, result } = underWay.shift() as Handed<Task, Promise<Result>>;
  return { task, result: await result };
}
