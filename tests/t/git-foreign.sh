#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv get, dv ls URL and dv cat URL: data of other repositories, in a folder, over http with git's
# own protocol, and over ssh; what such a repository says is not believed.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"
SERVERS=
trap 'kill $SERVERS 2>/dev/null; stop_servers; test_cleanup' EXIT

export top=$PWD
git init -q src && cd src || exit 2
"$DV" init -q
mkdir -p data/sub code models
printf one >data/a && printf two >data/sub/b && ln -s a data/link
printf '#!/bin/sh\n' >code/run && chmod +x code/run && ln -s run code/link
head -c 3000000 /dev/urandom >models/big
"$DV" remote add -q -d --no-probe store "$top/store"
"$DV" add -q data models/big
git add -A && git commit -qm one && git tag v1
printf ONE >data/a && "$DV" commit -q && git commit -qam two
git checkout -q -b side && printf side >data/sub/b && "$DV" commit -q && git commit -qam side
git checkout -q main && "$DV" checkout -q
mkdir "$top/store" && "$DV" push -q -A
cd "$top" || exit 2
git clone -q --bare src bare.git
mkdir out && cd out || exit 2

# serve_git NAME [USER:PASSWORD]: http at $NAME.
serve_git() {
	python3 "$TEST_SOURCE/servers/githttp.py" "$top" ${2:+"$2"} >"$top/$1.port" 2>/dev/null &
	SERVERS="$SERVERS $!"
	for _ in $(seq 100); do [ ! -s "$top/$1.port" ] || break; sleep 0.05; done
	export "$1=http://127.0.0.1:$(cat "$top/$1.port")"
}
serve_git OPEN
serve_git CLOSED joe:secret

test_case 'a directory, a file in it, a file of git, a folder with all of it' '
	"$DV" get ../src data >out
	contains out "3 files"
	same data ../src/data
	"$DV" get -q ../src data/a --rev v1 -o old && [ "$(cat old)" = one ]
	"$DV" get -q ../src code && same code ../src/code && [ -x code/run ]
	"$DV" get -q ../src models && same models/big ../src/models/big
	[ ! -e models/big.dv ]
	"$DV" get -q ../src -o whole && same whole/data ../src/data && same whole/code ../src/code'

test_case 'a bare repository: its data comes from the remote' '
	rm -rf data
	"$DV" get -q "file://$top/bare.git" data && same data ../src/data
	"$DV" get -q ../bare.git data/sub/b --rev side && [ "$(cat b)" = side ]
	[ -z "$(find "$XDG_CACHE_HOME/dv" -path "*/get/*")" ]'

test_case 'a revision that is older than the setting of the remote: that of HEAD counts' '
	git init -q ../late && cd ../late
	"$DV" init -q && mkdir data && printf early >data/a && "$DV" add -q data
	git commit -qm early && git tag early
	"$DV" remote add -q -d --no-probe store "$top/late-store"
	printf late >data/a && "$DV" commit -q && git commit -qam late && "$DV" push -q -A
	cd .. && git clone -q --bare late late.git
	git -C late.git update-server-info
	cd out
	"$DV" get -q --rev early ../late.git data/a -o early && [ "$(cat early)" = early ]
	"$DV" ls -R --rev early ../late.git data >ls && contains ls data/a
	rm -rf "$XDG_CACHE_HOME/dv"
	"$DV" get -q --rev early "$OPEN/late.git" data/a -o early2 && [ "$(cat early2)" = early ]
	"$DV" get -q "$OPEN/late.git" data/a -o late && [ "$(cat late)" = late ]'

test_case 'listing and reading without a copy' '
	"$DV" ls ../bare.git >ls && contains ls "code/" && contains ls "data/" && contains ls data.dv
	"$DV" ls --dv-only ../bare.git >ls && lacks ls code
	"$DV" ls -R --oid ../bare.git data >ls
	contains ls "sha256:$(printf ONE | sha256sum | cut -d" " -f1) data/a"
	"$DV" ls --json ../bare.git --rev v1 | python3 -c "
import json, sys
l = {e[\"path\"]: e for e in json.load(sys.stdin)}
assert l[\"data\"][\"is_output\"] and l[\"code\"][\"oid\"] is None, l"
	[ "$("$DV" cat ../bare.git data/a)" = ONE ]
	[ "$("$DV" cat --rev v1 ../bare.git data/a)" = one ]
	[ "$("$DV" cat ../bare.git code/run)" = "#!/bin/sh" ]
	"$DV" cat --offset 100 --length 1000 ../bare.git models/big |
		cmp - <(tail -c +101 ../src/models/big | head -c 1000)'

test_case 'names that are taken, revisions and paths that are not there' '
	must_fail 2 "$DV" get ../src data 2>err && contains err "is there already"
	printf mine >data/a
	must_fail 2 "$DV" get ../src data 2>err && [ "$(cat data/a)" = mine ]
	"$DV" get -q -f ../src data && same data ../src/data
	mkdir -p into && "$DV" get -q ../src data -o into && same into/data ../src/data
	must_fail 2 "$DV" get ../src nothing 2>err && contains err "is not in"
	must_fail 2 "$DV" get ../src data -o x --rev nothing 2>err && contains err "unknown revision"
	must_fail 2 "$DV" get ../src data -o no/folder 2>err && contains err "mkdir -p"
	must_fail 2 "$DV" get "$top/nothing" x 2>err && contains err "no git repository"
	must_fail 2 "$DV" get ../src ../../etc -o x 2>err && contains err "is no path in a repository"
	must_fail 2 "$DV" get ../src .git/config -o x
	[ ! -e x ]
	[ -z "$(find . -name ".dv-tmp*")" ]'

test_case 'over http' '
	for rev in "" v1 side "v1~0" "$(git -C ../src rev-parse v1)"; do
		rm -rf data
		"$DV" get -q "$OPEN/bare.git" data ${rev:+--rev "$rev"}
		rm -rf ../src/data
		git -C ../src checkout -q "${rev:-main}"
		(cd ../src && "$DV" checkout -q)
		same data ../src/data
	done
	git -C ../src checkout -q main && (cd ../src && "$DV" checkout -q)
	"$DV" ls "$OPEN/bare.git" >ls && contains ls models/
	must_fail 2 "$DV" get "$OPEN/bare.git" data --rev none -o x 2>err
	contains err "unknown revision"
	must_fail 2 "$DV" get "$OPEN/none.git" data -o x 2>err
	must_fail 2 "$DV" get "http://127.0.0.1:1/x.git" data -o x 2>err && contains err 127.0.0.1'

test_case 'a login is the business of git and its credential helpers' '
	rm -rf data
	must_fail 2 "$DV" get "$CLOSED/bare.git" data 2>err
	git config --global credential.helper "!f() { echo username=joe; echo password=secret; }; f"
	"$DV" get -q "$CLOSED/bare.git" data && same data ../src/data
	git config --global --unset credential.helper
	must_fail 2 "$DV" get "http://joe:secret@127.0.0.1:1/bare.git" data 2>err
	lacks err secret'

test_case 'addresses that the settings of git rewrite' '
	rm -rf data
	git config --global "url.$OPEN/.insteadOf" "http://nowhere.invalid/"
	"$DV" get -q "http://nowhere.invalid/bare.git" data && same data ../src/data
	git config --global --remove-section "url.$OPEN/"'

test_case 'what was fetched is not fetched again' '
	commit=$(git -C ../src rev-parse main)
	"$DV" ls "$OPEN/bare.git" --rev "$commit" >ls
	kill "$(echo $SERVERS | cut -d" " -f1)"
	"$DV" ls "$OPEN/bare.git" --rev "$commit" | cmp - ls'

if start_server sshd; then
test_case 'over ssh, as git does it' '
	export GIT_SSH_COMMAND="ssh -F $SSH_CONFIG"
	rm -rf data
	"$DV" get -q "ssh://full$top/bare.git" data && same data ../src/data
	rm -rf data
	"$DV" get -q "full:$top/bare.git" data --rev side && [ "$(cat data/sub/b)" = side ]
	unset GIT_SSH_COMMAND
	must_fail 2 "$DV" get "ssh://-oProxyCommand=touch$top/owned/x" data 2>err
	must_fail 2 "$DV" get "-oProxyCommand=x:y" data 2>err || must_fail 129 "$DV" get -- "-x:y" d
	[ ! -e "$top/owned" ]'
fi

test_case 'helpers that would run programs are refused' '
	must_fail 2 "$DV" get "ext::sh -c touch% $top/owned" data 2>err && contains err refused
	must_fail 2 "$DV" ls "ext::sh -c touch% $top/owned" 2>err && contains err refused
	must_fail 2 "$DV" cat "ext::sh -c touch% $top/owned" a 2>err
	must_fail 2 "$DV" get -- "--upload-pack=touch $top/owned" data 2>err
	[ ! -e "$top/owned" ]'

test_case 'a hostile repository: its settings start nothing, its trees leave nothing' '
	git clone -q ../src ../evil && cd ../evil
	cat >.dv/config <<-END
	[core]
		remote = store
	[remote "store"]
		url = ssh://nowhere.invalid/store
		sshcommand = touch $top/owned;
		credentialprocess = touch $top/owned
		credentialhelper = touch $top/owned
		keyfile = /etc/passwd
		insecure = true
	END
	git config core.sshCommand "touch $top/owned;"
	git commit -qam evil
	cd ../out
	rm -rf data
	export DV_REMOTE_FAULT=quick
	GIT_SSH_COMMAND="false" must_fail 2 "$DV" get ../evil data 2>err
	must_fail 2 "$DV" get ../evil data 2>err
	[ ! -e "$top/owned" ]
	cd ../evil
	blob=$(printf x | git hash-object -w --stdin)
	git config core.protectHFS false
	tree=$(printf "100644 blob %s\t..\n" "$blob" | git mktree)
	root=$(printf "040000 tree %s\tbad\n100644 blob %s\tgood\n" "$tree" "$blob" | git mktree)
	git update-ref refs/heads/bad "$(git commit-tree -m bad "$root")"
	cd ../out
	"$DV" get -q ../evil --rev bad -o badly
	[ "$(cat badly/good)" = x ] && [ -z "$(ls -A badly/bad)" ]'

done_testing
