#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Other schemes: a program on PATH keeps the store, in the protocol of docs/remote-protocol.md.
. "$(dirname "$0")/lib.sh"

command -v python3 >/dev/null || { echo "1..0 # SKIP python3 is not installed"; exit 77; }

mkdir -p "$TEST_DIR/bin"
PATH=$TEST_DIR/bin:$PATH
cat >"$TEST_DIR/bin/dv-remote-demo" <<'EOF'
#!/usr/bin/env python3
# Keeps a store in the folder that the URL demo:///folder names.
import os, struct, sys

root = sys.argv[2].split("://", 1)[1]
puts = {}

def string(b, at):
    n = struct.unpack_from(">I", b, at)[0]
    return b[at + 4:at + 4 + n], at + 4 + n

def path(name):
    return os.path.join(root, name.decode())

def stat(b):
    with open(path(string(b, 0)[0]), "rb") as f:
        return struct.pack(">Q", f.seek(0, os.SEEK_END))

def get(b):
    name, at = string(b, 0)
    offset, n = struct.unpack_from(">QI", b, at)
    with open(path(name), "rb") as f:
        size = f.seek(0, os.SEEK_END)
        f.seek(min(offset, size))
        return struct.pack(">Q", size) + f.read(n)

def put(b):
    name, at = string(b, 4)
    size, flags = struct.unpack_from(">QI", b, at)
    there = os.path.exists(path(name))
    if there and (flags & 2 or os.path.getsize(path(name)) != size):
        raise FileExistsError("'%s' is there already" % name.decode())
    puts[b[:4]] = None if there else (path(name), bytearray(), flags & 2)
    return struct.pack(">IQI", int(there), 0, 0)

def write(b):
    if puts[b[:4]]:
        puts[b[:4]][1].extend(b[4:])
    return b""

def done(b):
    file = puts.pop(b[:4])
    if file:
        os.makedirs(os.path.dirname(file[0]), exist_ok=True)
        part = file[0] + ".part%d" % os.getpid()
        with open(part, "wb") as f:
            f.write(file[1])
            f.flush()
            os.fsync(f.fileno())
        try:
            os.link(part, file[0])
        except FileExistsError:
            if file[2] or os.path.getsize(file[0]) != len(file[1]):
                raise
        finally:
            os.unlink(part)
    return b""

def drop(b):
    puts.pop(b[:4], None)
    return b""

def listing(b):
    name, at = string(b, 0)
    after = string(b, at)[0].decode()
    out = struct.pack(">I", 0)
    for e in sorted(os.listdir(path(name)) if os.path.isdir(path(name)) else []):
        if e > after and os.path.isfile(path(name) + "/" + e):
            out += struct.pack(">I", len(e)) + e.encode() + \
                struct.pack(">Q", os.path.getsize(path(name) + "/" + e))
    return out

def remove(b):
    os.unlink(path(string(b, 0)[0]))
    return b""

def hello(b):
    if struct.unpack_from(">I", b, len(b) - 4)[0] & 1:
        os.makedirs(root, exist_ok=True)
    if not os.path.isdir(root):
        raise FileNotFoundError("there is no '%s'" % root)
    return struct.pack(">II", 1, 7)

verbs = {1: hello, 16: stat, 17: get, 18: put, 19: write, 20: done, 21: drop, 22: listing,
         23: remove}
while True:
    head = sys.stdin.buffer.read(9)
    if len(head) < 9:
        break
    length, kind, number = struct.unpack(">IBI", head)
    body = sys.stdin.buffer.read(length - 5)
    try:
        kind, body = 128 if kind == 1 else 129, verbs[kind](body)
    except Exception as e:
        code = 2 if isinstance(e, FileNotFoundError) else 3 if isinstance(e, FileExistsError) else 1
        text = str(e).encode()
        kind, body = 130, struct.pack(">II", code, len(text)) + text + struct.pack(">II", 0, 0)
    sys.stdout.buffer.write(struct.pack(">IBI", len(body) + 5, kind, number) + body)
    sys.stdout.buffer.flush()
EOF
chmod +x "$TEST_DIR/bin/dv-remote-demo"

test_case 'a store behind a program is pushed to, cloned and pulled from' '
	git init -q && "$DV" init -q
	mkdir data && seq 5000 >data/a && head -c 9000000 /dev/urandom >data/b && : >data/empty
	"$DV" add -q data
	"$DV" remote add -d demo "demo://$TEST_DIR/kept" 2>err
	lacks err "cannot reach"
	"$DV" push
	git add -A && git commit -qm data
	git clone -q . ../clone
	cd ../clone
	"$DV" pull
	same data ../ws/data
	"$DV" push >out && contains out "up to date"'

test_case 'the conformance suite' '
	suite=$(dirname "$DV")/tests/test_drivers
	[ ! -x "$suite" ] ||
		env DV_TEST_URL="demo://$TEST_DIR/suite" "$suite"'

test_case 'what the program prints is told when it fails' '
	printf "#!/bin/sh\necho it is raining >&2\nexit 3\n" >"$TEST_DIR/bin/dv-remote-rain"
	chmod +x "$TEST_DIR/bin/dv-remote-rain"
	"$DV" remote add --no-probe rain rain://x
	must_fail 2 "$DV" push -r rain 2>err
	contains err "it is raining"
	contains err "dv-remote-rain"'

test_case 'a scheme without a program is said so' '
	"$DV" remote add --no-probe none none://x 2>err
	contains err "cannot reach"
	must_fail 2 "$DV" push -r none 2>err
	contains err "dv-remote-none"'

test_case 'a program in the workspace is not found, and no password reaches one' '
	mkdir -p bin && cp "$TEST_DIR/bin/dv-remote-demo" bin/dv-remote-here
	"$DV" remote add --no-probe here here:///x 2>/dev/null
	PATH=bin:.:$PATH must_fail 2 "$DV" push -r here
	refused "$DV" remote add secret "demo://me:hidden@host/x" 2>err
	contains err "password"
	lacks err hidden'

done_testing
