#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Remotes behind SSH, with a real sshd: by SFTP and by 'dv serve'.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"

export SSHD_PATH=$TEST_DIR/far:/usr/bin:/bin
mkdir -p "$TEST_DIR/far"
need_server sshd

# account NAME: the remote's settings go by that account of the server.
use() {
	"$DV" config --local remote.o.sshcommand "ssh -F $SSH_CONFIG"
	[ -z "${1:-}" ] || "$DV" config --local remote.o.serve "$1"
}
has_account() {
	case " $SSH_ACCOUNTS " in *" $1 "*) ;; *) return 1 ;; esac
}

git init -q && "$DV" init -q
mkdir data && seq 5000 >data/a && : >data/empty && head -c 30000000 /dev/urandom >data/b
"$DV" add -q data
"$DV" remote add -d --no-probe o "ssh://full$SSH_HOME/store"
use never
git add -A && git commit -qm data

# round ACCOUNT URL SERVE: pushes there and pulls into a new clone.
round() {
	"$DV" config --local remote.o.url "$2"
	use "$3"
	"$DV" push
	rm -rf ../clone && git clone -q . ../clone
	cd ../clone
	"$DV" remote add --no-probe --local o "$2"
	use "$3"
	"$DV" pull
	same data ../ws/data
	"$DV" push >out && contains out "up to date"
	cd ../ws
}

test_case 'SFTP: any account' 'round full "ssh://full$SSH_HOME/plain" never'
test_case 'SFTP: when dv is not there' '
	round full "ssh://full$SSH_HOME/absent" auto
	use always
	"$DV" config --local remote.o.url "ssh://full$SSH_HOME/other"
	must_fail 2 "$DV" push 2>err
	contains err "not found"
	contains err "install dv there"'
test_case 'SFTP: an account that may do nothing else' \
	'round sftponly "ssh://sftponly$SSH_HOME/forced" auto'
test_case 'SFTP: below the folder of the login, as scp writes it' '
	cd "$TEST_DIR/ws"
	round full "full:dv-test-$$/store" never
	# shellcheck disable=SC2029
	ssh -F "$SSH_CONFIG" full "rm -r dv-test-$$"'
test_case 'SFTP: a root of its own' '
	has_account chroot || exit 0
	round chroot ssh://chroot/data/store auto
	round chroot chroot:relative auto'
test_case 'SFTP: without extensions' '
	has_account minimal || exit 0
	round minimal ssh://minimal/data-minimal/store auto'
test_case 'SFTP: what may only be read is pulled from' '
	has_account readonly || exit 0
	"$DV" config --local remote.o.url ssh://chroot/data/store
	use never
	"$DV" push
	"$DV" config --local remote.o.url ssh://readonly/data/store
	rm -rf ../clone && git clone -q . ../clone
	cd ../clone
	"$DV" remote add --no-probe --local o ssh://readonly/data/store
	use auto
	"$DV" pull
	same data ../ws/data
	echo new >data/new && "$DV" add -q data
	must_fail 4 "$DV" push 2>err
	contains err "may not change"'

test_case 'failures are told in ssh'"'"'s own words' '
	"$DV" config --local remote.o.url "ssh://nobody-at-all@127.0.0.1:$SSH_PORT/x"
	"$DV" config --local remote.o.sshcommand "ssh -F $SSH_CONFIG -i /dev/null"
	must_fail 4 "$DV" push 2>err
	contains err "ermission denied"
	"$DV" config --local remote.o.sshcommand \
		"ssh -F $SSH_CONFIG -oUserKnownHostsFile=/dev/null"
	"$DV" config --local remote.o.url "ssh://full/x"
	refused "$DV" push 2>err
	contains err "Host key verification failed"
	contains err known_hosts'

test_case 'what begins with a dash, and passwords, are refused before ssh starts' '
	"$DV" config --local remote.o.sshcommand "touch $TEST_DIR/started; false"
	for url in "ssh://-oProxyCommand=touch/x" "ssh://u:secret@host/x" "ssh://host/~/-x"; do
		! "$DV" config --local remote.o.url "$url" 2>err || refused "$DV" push 2>err
		lacks err secret
	done
	[ ! -e "$TEST_DIR/started" ]'

test_case 'where sshcommand is not set, the ssh of git is used' '
	round full "ssh://full$SSH_HOME/gits" never
	"$DV" config --local --unset remote.o.sshcommand
	mkdir -p "$TEST_DIR/bin"
	printf "#!/bin/sh\necho \"\$0\" >>$TEST_DIR/ran\nexec ssh -F $SSH_CONFIG \"\$@\"\n" \
		>"$TEST_DIR/bin/one"
	chmod +x "$TEST_DIR/bin/one"
	for name in two three plink; do cp "$TEST_DIR/bin/one" "$TEST_DIR/bin/$name"; done
	# ran NAME COMMAND…: the command works, and by this program.
	ran() {
		local name=$1
		shift
		rm -f "$TEST_DIR/ran"
		"$@"
		[ "$(sort -u "$TEST_DIR/ran")" = "$TEST_DIR/bin/$name" ]
	}
	ran one env GIT_SSH="$TEST_DIR/bin/one" "$DV" status --remote
	git config core.sshCommand "$TEST_DIR/bin/two"
	ran two env GIT_SSH="$TEST_DIR/bin/one" "$DV" status --remote
	ran three env GIT_SSH_COMMAND="$TEST_DIR/bin/three -oLogLevel=ERROR" "$DV" status --remote
	"$DV" config --local remote.o.sshcommand "$TEST_DIR/bin/one"
	ran one env GIT_SSH_COMMAND="$TEST_DIR/bin/three" "$DV" status --remote
	"$DV" config --local --unset remote.o.sshcommand
	git config --unset core.sshCommand
	git config --global core.sshCommand "$TEST_DIR/bin/three"
	ran three "$DV" status --remote
	git config --global --unset core.sshCommand
	# Of a program that takes other options nothing is asked.
	rm -f "$TEST_DIR/ran"
	! GIT_SSH_COMMAND="$TEST_DIR/bin/plink" timeout 20 "$DV" status --remote || false
	[ ! -e "$TEST_DIR/ran" ]'

# An ssh that is killed after CUT bytes were sent; what was sent is counted.
cat >"$TEST_DIR/cut" <<"EOF"
#!/usr/bin/env python3
import os, subprocess, sys
left, total = int(os.environ.get("CUT", 1 << 60)), 0
ssh = subprocess.Popen(["ssh", "-F", os.environ["SSH_CONFIG"]] + sys.argv[1:],
                       stdin=subprocess.PIPE, bufsize=0)
while total < left:
    b = os.read(0, min(1 << 16, left - total))
    if not b:
        break
    ssh.stdin.write(b)
    total += len(b)
if total == left:
    ssh.kill()
ssh.stdin.close()
with open(os.environ["TEST_DIR"] + "/bytes", "a") as f:
    f.write("%d\n" % total)
sys.exit(ssh.wait() and 1)
EOF
chmod +x "$TEST_DIR/cut"

# cut_push FOLDER SERVE: a push whose connections break again and again sends little twice.
cut_push() {
	"$DV" config --local remote.o.url "ssh://full$SSH_HOME/$1"
	use "$2"
	export SSH_CONFIG
	"$DV" config --local remote.o.sshcommand "$TEST_DIR/cut"
	"$DV" config --local remote.o.jobs 1
	rm -f "$TEST_DIR/bytes"
	CUT=12500000 "$DV" push
	"$DV" config --local --unset remote.o.jobs
	sleep 0.2
	cat "$TEST_DIR/bytes"
	[ "$(awk "{ n += \$1 } END { print n }" "$TEST_DIR/bytes")" -lt 45000000 ]
	[ "$(grep -c "12500000" "$TEST_DIR/bytes")" -ge 2 ]
	[ -z "$(find "$SSH_HOME/$1" -name ".dv-*")" ]
	use "$2"
	rm -rf ../clone && git clone -q . ../clone && cd ../clone
	"$DV" remote add --no-probe --local o "ssh://full$SSH_HOME/$1"
	use "$2"
	"$DV" pull && same data ../ws/data
}
test_case 'a push that is cut goes on where it was' 'cut_push cut never'

test_case 'the ssh of a transfer may be killed' '
	"$DV" config --local remote.o.url "ssh://full$SSH_HOME/killed"
	cat >"$TEST_DIR/slow" <<"EOF"
#!/bin/bash
[ -e "$TEST_DIR/killed" ] || { echo $$ >"$TEST_DIR/pid"; }
exec ssh -F "$SSH_CONFIG" "$@"
EOF
	chmod +x "$TEST_DIR/slow"
	export SSH_CONFIG TEST_DIR
	"$DV" config --local remote.o.sshcommand "$TEST_DIR/slow"
	"$DV" push --limit-rate 8m & push=$!
	for i in $(seq 100); do
		[ -n "$(find "$SSH_HOME/killed" -name ".dv-part-*" 2>/dev/null)" ] && break
		sleep 0.05
	done
	sleep 0.3
	: >"$TEST_DIR/killed"
	kill -9 "$(cat "$TEST_DIR/pid")"
	wait $push
	"$DV" status --remote >out
	rm -rf ../clone && git clone -q . ../clone && cd ../clone
	"$DV" remote add --no-probe --local o "ssh://full$SSH_HOME/killed"
	use never
	"$DV" pull && same data ../ws/data'

# From here on dv is installed on the far side.
ln -s "$DV" "$TEST_DIR/far/dv"
test_case 'serve: dv on the far side' '
	round full "ssh://full$SSH_HOME/serve one'"'"'s" always
	round full "ssh://full$SSH_HOME/served" auto'

test_case 'serve: a push that is cut goes on where it was' 'cut_push cut2 always'

test_case 'serve: as a forced command that lets nobody write' '
	"$DV" config --local remote.o.url "ssh://full$SSH_HOME/served"
	cat >"$TEST_DIR/forced" <<EOF
#!/bin/sh
exec $DV serve --stdio --read-only $SSH_HOME/served
EOF
	chmod +x "$TEST_DIR/forced"
	ssh-keygen -q -t ed25519 -N "" -f "$TEST_DIR/key"
	keys=$(sed -n "s/^AuthorizedKeysFile \(.*\)%u$/\1/p" "$TEST_DIR/sshd/sshd_config")
	echo "restrict,command=\"$TEST_DIR/forced\" $(cat "$TEST_DIR/key.pub")" \
		>>"$keys$(id -un)"
	rm -rf ../clone && git clone -q . ../clone && cd ../clone
	"$DV" remote add --no-probe --local o "ssh://$(id -un)@full/elsewhere"
	"$DV" config --local remote.o.sshcommand \
		"ssh -F /dev/null -oIdentitiesOnly=yes -i $TEST_DIR/key -p $SSH_PORT -oHostName=127.0.0.1 -oUserKnownHostsFile=$SSH_KNOWN_HOSTS"
	"$DV" pull
	same data ../ws/data
	echo new >data/new && "$DV" add -q data
	must_fail 2 "$DV" push 2>err
	contains err "only be read"'

test_case 'serve: nothing outside the folder, nothing but its protocol' '
	mkdir -p served && echo secret >outside
	python3 - "$DV" <<"EOF"
import struct, subprocess, sys
def frame(kind, number, body): return struct.pack(">IBI", len(body) + 5, kind, number) + body
def s(b): return struct.pack(">I", len(b)) + b
hello = frame(1, 3, s(b"dv-remote") + s(struct.pack(">II", 1, 0)))
def talk(b):
    return subprocess.run([sys.argv[1], "serve", "--stdio", "served"], input=b, timeout=20,
                          capture_output=True)
for name in [b"../outside", b"/etc/passwd", b"a/../../outside", b".dv-tmp-x", b"", b"a\0b", b"A"]:
    for kind, rest in [(16, b""), (17, struct.pack(">QI", 0, 100)), (23, b"")]:
        r = talk(hello + frame(kind, 4, s(name) + rest))
        assert r.returncode == 0 and b"secret" not in r.stdout, (name, r)
        assert r.stdout[13 + 4 + 4:][:1] == b"\x82" or b"\x82" in r.stdout[17:27], (name, r.stdout)
for junk in [b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100, b"\xff" * 100, hello + b"\xff" * 9, hello[:-1]]:
    assert talk(junk).returncode == 2
assert talk(b"").returncode == 0
EOF
	must_fail 129 "$DV" serve served'

done_testing
