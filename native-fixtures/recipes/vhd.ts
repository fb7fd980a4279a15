import { guest, lines, type Recipe } from './recipe.ts';

const ODD_SIZE = 5_000_192;
const SMALL_GEOMETRY = '140/4/17';

/** qemu-img leaves the clock and a random id in the footer; this line replaces both and pokes fields. */
const poke = (image: string, ...fields: string[]): string =>
  ['node "$FIXTURES/poke-vhd.ts"', image, ...fields.map((field) => `'${field}'`)].join(' ');

const converted = (name: string, size: number, options: string): Recipe => ({
  file: `vhd/${name}.vhd`,
  format: 'vhd',
  tools: ['qemu-img'],
  command: lines(
    guest(size, `vhd-${name}`),
    `qemu-img convert -f raw -O vpc ${options} guest.raw ${name}.vhd`,
    poke(`${name}.vhd`),
  ),
  features: [],
});

const byCreator = (
  name: string,
  creator: string,
  geometry: string,
  guestSees: 'chs' | 'current_size',
): Recipe => ({
  file: `vhd/${name}.vhd`,
  format: 'vhd',
  tools: ['qemu-img'],
  command: lines(
    // The end of the disk holds data: a reader that takes the smaller size loses some.
    guest(400_000, 'vhd-creator'),
    'cp guest.raw end.raw',
    `truncate -s ${ODD_SIZE - 400_000} guest.raw`,
    'cat end.raw >> guest.raw',
    `qemu-img convert -f raw -O vpc -o force_size=on guest.raw ${name}.vhd`,
    poke(`${name}.vhd`, `creator=${creator}`, `geometry=${geometry}`),
  ),
  features: [
    'dynamic',
    'poked',
    'size-rule',
    guestSees === 'chs' ? 'size-from-geometry' : 'size-from-current-size',
  ],
  vhdSize: guestSees,
  note: `creator '${creator}', geometry ${geometry}, current size ${ODD_SIZE}`,
});

/** The image is first made whole, copied to pristine.vhd for the digest, then damaged. */
const damaged = (name: string, features: string[], damage: string, more: Partial<Recipe>): Recipe => ({
  file: `vhd/${name}.vhd`,
  format: 'vhd',
  tools: ['qemu-img'],
  command: lines(
    guest(3_145_728, 'vhd-damaged'),
    `qemu-img convert -f raw -O vpc -o force_size=on guest.raw ${name}.vhd`,
    poke(`${name}.vhd`),
    `cp ${name}.vhd pristine.vhd`,
    damage,
  ),
  features: ['dynamic', 'poked', ...features],
  digestFrom: 'pristine.vhd',
  ...more,
});

/** Pokes bytes at an offset counted from the end of the file. */
const pokeFromEnd = (image: string, bytes: string, fromEnd: number): string =>
  `printf '${bytes}' | dd of=${image} bs=1 seek=$(($(stat -c %s ${image}) - ${fromEnd})) conv=notrunc status=none`;

export const vhdRecipes: Recipe[] = [
  {
    ...converted('dynamic', 6_291_456, ''),
    features: ['dynamic', 'size-from-geometry'],
    note: 'creator qemu: qemu-img rounded the size up to a product of the geometry',
  },
  { ...converted('dynamic-force-size', ODD_SIZE, '-o force_size=on'), features: ['dynamic', 'odd-size'] },
  {
    ...converted('fixed', 1_048_576, '-o subformat=fixed'),
    features: ['fixed', 'size-from-geometry'],
    note: 'creator qemu: qemu-img rounded the size up to a product of the geometry',
  },
  {
    ...converted('fixed-force-size', 1_049_088, '-o subformat=fixed,force_size=on'),
    features: ['fixed', 'odd-size'],
  },
  {
    ...converted('fixed-whole-mib', 2_097_152, '-o subformat=fixed,force_size=on'),
    features: ['fixed', 'whole-mib'],
    note: 'the shape that Azure asks for: size a multiple of 1 MiB, file 512 bytes longer',
  },
  {
    file: 'vhd/empty-dynamic.vhd',
    format: 'vhd',
    tools: ['qemu-img'],
    command: lines(
      'qemu-img create -q -f vpc -o force_size=on empty-dynamic.vhd 16M',
      poke('empty-dynamic.vhd'),
    ),
    features: ['dynamic', 'empty'],
  },
  {
    file: 'vhd/sparse-blocks.vhd',
    format: 'vhd',
    tools: ['qemu-img', 'qemu-io'],
    command: lines(
      'qemu-img create -q -f vpc -o force_size=on sparse-blocks.vhd 13M',
      "qemu-io -f vpc -c 'write -q -P 0x11 9M 4k' -c 'write -q -P 0x22 1023k 2k' -c 'write -q -P 0x33 13308k 4k' sparse-blocks.vhd",
      poke('sparse-blocks.vhd'),
    ),
    features: ['dynamic', 'blocks-out-of-order', 'partial-last-block', 'partial-sector-bitmap'],
    note: 'blocks 4, 0 and 6 are stored in that order; the last block is cut by the end of the disk',
  },
  byCreator('creator-vpc', 'vpc ', SMALL_GEOMETRY, 'chs'),
  byCreator('creator-qemu', 'qemu', SMALL_GEOMETRY, 'chs'),
  byCreator('creator-win', 'win ', SMALL_GEOMETRY, 'current_size'),
  byCreator('creator-tap', 'tap', SMALL_GEOMETRY, 'current_size'),
  byCreator('creator-wa', 'wa', SMALL_GEOMETRY, 'current_size'),
  byCreator('creator-unknown', 'abcd', SMALL_GEOMETRY, 'current_size'),
  byCreator('creator-vpc-max-geometry', 'vpc ', '65535/16/255', 'current_size'),
  {
    ...byCreator('creator-vpc-larger-geometry', 'vpc ', '144/4/17', 'chs'),
    note: "creator 'vpc ', geometry 144/4/17 = 5013504 bytes, more than current size 5000192",
  },
  damaged(
    'damaged-first-footer',
    ['damaged-header-copy'],
    "printf 'rubbish' | dd of=damaged-first-footer.vhd bs=1 seek=100 conv=notrunc status=none",
    { note: 'the checksum of the copy at 0 fails; the footer at the end is good. qemu-img 7.2 refuses it' },
  ),
  damaged(
    'damaged-first-cookie',
    ['damaged-header-copy'],
    "printf 'rubbish!' | dd of=damaged-first-cookie.vhd bs=1 seek=0 conv=notrunc status=none",
    { note: 'the cookie at 0 is gone; the footer at the end is good. qemu-img 7.2 refuses it' },
  ),
  damaged('damaged-end-footer', ['damaged-footer'], pokeFromEnd('damaged-end-footer.vhd', 'rubbish', 412), {
    note: 'the checksum of the footer at the end fails; the copy at 0 is good',
  }),
  damaged('short-end-footer', ['footer-511-bytes'], 'truncate -s -1 short-end-footer.vhd', {
    note: 'the footer at the end has 511 bytes, as in old files; the copy at 0 is whole',
  }),
  {
    file: 'vhd/differencing.vhd',
    format: 'vhd',
    tools: ['qemu-img'],
    command: lines(
      guest(3_145_728, 'vhd-differencing'),
      'qemu-img convert -f raw -O vpc -o force_size=on guest.raw differencing.vhd',
      poke('differencing.vhd', 'type=4'),
    ),
    features: ['differencing', 'poked'],
    expect: 'refused',
    note: 'type 4 without a parent; qemu-img 7.2 reads it as a dynamic disk',
  },
  {
    file: 'vhd/truncated.vhd',
    format: 'vhd',
    tools: ['qemu-img'],
    command: lines(
      guest(6_291_456, 'vhd-truncated'),
      'qemu-img convert -f raw -O vpc -o force_size=on guest.raw truncated.vhd',
      poke('truncated.vhd'),
      'truncate -s 3000000 truncated.vhd',
    ),
    features: ['dynamic', 'truncated'],
    expect: 'refused',
    note: 'half a download: table entries point past the end of the file',
  },
];
