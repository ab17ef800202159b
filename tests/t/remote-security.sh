#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# What a committed .dv/config may not do, addresses that are traps, and secrets that are not shown.
. "${0%/*}/lib.sh"

export top=$PWD AWS_EC2_METADATA_DISABLED=true
git init -q --template= origin
cd origin || exit 2
dv init -q
seq 1000 >data
dv add -q data
git add -A
git commit -qm one
cp .dv/config "$top/config"
cd ..

# Programs that say that they were started.
cat >started <<-END
	#!/bin/sh
	echo "\$0 \$*" >>$top/marker
	exit 1
END
chmod +x started

# A server that lets nobody in, and an ssh that gets nowhere: what fails for good is not tried again.
python3 - >port <<-END &
	import http.server
	class No(http.server.BaseHTTPRequestHandler):
	    def do_GET(self):
	        self.send_response(403)
	        self.send_header("Content-Length", "0")
	        self.end_headers()
	    do_HEAD = do_PUT = do_POST = do_GET
	    def log_message(self, *_):
	        pass
	server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), No)
	print(server.server_port, flush=True)
	server.serve_forever()
END
no=$!
trap 'kill $no; test_cleanup' EXIT
mkdir bin
printf '#!/bin/sh\necho "Permission denied (publickey)." >&2\nexit 255\n' >bin/ssh
chmod +x bin/ssh
PATH=$top/bin:$PATH
for _ in $(seq 100); do [ ! -s port ] || break; sleep 0.05; done
host=127.0.0.1:$(cat port)
export host own="sshcommand keyfile credentialprocess credentialhelper credentialpath configpath netrc
	clientcert clientkey cafile insecure header accesskeyid secretaccesskey sessiontoken"

# committed TEXT: a fresh clone whose committed settings end with TEXT.
committed() {
	cd "$top"
	rm -rf clone marker
	git clone -q origin clone
	cd clone
	printf "%s\n" "$1" >>.dv/config
	git commit -qam settings
}

# quiet_marker: no program was started.
quiet_marker() {
	[ ! -e "$top/marker" ] || { cat "$top/marker"; return 1; }
}

value_for() {
	case $1 in
	insecure) echo true ;;
	header) echo "X-Y: hush" ;;
	*) echo "$top/started" ;;
	esac
}

test_case 'settings that belong to the user are ignored in a committed file, with a warning' '
	for url in ssh://$host/x s3://bucket/x http://$host/x; do
		committed "[remote \"r\"]
			url = $url
			auth = basic
			endpointurl = http://$host
		[core]
			remote = r
		[remote \"r\"]"
		for key in $own; do
			printf "\t%s = \"%s\"\n" "$key" "$(value_for "$key")" >>.dv/config
		done
		refused dv push 2>err
		quiet_marker
		dv config --list >list 2>/dev/null
		for key in $own; do
			contains err "'"'remote.r.\$key'"'"
			contains err "dv config --local remote.r.$key"
			lacks list "remote.r.$key"
		done
		lacks err hush
	done'

test_case 'they are not written there either' '
	committed "[remote \"r\"]
		url = s3://bucket/x"
	cp .dv/config ../before
	for key in $own; do
		refused dv remote modify r "$key" "$(value_for "$key")" 2>err
		contains err "error:"
		contains err "'"'remote.r.\$key'"'"
		contains err "hint: use '"'--local'"'"
		lacks err hush
		same .dv/config ../before
		dv remote modify --local r "$key" "$(value_for "$key")"
	done
	dv remote modify --global r sshcommand "$top/started"
	dv config --list >list
	for key in $own; do
		contains list "remote.r.$key="
	done
	dv remote modify --global --unset r sshcommand
	refused dv config cache.dir /x 2>err
	contains err "--local"'

test_case 'addresses that programs could take for options' '
	for url in ssh://-oProxyCommand=touch\$IFS$top/marker/x "ssh://-oProxyCommand=x@h/y" \
		"ssh://u@-oProxyCommand=x/y" s3://-bucket/x http://-h/x https://-h/x https://u@-h/x \
		-x "-oProxyCommand=x:y" "u@-h:x"; do
		committed "[remote \"r\"]
			url = $url
		[core]
			remote = r"
		refused dv push 2>err </dev/null
		contains err "error: "
		quiet_marker
	done'

test_case 'a password in a URL is refused, and shown nowhere' '
	for url in ssh://u:hush@h/x http://u:hush@h/x s3://u:hush@b/x \
		https://u:hu/sh@127.0.0.1:1/x https://:hush@h/x other://u:hush@h/x \
		"https://h/x?sig=hush"; do
		committed "[remote \"r\"]
			url = \"$url\"
		[core]
			remote = r"
		{
			dv remote list
			dv remote list --json
			dv remote default --json
			dv config --list
			dv config remote.r.url --json
			dv doctor || :
		} >out 2>&1
		lacks out hush
		lacks out hu/sh
		contains out "***"
		refused dv push 2>err
		refused dv pull 2>>err
		contains err "error: "
		lacks err hush
		lacks err hu/sh
		dv remote modify r url s3://bucket/x
		[ "$(dv config remote.r.url)" = s3://bucket/x ]
		case $url in
		*\?*) continue ;;
		esac
		refused dv remote add n "$url" 2>err
		contains err "password"
		refused dv remote modify --local r url "$url" 2>>err
		refused dv config --global remote.n.url "$url" 2>>err
		lacks err hush
	done
	refused dv remote modify r endpointurl http://u:hush@h 2>err
	contains err "password"
	lacks err hush'

test_case 'a token that stands for the user in a URL is shown nowhere' '
	export DV_REMOTE_FAULT=quick
	for url in https://HUSH@127.0.0.1:1/x http://HUSH@$host/x HTTPS://HUSH@127.0.0.1:1/x \
		demo://HUSH@h/x "http://$host/x#HUSH" https://HUSH%3Ax@127.0.0.1:1/x; do
		committed ""
		{
			dv remote add -d n "$url" || dv config --local remote.n.url "$url" ||
				printf "[remote \"n\"]\n\turl = \"%s\"\n[core]\n\tremote = n\n" "$url" \
					>>.dv/config
			for json in "" --json; do
				dv remote list $json
				dv remote default $json || :
				dv config --list $json
				dv config remote.n.url $json
				dv doctor $json || :
				! dv push $json || false
				! dv pull $json || false
				! dv status --remote $json || false
				! dv fsck --remote $json || false
				! dv gc --remote --dry $json || false
			done
			# Where a name is due.
			! dv remote add "$url" n || false
			! dv push -r "$url" || false
			! dv pull --remote="$url" || false
			! dv remote modify "$url" url x || false
			! dv remote modify n jobs "$url" || false
			! dv remote remove "$url" || false
		} >out 2>&1
		! grep -n HUSH out || false
		contains out "***"
		! grep -rl HUSH .git/dv/cache .git/dv/remotes || false
	done'

test_case 'a key in an S3 URL is refused, and shown nowhere' '
	for url in s3://AKIAHUSH@bucket/x S3://AKIAHUSH@bucket; do
		committed "[remote \"r\"]
			url = \"$url\"
		[core]
			remote = r"
		refused dv push 2>err
		contains err "a key in it"
		refused dv remote add n "$url" 2>>err
		refused dv remote add --local n "$url" 2>>err
		dv remote list >>err
		lacks err HUSH
	done
	refused dv remote modify r endpointurl "https://HUSH@h" 2>err
	lacks err HUSH'

test_case 'nothing that may be a secret goes into the file that is committed' '
	committed ""
	cp .dv/config ../before
	for url in https://HUSH@h/x http://HUSH@h/x "https://h/x?sig=HUSH" https://u:HUSH@h/x \
		s3://HUSH@b/x ssh://u:HUSH@h/x; do
		refused dv remote add --no-probe n "$url" 2>err
		lacks err HUSH
		refused dv config remote.n.url "$url" 2>err
		lacks err HUSH
		refused dv config --repo remote.n.endpointurl "$url" 2>err
		lacks err HUSH
		same .dv/config ../before
	done
	dv remote add --no-probe --local n https://HUSH@h/x
	same .dv/config ../before
	contains .git/dv/config HUSH
	for key in $own; do
		refused dv config "remote.n.$key" "$(value_for "$key")" 2>err
		refused dv config --repo "remote.n.$key" "$(value_for "$key")" 2>>err
		lacks err hush
	done
	for key in password token secret; do
		refused dv config "remote.n.$key" HUSH 2>err
		lacks err HUSH
	done
	same .dv/config ../before'

test_case 'accounts are shown, and odd paths left alone' '
	committed ""
	i=0
	for url in ssh://me@h/x s3://bucket/a@b https://h:8080/a:b@c me@h:x /a:b@c ../x@y:z; do
		i=$((i + 1))
		dv remote add --no-probe "r$i" -- "$url" 2>/dev/null
		dv remote list >out
		contains out "$url"
	done'

test_case 'keys and tokens are in no output, no mirror and no store' '
	committed "[remote \"r\"]
		url = s3://bucket/x
		endpointurl = http://$host
	[core]
		remote = r"
	dv remote modify --local r accesskeyid AKID
	dv remote modify --local r secretaccesskey HUSH1
	dv remote modify --local r sessiontoken HUSH2
	dv remote modify --local r header "X-A: HUSH3"
	dv remote add -q --no-probe --local web "http://$host/x"
	dv remote modify --local web header "X-A: HUSH4"
	dv remote modify --local web auth bearer
	printf "machine 127.0.0.1 login u password HUSH5\n" >~/.netrc
	dv remote add -q --local folder ../shelf
	dv remote modify --local folder sessiontoken HUSH6
	{
		for json in "" --json; do
			dv remote list $json
			dv config --list $json
			for key in secretaccesskey sessiontoken header; do
				dv config "remote.r.$key" $json
			done
			dv config --show-origin --list
			for r in r web folder; do
				dv status --remote="$r" $json || dv status --remote -r "$r" $json || :
				dv push -r "$r" $json || :
				dv fetch -r "$r" $json || :
			done
			dv doctor $json || :
		done
		dv remote modify --local r secretaccesskey "" || :
	} >out 2>&1
	! grep -n HUSH out || false
	contains out "remote.r.secretaccesskey=***"
	contains out "remote.r.accesskeyid=AKID"
	mv .git/dv/config ../local
	! grep -rl HUSH .git/dv ../shelf || false
	rm ~/.netrc'

done_testing
