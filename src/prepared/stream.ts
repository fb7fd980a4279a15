/** A web stream of bytes that are made as they are taken. */

/**
 * @param chunks made one after the other; its return is called when the reader goes away
 */
export function streamOf(
  chunks: AsyncGenerator<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await chunks.return(undefined);
      },
    },
    { highWaterMark: 1 },
  );
}

/** The results of `make`, in order, up to `ahead` of them made before they are taken. */
export async function* madeAhead<T, R>(
  items: Iterable<T>,
  ahead: number,
  make: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const underWay: Promise<R>[] = [];
  try {
    for (const item of items) {
      const made = make(item);
      made.catch(() => {}); // seen when its turn comes, or below
      underWay.push(made);
      if (underWay.length > ahead) yield await (underWay.shift() as Promise<R>);
    }
    while (underWay.length > 0) yield await (underWay.shift() as Promise<R>);
  } finally {
    await Promise.allSettled(underWay);
  }
}
