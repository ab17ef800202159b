#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Remotes on web servers: read from a plain folder of files, with logins, through redirects, and
# without parts of files; no secret goes where it does not belong.
. "${0%/*}/lib.sh"
. "$TEST_SOURCE/servers/use.sh"
trap 'stop_servers; test_cleanup' EXIT

export top=$PWD
git init -q --template= origin
cd origin || exit 2
dv init -q
mkdir -p data/sub
seq 60000 >data/a
echo b >data/sub/b
head -c 3000000 /dev/urandom >data/c
: >data/empty
dv add -q data
git add -A
git commit -qm one
cd ..

# clone_at URL: a fresh clone in $top/clone with the remote 'web' of the user's own settings.
clone_at() {
	cd "$top"
	rm -rf clone
	git clone -q "$top/origin" "$top/clone"
	cd "$top/clone"
	dv remote add -q -d --no-probe --local web "$1"
}

# A server without parts of files, as comes with Python.
export www=$top/www
mkdir "$www"
(cd origin && dv remote add -q --local folder "$www/store" && dv push -q -r folder)
python3 - "$www" >"$top/port" 2>/dev/null <<'PY' &
import http.server, sys, functools
class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
handler = functools.partial(Quiet, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
server.serve_forever()
PY
plain=$!
trap 'kill $plain; stop_servers; test_cleanup' EXIT
for _ in $(seq 100); do [ ! -s "$top/port" ] || break; sleep 0.05; done
PLAIN=http://127.0.0.1:$(cat "$top/port")/store
export PLAIN

test_case 'a server that gives out whole files only' '
	clone_at "$PLAIN"
	dv pull -q 2>err
	same data ../origin/data
	dv status -q --remote
	rm -rf data .git/dv/cache
	dv pull -q data/sub/b 2>err
	[ "$(cat data/sub/b)" = b ]'

test_case 'a web server cannot be pushed to' '
	clone_at "$PLAIN"
	dv pull -q
	dv push -q
	echo new >data/new
	dv add -q data
	must_fail 2 dv push 2>err
	contains err "error: remote '"'web'"' can only be read"
	contains err "hint: "
	lacks err PUT'

test_case 'new entries of the log are found without a list' '
	clone_at "$PLAIN"
	dv pull -q
	cd ../origin
	for i in 1 2 3 4 5 6 7 8 9; do
		echo "$i" >data/more
		dv add -q data
		dv push -q -r folder
	done
	git commit -qam more
	cd ../clone
	git pull -q
	dv pull -q
	same data ../origin/data
	clone_at "$PLAIN"
	dv pull -q
	same data ../origin/data'

test_case 'what is not there, and what is no URL' '
	clone_at "${PLAIN%/store}/nothing"
	must_fail 2 dv pull 2>err
	contains err "error:"
	for url in "http://-x/y" "http://-oProxyCommand=x/" "https://u@-x/y"; do
		clone_at "$url" || continue
		must_fail 2 dv pull 2>err
		contains err "begins with"
	done
	for url in http:// http:///x http://h:port/x "http://h/x?q=1" "http://h/x#y" "http://h:/x"; do
		clone_at "$url" || continue
		must_fail 129 dv pull 2>err || must_fail 2 dv pull 2>err
		contains err "the URL of the remote"
	done'

start_server nginx || done_testing
cp -r "$www/store" "$HTTP_WWW/store"

test_case 'ranges, over http and https' '
	clone_at "$HTTP_URL/store"
	: >"$HTTP_LOG"
	dv pull -q data/sub/b
	[ "$(cat data/sub/b)" = b ]
	dv pull -q
	same data ../origin/data
	clone_at "$HTTPS_URL/store/"
	must_fail 2 dv pull 2>err
	contains err "not to be trusted"
	contains err "hint: "
	dv remote modify --local web cafile "$HTTPS_CA"
	dv pull -q
	same data ../origin/data
	clone_at "$HTTPS_URL/store"
	dv remote modify --local web insecure true
	dv pull -q
	same data ../origin/data'

test_case 'a look at a remote that did not change costs three requests' '
	clone_at "$HTTP_URL/store"
	dv pull -q
	: >"$HTTP_LOG"
	dv status -q --remote
	[ "$(wc -l <"$HTTP_LOG")" -le 3 ]
	cat "$HTTP_LOG"'

test_case 'no parts of files, from nginx' '
	clone_at "$HTTP_URL/norange/store"
	dv pull -q data/sub/b 2>err
	contains err "warning: "
	contains err "parts of files"
	[ "$(grep -c warning err)" = 1 ]
	dv pull -q
	same data ../origin/data'

test_case 'basic: without a login, with a wrong one, by netrc' '
	clone_at "$HTTP_URL/basic/store"
	must_fail 2 dv pull 2>err || must_fail 4 dv pull 2>err
	contains err "HTTP 401"
	contains err "auth"
	contains err ".netrc"
	dv remote modify --local web auth basic
	refused dv pull 2>err
	contains err "there is no login for '"'127.0.0.1'"'"
	printf "machine other login dv password no\nmachine 127.0.0.1\n\tlogin dv password wrongsecret\n" >~/.netrc
	refused dv pull 2>err
	contains err "HTTP 401"
	lacks err wrongsecret
	printf "machine 127.0.0.1 login dv password \"%s\"\n" "$HTTP_PASSWORD" >~/.netrc
	dv pull -q
	same data ../origin/data
	mv ~/.netrc mine
	clone_at "$HTTP_URL/basic/store"
	cp ../clone/mine . 2>/dev/null || printf "default login dv password %s\n" "$HTTP_PASSWORD" >mine
	dv remote modify --local web netrc "$PWD/mine"
	dv pull -q
	same data ../origin/data'

test_case 'basic and bearer by a credential helper' '
	cat >"$top/helper" <<-END
		#!/bin/sh
		cat >"$top/asked"
		echo "username=\$1"
		echo "password=\$2"
	END
	chmod +x "$top/helper"
	clone_at "$HTTP_URL/basic/store"
	dv remote modify --local web credentialhelper "\"$top/helper\" dv '"'$HTTP_PASSWORD'"'"
	dv pull -q
	same data ../origin/data
	contains ../asked "protocol=http"
	contains ../asked "host=127.0.0.1:$HTTP_PORT"
	clone_at "$HTTP_URL/bearer/store"
	dv remote modify --local web auth bearer
	dv remote modify --local web credentialhelper "$top/helper x $HTTP_TOKEN"
	dv pull -q
	same data ../origin/data
	dv remote modify --local web credentialhelper "sh -c \"echo no luck >&2; exit 3\""
	refused dv pull -A 2>err || refused dv status --remote 2>err
	contains err "status 3: no luck"
	dv remote modify --local web credentialhelper "$top/nowhere"
	refused dv status --remote 2>err
	contains err "credentialhelper"'

test_case 'headers of the user' '
	clone_at "$HTTP_URL/header/store"
	refused dv pull 2>err
	contains err "HTTP 403"
	dv remote modify --local web header "$(printf "X-One: 1\nX-Dataset-Key: %s" "$HTTP_TOKEN")"
	dv pull -q
	same data ../origin/data
	for bad in "no header" "Host: x" ": x" "Range: bytes=1-2"; do
		dv remote modify --local web header "$bad"
		refused dv status --remote 2>err
		contains err "header"
	done'

test_case 'redirects: followed, and without credentials to another host' '
	clone_at "$HTTP_URL/moved/store"
	dv pull -q
	same data ../origin/data
	clone_at "$HTTP_URL/away/store"
	printf "machine 127.0.0.1 login dv password %s\n" "$HTTP_PASSWORD" >~/.netrc
	dv remote modify --local web auth basic
	dv remote modify --local web header "X-Dataset-Key: $HTTP_TOKEN"
	: >"$HTTP_LOG"
	: >"$HTTP_OTHER_LOG"
	dv pull -q
	same data ../origin/data
	rm ~/.netrc
	grep -q "/away/store.*Basic" "$HTTP_LOG"
	grep -q "store" "$HTTP_OTHER_LOG"
	lacks "$HTTP_OTHER_LOG" Basic
	lacks "$HTTP_OTHER_LOG" "$HTTP_TOKEN"'

test_case 'an address of a committed file gets no secret that is not for its host' '
	clone_at "$HTTP_URL/header/store"
	dv remote remove --local web 2>/dev/null
	dv remote add -q -d --no-probe web "$HTTP_URL/header/store"
	dv remote modify --local web header "X-Dataset-Key: $HTTP_TOKEN"
	: >"$HTTP_LOG"
	refused dv pull 2>err
	contains err "'"'header'"' is not sent"
	contains err "--local web url"
	lacks err "$HTTP_TOKEN"
	lacks "$HTTP_LOG" "$HTTP_TOKEN"
	dv remote modify --local web url "$HTTP_URL/header/store"
	dv pull -q
	same data ../origin/data
	dv remote modify --local --unset web url
	dv remote modify web url "$HTTP_URL/basic/store"
	printf "default login dv password %s\n" "$HTTP_PASSWORD" >~/.netrc
	dv remote modify --local web auth basic
	: >"$HTTP_LOG"
	refused dv status --remote 2>err
	contains err "there is no login"
	lacks "$HTTP_LOG" Basic
	dv remote modify --local web url "$HTTP_URL/basic/store"
	dv status --remote
	rm ~/.netrc
	dv remote modify --local --unset web url
	dv remote modify web url "http://example.invalid/store"
	printf "machine example.invalid login dv password x\n" >~/.netrc
	refused dv status --remote 2>err
	contains err "without encryption"
	rm ~/.netrc'

test_case 'a server in trouble is asked again' '
	clone_at "$HTTP_URL/error/store"
	: >"$HTTP_LOG"
	must_fail 130 timeout --preserve-status -s INT 4 dv pull 2>err
	contains err "HTTP 503"
	[ "$(grep -c "dv-store.json 503" "$HTTP_LOG")" -ge 2 ]'

done_testing
