"""The digest diskimg-1 of a raw disk image, after its definition."""
import hashlib, os, struct, sys

MIB = 1 << 20
with open(sys.argv[1], 'rb') as disk:
    size = os.fstat(disk.fileno()).st_size
    digest = hashlib.sha256(b'diskimg-digest-1\n' + struct.pack('>Q', size))
    for number, block in enumerate(iter(lambda: disk.read(MIB), b'')):
        if any(block):
            digest.update(struct.pack('>Q', number) + hashlib.sha256(block).digest())
print('diskimg-1:' + digest.hexdigest())
