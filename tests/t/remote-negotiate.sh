#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016
#
# A push asks 'dv serve' for rows of the index where that is less than a copy of it. What comes of
# it must be the same as with a copy, to the byte, and lies must not get far.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"

export SSHD_PATH=$TEST_DIR/far:/usr/bin:/bin
mkdir -p "$TEST_DIR/far"
ln -s "$DV" "$TEST_DIR/far/dv"
need_server sshd
"$DV" config --global lineage.add false

# The store is large enough that its index, of 56 bytes an entry, has more than a MiB.
git init -q && "$DV" init -q
"$DV" remote add -q -d o "$SSH_HOME/base"
python3 - <<'EOF'
import os, random
random.seed(1)
for d in range(24):
    os.makedirs("data/%d" % d)
    for f in range(1000):
        open("data/%d/%d" % (d, f), "wb").write(b"%d %d " % (d, f) + random.randbytes(20))
os.makedirs("deep/sub")
for f in range(300):
    open("deep/sub/%d" % f, "wb").write(b"deep %d " % f + random.randbytes(20))
open("deep/top", "w").write("top")
with open("table.csv", "w") as out:
    for i in range(60000):
        out.write("%d,%d,%d\n" % (i, random.random() * 1e9, random.random() * 1e9))
EOF
"$DV" add -q data deep table.csv && git add -A && git commit -qm data
"$DV" push -q
cp -r .git/dv/cache "$TEST_DIR/cache"

# A server between dv and 'dv serve' that changes what it says: lies URL is 'lies:///folder', and
# $LIES what is done to the answers of FIND. Requests and answers are counted in $LOG.
mkdir -p "$TEST_DIR/bin"
cat >"$TEST_DIR/bin/dv-remote-lies" <<'EOF'
#!/usr/bin/env python3
import os, struct, subprocess, sys, threading
lies = os.environ.get("LIES", "")
root = sys.argv[2].split("://", 1)[1]
far = subprocess.Popen([os.environ["DV"], "serve", "--stdio", root], stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE)
asked = {}

def frames(f):
    while len(head := f.read(9)) == 9:
        n, kind, number = struct.unpack(">IBI", head)
        yield kind, number, f.read(n - 5)

def say(f, kind, number, body):
    f.write(struct.pack(">IBI", len(body) + 5, kind, number) + body)
    f.flush()

def requests():
    for kind, number, body in frames(sys.stdin.buffer):
        if kind == 24:
            n = (len(body) - 4 - 32 * struct.unpack_from(">I", body)[0]) // 33
            asked[number] = n
            with open(os.environ["LOG"], "a") as log:
                log.write("find %d\n" % n)
            hook = os.environ["LOG"] + ".hook"
            if n and os.path.exists(hook):
                os.rename(hook, hook + ".ran")
                subprocess.run(["sh", hook + ".ran"], check=True, stdout=sys.stderr)
        say(far.stdin, kind, number, body)
    far.stdin.close()

def change(body, n):
    flags, done = struct.unpack_from(">II", body)
    out, at = [], 8
    while at < len(body):
        size, entries, k = struct.unpack_from(">QQI", body, at)
        rows = body[at + 20:at + 20 + k]
        at += 20 + k
        if n and lies == "unasked" and rows:
            last = len(rows) - 56
            rows = rows[:last] + bytes([rows[last] ^ 1]) + rows[last + 1:]
        if n and lies == "torn":
            rows = rows[:-1]
        if n and lies == "counts" and rows:
            rows = rows[:8] + struct.pack("<Q", 1 << 32) + rows[16:]
        if n and lies == "none":
            rows = b""
        if n and lies == "place" and rows:
            # Every row is in a pack that the log does not name.
            rows = rows[:32] + b"\x55" * 32 + rows[64:]
        out.append(struct.pack(">QQI", size, entries, len(rows)) + rows)
    if n and lies == "done":
        done += 1
    if n and lies == "nothing":
        done, out = 0, [struct.pack(">QQI", 1, 1, 0) for o in out]
    if n and lies == "wait" and not os.path.exists(os.environ["LOG"] + ".waited"):
        open(os.environ["LOG"] + ".waited", "w").close()
        flags, done, out = 1, 0, [o[:16] + bytes(4) for o in out]
    tail = b"x" if n and lies == "long" else b""
    if n and lies == "short":
        return body[:11]
    return struct.pack(">II", flags, done) + b"".join(out) + tail

threading.Thread(target=requests, daemon=True).start()
for kind, number, body in frames(far.stdout):
    if kind == 128 and lies == "old":
        body = body[:4] + struct.pack(">I", struct.unpack_from(">I", body, 4)[0] & 7)
    if kind == 129 and number in asked:
        body = change(body, asked[number])
    say(sys.stdout.buffer, kind, number, body)
EOF
chmod +x "$TEST_DIR/bin/dv-remote-lies"
PATH=$TEST_DIR/bin:$PATH
export LOG=$TEST_DIR/asked

# put_base NAME: a new store that is as base.
put_base() { rm -rf "${SSH_HOME:?}/$1" && cp -r "$SSH_HOME/base" "$SSH_HOME/$1"; }
# clone NAME URL [CACHE]: a new clone in ../NAME, where nothing is known of the remote.
clone() {
	cd "$TEST_DIR"
	rm -rf "$1"
	git clone -q ws "$1"
	cd "$1"
	"$DV" remote add -q --no-probe --local o "$2"
	"$DV" config --local remote.o.sshcommand "ssh -F $SSH_CONFIG"
	[ -z "${3:-}" ] || { mkdir -p .git/dv && cp -r "$3" .git/dv/cache; }
}
# ten: what the clone pushes: ten files, of which the remote has two.
ten() {
	mkdir more
	seq 1 8 | while read -r i; do echo "more $i" >"more/$i"; done
	cp "$TEST_DIR/ws/data/3/7" more/9
	cp "$TEST_DIR/ws/deep/sub/11" more/10
	"$DV" add -q more
}
edit() {
	"$DV" checkout -q table.csv
	sed -i "30000s/,.*/,0,0/" table.csv
	"$DV" add -q table.csv
}
graft() {
	"$DV" pull -q deep/top && rm -r .git/dv/remotes
	echo new >deep/new
	"$DV" add -q deep/new
}
# says KEY FILE: a number of what 'dv push --json' printed.
says() { sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$2" | head -n 1; }
mirrored() { find .git/dv/remotes -path '*/index/*' -type f -size +500k | wc -l; }
# same_store A B: equal to the byte, but for what an entry of the log has by chance.
same_store() {
	python3 - "$1" "$2" <<'EOF'
import json, os, sys
def read(root):
    out = {}
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            key = os.path.relpath(path, root)
            data = open(path, "rb").read()
            if key.startswith("log/"):
                e = json.loads(data.decode("latin-1"))
                for chance in ("nonce", "sum"):
                    e.pop(chance, None)
                data = json.dumps(e, sort_keys=True)
            out[key] = data
    return out
a, b = read(sys.argv[1]), read(sys.argv[2])
for key in sorted(set(a) | set(b)):
    if a.get(key) != b.get(key):
        sys.exit("%s differs: %r, %r" % (key, a.get(key, "")[:600], b.get(key, "")[:600]))
EOF
}
# both WORK [CACHE]: does the work in a new clone, and pushes from copies of that, from one with a
# copy of the index, from one without.
both() {
	local how
	put_base target
	(clone work "ssh://full$SSH_HOME/target" "${2:-}" && "$1")
	for how in never always; do
		put_base target
		rm -rf "${TEST_DIR:?}/$how" && cp -r "$TEST_DIR/work" "$TEST_DIR/$how"
		(
			cd "$TEST_DIR/$how"
			"$DV" config --local remote.o.serve "$how"
			"$DV" push --json >"$TEST_DIR/$how.json"
			mirrored >"$TEST_DIR/$how.mirrored"
			"$DV" fsck --remote
		)
		rm -rf "${SSH_HOME:?}/$how" && cp -r "$SSH_HOME/target" "$SSH_HOME/$how"
	done
	same_store "$SSH_HOME/never" "$SSH_HOME/always"
	[ "$(says received "$TEST_DIR/never.json")" -gt 1300000 ]
	[ "$(cat "$TEST_DIR/never.mirrored")" -gt 0 ]
}
asked() {
	[ "$(says received "$TEST_DIR/always.json")" -lt 100000 ]
	[ "$(cat "$TEST_DIR/always.mirrored")" -eq 0 ]
}
export -f put_base clone ten edit graft says mirrored same_store both asked

test_case 'ten files, and nothing is copied' '
	both ten
	asked'

test_case 'what follows in the same clone' '
	cd ../always
	rm -r .git/dv/remotes
	echo again >more/11 && "$DV" add -q more
	"$DV" push --json >out
	[ "$(says received out)" -lt 100000 ]
	[ "$(mirrored)" -eq 0 ]
	"$DV" push >out && contains out "up to date"
	"$DV" status --remote
	[ "$(mirrored)" -gt 0 ]
	rm -rf more && "$DV" pull -q more'

test_case 'deltas against what is there' '
	both edit "$TEST_DIR/cache"
	asked'

test_case 'listings that only the remote has' '
	both graft
	asked'

test_case 'more listings there than could be foreseen: the index is copied after all' '
	work() { "$DV" pull -q data/0/0 && rm -r .git/dv/remotes && echo x >data/0/new && "$DV" add -q data/0/new; }
	export -f work
	both work
	[ "$(cat "$TEST_DIR/always.mirrored")" -gt 0 ]'

test_case 'a dry run asks as well' '
	put_base dry
	clone dry "ssh://full$SSH_HOME/dry"
	ten
	"$DV" push --dry --json >out
	[ "$(says received out)" -lt 100000 ]
	[ "$(mirrored)" -eq 0 ]
	same_store "$SSH_HOME/base" "$SSH_HOME/dry"'

test_case 'when more is looked up than the index is worth, it is copied' '
	many() { echo x >data/0/new && "$DV" add -q data; }
	export -f many
	work() { "$DV" checkout -q data && many; }
	both work "$TEST_DIR/cache"
	[ "$(cat "$TEST_DIR/always.mirrored")" -gt 0 ]'

test_case 'segments that are merged are copied, and no others' '
	cp -r "$SSH_HOME/base" "$SSH_HOME/kept"
	(
		clone many "$SSH_HOME/base"
		mkdir few
		for i in $(seq 16); do
			echo "few $i" >"few/$i" && "$DV" add -q few && "$DV" push -q
		done
	)
	both ten
	asked
	rm -rf "$SSH_HOME/base" && mv "$SSH_HOME/kept" "$SSH_HOME/base"'

# lie HOW [WORK [HOOK]]: does the work, or adds ten files, in the clone liar and pushes through the
# liar, which runs the hook before the first question.
lie() {
	rm -f "$LOG"*
	[ -z "${3:-}" ] || echo "$3" >"$LOG.hook"
	clone liar "lies://$SSH_HOME/lies"
	"${2:-ten}"
	LIES=$1 "$DV" push --json >out 2>err
}
export -f lie

test_case 'few requests, and an answer that has to be waited for' '
	put_base lies
	lie wait
	[ "$(mirrored)" -eq 0 ]
	[ "$(cat "$LOG")" = "$(printf "find 0\nfind 11\nfind 11\n")" ] || { cat "$LOG" && false; }
	"$DV" fsck --remote'

test_case 'a server that cannot answer is copied from' '
	put_base lies
	lie old
	[ ! -e "$LOG" ]
	[ "$(mirrored)" -gt 0 ]
	[ "$(says received out)" -gt 1300000 ]'

test_case 'answers that cannot be are refused' '
	for how in unasked torn counts done nothing long short; do
		put_base lies
		must_fail 2 lie "$how"
		contains err "what it tells of its index"
		same_store "$SSH_HOME/base" "$SSH_HOME/lies"
	done'

test_case 'what is denied, or in packs that the log does not name, is sent' '
	for how in none place; do
		put_base lies
		lie "$how"
		"$DV" fsck --remote --full
		clone fresh "$SSH_HOME/lies"
		cp ../liar/more.dv . && "$DV" pull -q more
		same more ../liar/more
	done'

test_case 'a segment with other bytes than its name is not believed' '
	put_base bad
	chmod -R u+w "$SSH_HOME/bad/index"
	for f in "$SSH_HOME"/bad/index/*; do
		printf "\001" | dd of="$f" bs=1 seek=$(($(stat -c %s "$f") - 20)) conv=notrunc status=none
	done
	clone bad "ssh://full$SSH_HOME/bad"
	"$DV" config --local remote.o.serve always
	ten
	refused "$DV" push 2>err
	contains err "is damaged"
	contains err "fsck --remote"'

test_case 'calls that fail and pass' '
	put_base lies
	lie ""
	rm -rf "$SSH_HOME/right" && cp -r "$SSH_HOME/lies" "$SSH_HOME/right"
	for n in 1 2 3 4 5 6 7 8; do
		for how in transient lost cut; do
			put_base lies
			rm -rf .git/dv/remotes
			DV_REMOTE_FAULT=quick,$n:$how "$DV" push -q
			[ "$(mirrored)" -eq 0 ]
			same_store "$SSH_HOME/lies" "$SSH_HOME/right"
		done
	done'

test_case 'another push comes between' '
	put_base lies
	(clone other "$SSH_HOME/lies" && mkdir o && echo o >o/o && "$DV" add -q o)
	lie "" ten "cd $TEST_DIR/other && $DV push -q"
	[ "$(mirrored)" -eq 0 ]
	[ -e "$LOG.hook.ran" ]
	"$DV" fsck --remote --full
	(cd ../other && "$DV" status --remote)
	"$DV" status --remote'

test_case 'a collection comes between: the rows are asked anew' '
	put_base lies
	(
		clone gone "$SSH_HOME/lies"
		seq 10 30000 >extra && "$DV" add -q extra && git add -A && git commit -qm one
		"$DV" push -q
		seq 20 30000 >extra && "$DV" add -q extra && git commit -qam two
		git reflog expire --expire=all --all
	)
	lean() { mkdir more && seq 10 30000 >more/x && "$DV" add -q more; }
	lie "" lean "cd $TEST_DIR/gone && $DV gc --remote -w --grace 0"
	[ -e "$LOG.hook.ran" ]
	[ "$(grep -c -v "find 0" "$LOG")" -eq 2 ] || { cat "$LOG" && false; }
	[ "$(mirrored)" -eq 0 ]
	"$DV" fsck --remote --full
	clone fresh "$SSH_HOME/lies"
	cp ../liar/more.dv . && "$DV" pull -q more
	same more ../liar/more'

done_testing
