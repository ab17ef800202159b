# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
# dv import-lfs where git's remote is behind SSH: git-lfs-authenticate there names the server and the
# login, as git-lfs has it. A real sshd, and a stand-in for that program.
. "${0%/*}/lib.sh"
. "$TEST_SOURCE/servers/use.sh"
trap 'kill "$lfs" 2>/dev/null; stop_servers; test_cleanup' EXIT

export far=$TEST_DIR/far SSHD_PATH=$TEST_DIR/far:/usr/bin:/bin
mkdir -p "$far" objects
need_server sshd
python3 "$TEST_SOURCE/servers/lfs.py" "$PWD/objects" "$TEST_DIR/lfs" me:secret &
lfs=$!
for _ in $(seq 100); do [ ! -s "$TEST_DIR/lfs" ] || break; sleep 0.05; done
url=http://127.0.0.1:$(cat "$TEST_DIR/lfs")/x/info/lfs
export url GIT_SSH_COMMAND="ssh -F $SSH_CONFIG"

# answer TEXT [STATUS]: what the program says from now on; what it was asked stands in $far/asked.
answer() {
	printf '%s' "$1" >"$far/answer"
	printf '#!/bin/sh\necho "$@" >>%s/asked\ncat %s/answer\n[ %s = 0 ] || echo "go away" >&2\nexit %s\n' \
		"$far" "$far" "${2:-0}" "${2:-0}" >"$far/git-lfs-authenticate"
	chmod +x "$far/git-lfs-authenticate"
}
good() {
	answer "{\"href\": \"$url\", \"header\": {\"Authorization\": \"Basic $(printf me:secret | base64)\"}, \"expires_in\": 600}"
}
# make_repo NAME REMOTE: two pointers of Git LFS, of which only the server has the content.
make_repo() {
	git init -q "$1" && cd "$1" || return
	printf '*.bin filter=lfs diff=lfs merge=lfs -text\n' >.gitattributes
	for f in one two; do
		seq 5000 | sed "s/\$/ $f/" >../content
		oid=$(sha256sum <../content | cut -c1-64)
		mkdir -p "../objects/${oid:0:2}/${oid:2:2}" && cp ../content "../objects/${oid:0:2}/${oid:2:2}/$oid"
		printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %s\n' "$oid" \
			"$(stat -c %s ../content)" >$f.bin
	done
	git add . && git commit -qm lfs && git remote add origin "$2"
	"$DV" init -q && git add . && git commit -qm dv && rm -f "$far/asked" "$TEST_DIR/lfs.log"
}
export -f answer good make_repo

test_case 'the server and the login come by ssh://' '
	good && make_repo url "ssh://full/group/project.git"
	"$DV" import-lfs >../out 2>../err
	[ "$(cat "$far/asked")" = "group/project.git download" ]
	contains "$TEST_DIR/lfs.log" "POST /x/info/lfs/objects/batch login"
	"$DV" checkout && [ "$(head -n1 one.bin)" = "1 one" ] && [ "$(tail -n1 two.bin)" = "5000 two" ]
	lacks ../out "$(printf me:secret | base64)" && lacks ../err "$(printf me:secret | base64)"
	contains .gitattributes filter=dv && "$DV" fsck'
test_case 'and as scp writes it, with a name of a login' '
	good && make_repo scp "$(id -un)@full:~/my project.git"
	"$DV" import-lfs && grep -q "my project.git download" "$far/asked"
	"$DV" checkout && [ "$(head -n1 one.bin)" = "1 one" ]'
test_case 'settings of git name the ssh to use' '
	good && make_repo setting "ssh://full/p.git" && git config core.sshCommand "$GIT_SSH_COMMAND -o LogLevel=QUIET"
	unset GIT_SSH_COMMAND
	"$DV" import-lfs && "$DV" checkout && [ "$(head -n1 one.bin)" = "1 one" ]'
test_case 'an answer that cannot be used: told, and nothing changes' '
	make_repo bad "ssh://full/p.git"
	for text in "" "{" "[]" "{\"href\": 1}" "{\"href\": \"file:///etc/passwd\"}" "{\"href\": \"ssh://x/\"}" \
		"{\"href\": \"http://127.0.0.1:1/x\"}" "{\"href\": \"$url\"}" \
		"{\"href\": \"$url\", \"header\": {\"Authorization\": \"Basic wrong\"}}"; do
		answer "$text"
		must_fail 3 "$DV" import-lfs >../out 2>../err
		contains ../out "missing: one.bin" && contains .gitattributes filter=lfs
		[ -s ../err ]
	done
	answer "" 1
	must_fail 3 "$DV" import-lfs >../out 2>../err && contains ../err "go away"
	rm "$far/git-lfs-authenticate"
	must_fail 3 "$DV" import-lfs >../out 2>../err && contains ../err "git-lfs-authenticate"
	[ -z "$(git status --porcelain)" ]
	good && "$DV" import-lfs && contains .gitattributes filter=dv'
test_case 'an address that would be an option or a command is none' '
	good && make_repo hostile "ssh://full/x.git"
	for address in "ssh://-oProxyCommand=touch%20$PWD/owned/x" "-oProxyCommand=x:y" "ssh://full/a'"'"';touch owned;'"'"'"; do
		git config remote.origin.url "$address"
		must_fail 3 "$DV" import-lfs >../out 2>../err
	done
	[ ! -e owned ] && [ ! -e "$far/asked" ]'
done_testing
