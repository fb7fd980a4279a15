import { guest, lines, type Recipe } from './recipe.ts';

/** An image in LUKS 1. The key is made by chance: another image each time, so it is made only when it is missing. */
const image = (name: string, features: string[], size: number, options: string): Recipe => ({
  file: `luks/${name}.luks`,
  format: 'luks',
  tools: ['qemu-img'],
  command: lines(
    guest(size, `luks-${name}`),
    // A quick machine makes qemu-img fail now and then with "Unable to get accurate CPU usage", so it gets several tries.
    `for try in $(seq 50); do rm -f ${name}.luks`,
    `qemu-img convert -q -f raw --object secret,id=key,data=secret -O luks -o key-secret=key,iter-time=10,${options} guest.raw ${name}.luks && break; done`,
  ),
  features: ['encrypted', ...features],
  expect: 'refused',
  note: 'without its passphrase',
  passphrase: 'secret',
  keep: true,
});

export const luksRecipes: Recipe[] = [
  // Short keys: each slot holds 4000 random stripes of their length.
  image('xts', ['xts'], 131_584, 'cipher-alg=aes-128'),
  image(
    'cbc-essiv',
    ['cbc', 'essiv'],
    66_048,
    'cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha1',
  ),
];
