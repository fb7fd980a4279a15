// Changes fields of a VHD footer (Virtual Hard Disk Image Format Specification 1.0, "Hard Disk Footer
// Format") in each copy of it and computes the checksum again. The unique id and the time stamp always
// become fixed ones, because the tools that write them offer no way to choose them.
//
//   node poke-vhd.ts <image> [creator=win ] [type=4] [currentSize=5000192] [geometry=140/4/17]

import { readFileSync, writeFileSync } from 'node:fs';

const FOOTER_BYTES = 512;
const FIXED_DISK = 2;
const STEADY_TIME = 0;
const STEADY_ID = '6469736b-696d-4720-8000-0123456789ab';

const checksumOf = (footer: Buffer): number => {
  let sum = 0;
  footer.forEach((byte, at) => {
    if (at < 64 || at >= 68) sum += byte;
  });
  return ~sum >>> 0;
};

const setField: Record<string, (footer: Buffer, value: string) => void> = {
  creator: (footer, value) => void footer.fill(0, 28, 32).write(value, 28, 4, 'latin1'),
  type: (footer, value) => void footer.writeUInt32BE(Number(value), 60),
  currentSize: (footer, value) => void footer.writeBigUInt64BE(BigInt(value), 48),
  geometry: (footer, value) => {
    const [cylinders = 0, heads = 0, sectors = 0] = value.split('/').map(Number);
    footer.writeUInt16BE(cylinders, 56);
    footer.writeUInt8(heads, 58);
    footer.writeUInt8(sectors, 59);
  },
};

const pokeFooter = (footer: Buffer, pokes: string[]): void => {
  if (footer.toString('latin1', 0, 8) !== 'conectix') throw new Error('no VHD footer here');
  if (footer.readUInt32BE(64) !== checksumOf(footer))
    throw new Error('the checksum was wrong before the poke');
  footer.writeUInt32BE(STEADY_TIME, 24);
  footer.write(STEADY_ID.replaceAll('-', ''), 68, 'hex');
  for (const poke of pokes) {
    const [name = '', value = ''] = poke.split('=');
    const set = setField[name];
    if (set === undefined) throw new Error(`unknown field ${name}`);
    set(footer, value);
  }
  footer.writeUInt32BE(checksumOf(footer), 64);
};

const [path = '', ...pokes] = process.argv.slice(2);
const image = readFileSync(path);
const endFooter = image.subarray(image.length - FOOTER_BYTES);
// Read before the pokes: a poked type must not decide how many copies there are.
const hasCopy = endFooter.readUInt32BE(60) !== FIXED_DISK;
pokeFooter(endFooter, pokes);
if (hasCopy) pokeFooter(image.subarray(0, FOOTER_BYTES), pokes);
writeFileSync(path, image);
