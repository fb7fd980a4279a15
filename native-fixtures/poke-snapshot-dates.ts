// Sets the date of every internal snapshot in a qcow2 image to 2000-01-01 (qcow2 specification,
// "Snapshots"), because `qemu-img snapshot -c` always takes the clock.
//
//   node poke-snapshot-dates.ts <image>

import { readFileSync, writeFileSync } from 'node:fs';

const STEADY_SECONDS = 946_684_800;
const FIXED_PART_BYTES = 40;

const [path = ''] = process.argv.slice(2);
const image = readFileSync(path);
const snapshotCount = image.readUInt32BE(60);
let entryOffset = Number(image.readBigUInt64BE(64));

for (let index = 0; index < snapshotCount; index += 1) {
  const idLength = image.readUInt16BE(entryOffset + 12);
  const nameLength = image.readUInt16BE(entryOffset + 14);
  image.writeUInt32BE(STEADY_SECONDS, entryOffset + 16);
  image.writeUInt32BE(0, entryOffset + 20);
  const extraLength = image.readUInt32BE(entryOffset + 36);
  const entryLength = FIXED_PART_BYTES + extraLength + idLength + nameLength;
  entryOffset += Math.ceil(entryLength / 8) * 8;
}
writeFileSync(path, image);
