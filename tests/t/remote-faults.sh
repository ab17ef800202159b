#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Push and pull while the network does its worst, over S3 and over ssh: each ends well or says
# clearly why not, the next run goes on and completes, what is spoilt on the way is kept nowhere, and
# Ctrl-C stops soon and leaves everything valid.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"

export AWS_EC2_METADATA_DISABLED=true

# project URL: what is pushed, in $TEST_DIR/data; a fresh repository with it in ws, its remote there.
project() {
	cd "$TEST_DIR"
	rm -rf ws clone
	mkdir ws
	cd ws
	git init -q
	"$DV" init -q
	cp -r ../data .
	"$DV" config --global remote.store.url "$1"
	"$DV" config --global core.remote store
	"$DV" add -q data
	git add -A
	git commit -q -m data
}

clone() {
	cd "$TEST_DIR"
	rm -rf clone
	git clone -q ws clone
	cd clone
}

# tries COMMAND…: runs it in this weather. It ends well, or with one of dv's own statuses and a
# message; then the weather clears up and it ends well.
tries() {
	local code=0
	"$@" >out 2>err || code=$?
	cat out err
	case $code in
	0) ;;
	2 | 3 | 4 | 12) contains err "error: " ;;
	*) echo "exit status $code: $*"; return 1 ;;
	esac
	weather "{}"
	"$@"
}

# What is here is sound, and so is every byte of the remote, which has all of it.
is_whole() {
	"$DV" status --remote
	"$DV" fsck
	"$DV" fsck --remote --full
}

# one_fault URL RULE: push and pull through it.
one_fault() {
	weather "{}"
	project "$1"
	weather "{\"seed\": 1, \"faults\": [$2]}"
	tries "$DV" push
	is_whole
	clone
	weather "{\"seed\": 2, \"faults\": [$2]}"
	tries "$DV" pull
	same data "$TEST_DIR/data"
	is_whole
	[ -z "$(git status --porcelain | grep -v -e err -e out)" ]
}

# interrupted COMMAND…: an INT after a moment of a slow road ends it: in some 0.1 s, and in 5 on the
# busiest of machines.
interrupted() {
	local began ended code=0 pid
	weather "{\"rate\": 400000}"
	# A shell makes what runs in its background ignore INT.
	setsid python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$@" >out 2>err &
	pid=$!
	sleep 2
	began=$(date +%s%N)
	kill -INT $pid
	wait $pid || code=$?
	ended=$(date +%s%N)
	cat err
	echo "status $code after $(((ended - began) / 1000000)) ms" | tee -a "$TEST_DIR/stopped"
	[ $code -eq 130 ]
	[ $((ended - began)) -lt 5000000000 ]
	weather "{}"
}

ctrl_c() {
	weather "{}"
	project "$1"
	interrupted "$DV" push
	"$DV" fsck
	"$DV" push
	is_whole
	clone
	interrupted "$DV" pull
	"$DV" pull
	same data "$TEST_DIR/data"
	is_whole
}

cd "$TEST_DIR" || exit 2
mkdir -p "$TEST_DIR/data/sub"
head -c 9000000 /dev/urandom >"$TEST_DIR/data/large"
seq 200000 >"$TEST_DIR/data/sub/table"
for i in $(seq 200); do echo "$i" >"$TEST_DIR/data/sub/$i"; done
"$DV" config --global remote.store.timeout 3

if start_server radosgw; then
	start_proxy s3proxy "$S3_PORT"
	export S3_RULES=$PROXY_RULES AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY
	export AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY
	s3 make bucket
	"$DV" config --global remote.store.endpointurl "http://127.0.0.1:$PROXY_PORT"
	"$DV" config --global remote.store.region "$S3_REGION"
	n=0
	while read -r rule; do
		n=$((n + 1))
		export rule n
		test_case "S3: $rule" 'one_fault s3://bucket/$n "$rule"'
	done <<-'EOF'
		{"fault": "reset", "percent": 25}
		{"fault": "reset", "match": "^PUT", "after": 100000, "times": 3}
		{"fault": "cut", "percent": 25}
		{"fault": "truncate", "match": "packs", "times": 3}
		{"fault": "stall", "match": "packs|index", "times": 2}
		{"fault": "silent", "match": "log", "times": 1}
		{"fault": "lost", "percent": 25}
		{"fault": "503", "percent": 40, "retry_after": 1}
		{"fault": "429", "match": "log", "times": 2}
		{"fault": "500", "percent": 25}
		{"fault": "flip", "match": "^GET", "percent": 25}
		{"fault": "flip", "match": "^GET.*packs"}
		{"fault": "flip-up", "match": "^PUT", "percent": 50}
	EOF
	test_case 'S3: Retry-After is obeyed' '
		weather "{}"
		project s3://bucket/wait
		weather "{\"faults\": [{\"fault\": \"503\", \"retry_after\": 2, \"times\": 1}]}"
		began=$(date +%s%N)
		"$DV" push
		[ $(($(date +%s%N) - began)) -ge 2000000000 ]'
	test_case 'S3: a server that stays away is an error with a hint' '
		weather "{\"faults\": [{\"fault\": \"500\"}]}"
		project s3://bucket/away
		must_fail 2 timeout 280 "$DV" push 2>err
		contains err "error: "
		contains err "after "
		weather "{}"'
	test_case 'S3: Ctrl-C' 'ctrl_c s3://bucket/stop'
fi

if start_server sshd; then
	start_proxy sshproxy "$SSH_PORT" tcp
	"$DV" config --global remote.store.sshcommand \
		"ssh -p $PROXY_PORT -o HostKeyAlias=[127.0.0.1]:$SSH_PORT -F $SSH_CONFIG"
	"$DV" config --global remote.store.serve never
	n=0
	while read -r rule; do
		n=$((n + 1))
		export rule n
		test_case "ssh: $rule" 'one_fault "ssh://full$SSH_HOME/$n" "$rule"'
	done <<-'EOF'
		{"fault": "refuse", "times": 2}
		{"fault": "reset", "after": 100000, "times": 2}
		{"fault": "reset", "after": 3000000, "times": 2}
		{"fault": "cut", "after": 20000, "times": 2}
		{"fault": "cut", "after": 3000000, "times": 2}
		{"fault": "truncate", "after": 6000, "times": 2}
		{"fault": "stall", "after": 5000, "times": 1}
		{"fault": "flip", "after": 20000, "times": 2}
		{"fault": "flip-up", "after": 30000, "times": 2}
	EOF
	# However far it came: in the exchange of keys, before it let us in, before the first answer.
	test_case 'ssh: a stall is noticed soon, at whatever time' '
		weather "{}"
		project "ssh://full$SSH_HOME/stall"
		"$DV" push
		for after in 0 500 1500 2500 3000 3500 4000 4500 5000 6000; do
			weather "{\"faults\": [{\"fault\": \"stall\", \"after\": $after, \"times\": 1}]}"
			began=$(date +%s%N)
			"$DV" status --remote
			took=$((($(date +%s%N) - began) / 1000000))
			echo "after $after bytes: $took ms" | tee -a "$TEST_DIR/stalls"
			[ $took -lt 20000 ]
		done'
	test_case 'ssh: Ctrl-C' 'ctrl_c "ssh://full$SSH_HOME/stop"'
fi

sed 's/^/# Ctrl-C: /' "$TEST_DIR/stopped"
[ ! -e "$TEST_DIR/stalls" ] || sed 's/^/# ssh stalls /' "$TEST_DIR/stalls"
done_testing
