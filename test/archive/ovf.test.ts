/** Descriptors of appliances: what is said of disks, in whatever way XML has to say it; and what none may have. */

import { describe, expect, it } from 'vitest';
import { parseOvf } from '../../src/archive/ovf.ts';
import { ImageError } from '../../src/index.ts';
import { ovfText } from '../support/ova.ts';
import { seededRandom } from '../support/seeded-guest.ts';

const parse = (text: string) => parseOvf(new TextEncoder().encode(text));

describe('a descriptor', () => {
  it('says which files are disks, and how large', () => {
    expect(parse(ovfText([{ file: 'a.vmdk', size: 77, capacity: 8 }, { file: 'b.vmdk' }]))).toEqual({
      files: [
        { id: 'file1', href: 'a.vmdk', size: 77 },
        { id: 'file2', href: 'b.vmdk' },
      ],
      disks: [
        { id: 'vmdisk1', fileRef: 'file1', capacity: 8 * 1024 ** 3 },
        { id: 'vmdisk2', fileRef: 'file2', capacity: 1024 ** 3 },
      ],
    });
  });

  it('may have other prefixes, quotes, entities, comments and CDATA', () => {
    const text = `\ufeff<e:Envelope><!-- <File id="x" href="y"/> --><![CDATA[<Disk diskId="z"/>]]>
      <e:File  z:id = 'f&#49;' z:href="a&amp;b&#x2e;vmdk" chunkSize="5" compression="gzip"></e:File>
      <Disk diskId='d' fileRef="f1" capacity="3"/><Disk diskId="empty" capacity="\${size}"/></e:Envelope>`;
    expect(parse(text)).toEqual({
      files: [{ id: 'f1', href: 'a&b.vmdk', chunkSize: 5, compression: 'gzip' }],
      disks: [{ id: 'd', fileRef: 'f1', capacity: 3 }, { id: 'empty' }],
    });
  });

  it.each([
    ['byte', 7],
    ['byte * 2^20', 7 * 1024 ** 2],
    ['byte*1024', 7 * 1024],
    ['byte * 10^9', 7e9],
    ['MegaBytes', undefined],
    ['byte * 2^99', undefined],
    [`byte${' '.repeat(900_000)}x`, undefined],
  ])('counts in %s', (units, capacity) => {
    const [disk] = parse(`<Disk diskId="d" capacity="7" capacityAllocationUnits="${units}"/>`).disks;
    expect(disk?.capacity).toBe(capacity);
  });

  it.each([
    ['a document type', '<!DOCTYPE x [<!ENTITY a "b">]><Disk diskId="&a;"/>', 'unsupported-feature'],
    ['an entity of its own', '<Disk diskId="&a;"/>', 'bad-header'],
    ['no end of a comment', '<!-- <Disk diskId="d"/>', 'bad-header'],
    ['no end of a tag', '<Disk diskId="d"', 'bad-header'],
    ['no value', '<Disk diskId/>', 'bad-header'],
    ['no quotes', '<Disk diskId=d/>', 'bad-header'],
    ['no name', '< Disk diskId="d"/>', 'bad-header'],
    ['no id', '<File href="d"/>', 'bad-header'],
    ['no disk ID', '<Disk/>', 'bad-header'],
    ['a character past all', '<Disk diskId="&#x110000;"/>', 'bad-header'],
    ['thousands of disks', '<Disk diskId="d"/>'.repeat(5000), 'bad-header'],
  ])('with %s is refused', (_, text, code) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code }));
  });

  it('in UTF-16 is refused', () => {
    expect(() => parseOvf(Buffer.from('\ufeff<Envelope/>', 'utf16le'))).toThrow(/UTF-16/);
  });

  it('with any byte changed is read, or refused with a code', () => {
    const bytes = new TextEncoder().encode(ovfText([{ file: 'a.vmdk', size: 77, capacity: 8 }]));
    const random = seededRandom(5);
    for (let at = 0; at < bytes.length; at++) {
      const other = Uint8Array.from(bytes);
      other[at] = random() & 0xff;
      try {
        expect(parseOvf(other).disks.length).toBeLessThanOrEqual(1);
      } catch (error) {
        expect(error).toBeInstanceOf(ImageError);
      }
    }
  });
});
