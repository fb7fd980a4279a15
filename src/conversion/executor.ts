/** Who performs tasks: this thread, or others. */

import type { Performer, TaskResult } from './perform.ts';
import type { Task } from './plan.ts';

export interface Executor {
  /** How many tasks may be under way at once. */
  readonly window: number;
  run(task: Task): Promise<TaskResult>;
  close(): Promise<void>;
}

/** Performs tasks one by one on the calling thread. */
export const inlineExecutor = (perform: Performer): Executor => ({
  window: 1,
  run: perform,
  close: async () => {},
});

/**
 * Hands `tasks` to the executor and yields their results in task order. When one fails, or the caller stops early,
 * `stop` is called so that none waits for it in vain; it ends when no task is under way any more.
 */
export async function* runTasks(
  tasks: AsyncIterable<Task>,
  executor: Executor,
  stop: () => void,
): AsyncGenerator<{ readonly task: Task; readonly result: TaskResult }> {
  const underWay: { task: Task; result: Promise<TaskResult> }[] = [];
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

async function finished(underWay: { task: Task; result: Promise<TaskResult> }[]) {
  const { task, result } = underWay.shift() as { task: Task; result: Promise<TaskResult> };
  return { task, result: await result };
}
