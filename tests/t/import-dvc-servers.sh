# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
# dv import-dvc fetches what DVC's cache lacks from DVC's remote in a bucket and behind SSH, in both
# layouts; by the real dvc, too, where it is installed with what it needs for these.
. "${0%/*}/lib.sh"
. "$TEST_SOURCE/t/dvclib.sh"
. "$TEST_SOURCE/servers/use.sh"
trap 'stop_servers; test_cleanup' EXIT

start_server radosgw && [ -n "$S3_ENDPOINT" ] && s3 make bucket
start_server sshd
# The one that DVC, git and dv find by that name.
mkdir -p "$TEST_DIR/bin"
real=$(command -v ssh)
printf '#!/bin/sh\nexec %s -F %s "$@"\n' "$real" "${SSH_CONFIG:-/dev/null}" >"$TEST_DIR/bin/ssh"
chmod +x "$TEST_DIR/bin/ssh"
# DVC's own client reads these settings.
[ -z "${SSH_CONFIG:-}" ] || { mkdir -m 700 "$HOME/.ssh" && cp "$SSH_CONFIG" "$HOME/.ssh/config"; }
export PATH=$TEST_DIR/bin:$PATH DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR=$TEST_DIR/site

# settings WHERE: DVC's remote of that kind.
settings() {
	printf "[core]\n    remote = st\n['remote \"st\"']\n"
	case $1 in
	s3) printf '    url = s3://bucket/%s\n    endpointurl = %s\n    region = %s\n' \
		"$2" "$S3_ENDPOINT" "$S3_REGION" ;;
	ssh) printf '    url = ssh://full%s/%s\n' "$SSH_HOME" "$2" ;;
	esac
}
# carry STORE WHERE PLACE: what DVC's push would leave there.
carry() {
	case $2 in
	s3) (cd "$1" && find . -type f | sed 's|^\./||' | while read -r f; do
		s3 put bucket "$3/$f" <"$f"
	done) ;;
	ssh) mkdir -p "$SSH_HOME/$3" && cp -r "$1/." "$SSH_HOME/$3/" ;;
	esac
}
export -f settings carry s3

# import WHERE: of each layout, by content that is there, that is damaged and that is missing.
import() {
	local older
	for older in "" 1; do
		export OLDER=$older
		place=$1-layout$older
		rm -rf from store cache && make_repo from && cd from
		settings "$1" "$place" >.dvc/config
		[ "$1" != s3 ] || printf "['remote \"st\"']\n    access_key_id = %s\n    secret_access_key = %s\n" \
			"$S3_ACCESS_KEY" "$S3_SECRET_KEY" >.dvc/config.local
		mkdir many && for i in $(seq 60); do echo "$i" >"many/$i"; done
		(cd many && for i in $(seq 60); do put ../.dvc/cache "$i" | sed "s|.*|{\"md5\": \"&\", \"relpath\": \"$i\"}|"; done |
			paste -sd, | sed "s/.*/[&]/" | tr -d "\n" >../listing)
		sum=$(md5 listing) && put .dvc/cache listing "$sum.dir" >/dev/null && rm listing
		printf "outs:\n- md5: %s.dir\n  %spath: many\n" "$sum" "$([ -n "$older" ] || printf "hash: md5\n  ")" >many.dvc
		echo /many >>.gitignore && git add -A && git commit -qm many
		cp -r data big.bin many ..
		mv .dvc/cache ../cache && rm -rf data big.bin many
		# One is missing, one damaged: their outputs wait, and the others come.
		one=$(cd ../cache && find . -type f -size +1000k) two=$(md5 ../many/7)
		two=$(cd ../cache && find . -path "*${two:0:2}/${two:2}")
		mv "../cache/$one" ../one && mv "../cache/$two" ../two
		mkdir -p ../cache/"${two%/*}" && chmod u+w ../cache/"${two%/*}" && echo damaged >"../cache/$two"
		carry ../cache "$1" "$place"
		must_fail 3 "$DV" import-dvc >../out 2>../err
		contains ../out "missing: big.bin"
		contains ../out "missing: many/7"
		contains ../err damaged
		[ -e data.dv ] && [ ! -e big.bin.dv ] && [ ! -e many.dv ]
		# Then they are there.
		chmod u+w ../one ../two && mkdir -p ../rest/"${one%/*}" ../rest/"${two%/*}"
		mv ../one "../rest/$one" && mv ../two "../rest/$two"
		[ "$1" != ssh ] || chmod -R u+w "$SSH_HOME/$place"
		carry ../rest "$1" "$place" && rm -rf ../rest
		"$DV" import-dvc >../out
		"$DV" checkout
		same data ../data && same big.bin ../big.bin && same many ../many
		"$DV" fsck && "$DV" status -q
		cd .. && rm -rf data big.bin many
	done
}
export -f import

if [ -n "${S3_ENDPOINT:-}" ]; then
	test_case 'from a bucket' 'import s3'
	test_case 'a server that is not there: told, and nothing is half done' '
		make_repo away && cd away && settings s3 nowhere >.dvc/config && rm -rf data big.bin .dvc/cache
		sed -i "s|endpointurl = .*|endpointurl = http://127.0.0.1:1|" .dvc/config
		AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b refused "$DV" import-dvc >../out 2>../err
		grep -qi "127.0.0.1\|connect" ../err
		[ ! -e data.dv ] && [ ! -e big.bin.dv ] && [ -e data.dvc ]'
fi
if [ -n "${SSH_CONFIG:-}" ]; then
	test_case 'behind SSH' 'import ssh'
fi

# by_dvc WHERE: pushed by the real one.
by_dvc() {
	rm -rf real realdata && git init -q real && cd real && dvc init -q
	settings "$1" "real-$1" >.dvc/config
	if [ "$1" = s3 ]; then
		export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY
	fi
	mkdir -p data/sub && seq 100 >"data/sub/ä b" && seq 3 >data/b && head -c 3000000 /dev/urandom >large
	dvc add -q data large && dvc push -q && git add -A && git commit -qm dvc
	cp -r data ../realdata && cp large ../ && rm -rf .dvc/cache data large
	"$DV" import-dvc >../out && "$DV" checkout && same data ../realdata && same large ../large
	"$DV" status -q
}
export -f by_dvc
for way in s3 ssh; do
	case $way in s3) there=${S3_ENDPOINT:-} ;; ssh) there=${SSH_CONFIG:-} ;; esac
	[ -n "$there" ] || continue
	if dvc version 2>/dev/null | grep -A20 Supports | grep -q "$way"; then
		test_case "pushed by the real dvc: $way" "by_dvc $way"
	else
		echo "# SKIPPED: what needs dvc with $way"
	fi
done

done_testing
