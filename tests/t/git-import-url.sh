#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv import-url and dv update: data at a path, behind http, S3 and ssh.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"
trap 'stop_servers; test_cleanup' EXIT

export top=$PWD
git init -q ws && cd ws || exit 2
"$DV" init -q && git commit -qm init && printf 'out\nerr\ngood\nruns\n' >>.git/info/exclude
mkdir -p "$top/there/dir/sub"
printf one >"$top/there/My File.csv"
printf a >"$top/there/dir/A" && printf b >"$top/there/dir/sub/b c"
touch -d "2020-01-01 10:00:00" "$top/there/My File.csv" "$top/there/dir/A" "$top/there/dir/sub/b c"

test_case 'a file on this machine' '
	"$DV" import-url "../there/My File.csv" >out
	same "My File.csv" "$top/there/My File.csv"
	contains "My File.csv.dv" "../there/My File.csv"
	contains "My File.csv.dv" "mtime: 1577872800000000000"
	lacks "My File.csv.dv" "push: false"
	git commit -qm import
	"$DV" update >out && contains out "up to date"
	printf two >"$top/there/My File.csv"
	"$DV" update -q && [ "$(cat "My File.csv")" = two ]
	git commit -qm update
	"$DV" import-url -q "$top/there/My File.csv" other && [ "$(cat other)" = two ]
	"$DV" import-url -q "file://$top/there/dir/A" && [ "$(cat A)" = a ]
	must_fail 2 "$DV" import-url "$top/there/dir/A" 2>err && contains err "tracked already"
	must_fail 2 "$DV" import-url "$top/there/nothing" 2>err && [ ! -e nothing.dv ]
	must_fail 2 "$DV" update --rev main A 2>err || must_fail 129 "$DV" update --rev main A
	git add -A && git commit -qm more'

test_case 'a directory' '
	"$DV" import-url -q "$top/there/dir" && same dir "$top/there/dir"
	contains dir.dv "checksum: \"sha256:"
	"$DV" update dir >out && contains out "up to date"
	printf new >"$top/there/dir/sub/new" && rm "$top/there/dir/A"
	"$DV" update -q dir && same dir "$top/there/dir"
	printf mine >dir/sub/new && printf newer >"$top/there/dir/sub/new"
	must_fail 2 "$DV" update dir 2>err && contains err "changed here"
	"$DV" update -q -f dir && same dir "$top/there/dir"'

test_case 'without a download, then with one' '
	"$DV" import-url -q --no-download "$top/there/My File.csv" later && [ ! -e later ]
	lacks later.dv oid
	"$DV" status >out && lacks out later
	"$DV" update -q later && [ "$(cat later)" = two ] && contains later.dv oid
	"$DV" runs ls --json >runs && contains runs import'

test_case 'what it must not do' '
	must_fail 2 "$DV" import-url "http://u:p@127.0.0.1/x" 2>err && lacks err "u:p"
	must_fail 2 "$DV" import-url "ssh://-oProxyCommand=x/y/z" 2>err
	must_fail 2 "$DV" import-url "nonsense://x/y" 2>err && contains err "nonsense"
	contains err "dv-remote-"
	must_fail 2 "$DV" import-url "$top/there/dir/A" no/such/A 2>err
	contains err "there is no folder" && contains err "mkdir -p" && [ ! -e no ]
	must_fail 2 "$DV" import-url "$top/there/dir/A" no/ 2>err
	contains err "there is no folder" && [ ! -e no ] && [ ! -e no.dv ]
	mkdir -p "$top/there/bad/.git" && printf x >"$top/there/bad/.git/config"
	must_fail 2 "$DV" import-url -q "$top/there/bad" 2>err && contains err .git
	[ ! -e bad/.git ]'

if start_server nginx; then
test_case 'behind http: unchanged is not fetched again, changed is' '
	printf one >"$HTTP_WWW/data.csv"
	"$DV" import-url -q "$HTTP_URL/data.csv" && [ "$(cat data.csv)" = one ]
	contains data.csv.dv etag
	: >"$HTTP_LOG"
	"$DV" update data.csv >out && contains out "up to date"
	lacks "$HTTP_LOG" GET
	printf changed >"$HTTP_WWW/data.csv"
	"$DV" update -q data.csv && [ "$(cat data.csv)" = changed ]
	must_fail 2 "$DV" import-url "$HTTP_URL/none" 2>err && [ ! -e none.dv ]
	must_fail 2 "$DV" import-url "http://127.0.0.1:1/none" 2>err && [ ! -e none.dv ]
	rm "$HTTP_WWW/data.csv"
	must_fail 2 "$DV" update data.csv 2>err && [ "$(cat data.csv)" = changed ]'

test_case 'behind http: the name of the output' '
	printf one >"$HTTP_WWW/of two.csv"
	printf two >"$HTTP_WWW/50%.csv"
	"$DV" import-url -q "$HTTP_URL/of%20two.csv" && [ "$(cat "of two.csv")" = one ]
	must_fail 2 "$DV" import-url -q "$HTTP_URL/of two.csv" 2>err
	contains err "tracked already"
	"$DV" import-url -q "$HTTP_URL/of two.csv" blank && [ "$(cat blank)" = one ]
	touch -d 2020-01-01 "$HTTP_WWW/of two.csv"
	"$DV" update blank
	"$DV" import-url -q "$HTTP_URL/50%25.csv?a=1#b" && [ "$(cat "50%.csv")" = two ]
	for url in "$HTTP_URL" "$HTTP_URL/" "$HTTP_URL/sub/"; do
		must_fail 129 "$DV" import-url "$url" 2>err
		contains err "names no file"
		contains err "dv import-url URL PATH"
	done'
fi

if start_server sshd; then
test_case 'behind ssh' '
	"$DV" remote add --no-probe --local far "ssh://full$top/there"
	"$DV" config --local remote.far.sshcommand "ssh -F $SSH_CONFIG"
	"$DV" import-url -q "remote://far/My File.csv" s && [ "$(cat s)" = two ]
	"$DV" import-url -q "ssh://full$top/there/dir" sdir && same sdir "$top/there/dir"
	"$DV" update s sdir >out && contains out "up to date"
	printf three >"$top/there/My File.csv"
	"$DV" update -q s && [ "$(cat s)" = three ]'
fi

if start_server radosgw; then
test_case 'behind S3' '
	s3 make urls
	s3 put urls "raw/My File" <"$top/there/My File.csv"
	s3 put urls raw/sub/x <"$top/there/dir/sub/new"
	"$DV" remote add --no-probe --local bucket s3://urls
	for k in $(s3_settings | tr ";" " "); do
		"$DV" remote modify --local bucket "${k%%=*}" "${k#*=}"
	done
	"$DV" import-url -q "remote://bucket/raw/My File" r && [ "$(cat r)" = three ]
	contains r.dv etag
	"$DV" import-url -q s3://urls/raw && [ "$(cat "raw/My File")" = three ] && [ -e raw/sub/x ]
	"$DV" update r raw >out && contains out "up to date"
	printf four >f && s3 put urls "raw/My File" <f
	"$DV" update -q r raw && [ "$(cat r)" = four ] && [ "$(cat "raw/My File")" = four ]'
fi

done_testing
