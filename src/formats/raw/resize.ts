/** A raw disk grows by making its file longer. */

import type { ByteEditor } from '../../io/editor.ts';

export async function growRaw(file: ByteEditor, virtualSize: number): Promise<void> {
  await file.extend(virtualSize);
  await file.flush();
}
