#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Other schemes: a program on PATH keeps the store, in the protocol of docs/remote-protocol.md.
. "$(dirname "$0")/lib.sh"

command -v python3 >/dev/null || { echo "1..0 # SKIP python3 is not installed"; exit 77; }

mkdir -p "$TEST_DIR/bin"
PATH=$TEST_DIR/bin:$PATH
ln -s "$TEST_SOURCE/servers/dv-remote-demo" "$TEST_DIR/bin/"

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
