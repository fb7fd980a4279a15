/** Bytes that a guest sees, wherever they come from. */

export interface GuestBytes {
  readonly virtualSize: number;
  read(into: Uint8Array, guestOffset: number): Promise<void>;
}

/** Fills all of `into`; past the end of the disk with zeros. */
export async function readPadded(guest: GuestBytes, into: Uint8Array, guestOffset: number): Promise<void> {
  const present = Math.max(0, Math.min(into.length, guest.virtualSize - guestOffset));
  if (present > 0) await guest.read(into.subarray(0, present), guestOffset);
  into.fill(0, present);
}
