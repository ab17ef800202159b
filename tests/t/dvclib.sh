# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Repositories of DVC's, made by hand after its formats; sourced after lib.sh.

md5() {
	md5sum <"$1" | cut -c1-32
}
export -f md5

# put CACHE FILE: the file goes into a cache of DVC 3, or with OLDER set of DVC 2; prints its MD5.
put() {
	local sum=${3:-$(md5 "$2")} place
	place=$1/files/md5/${sum:0:2}
	[ -z "${OLDER:-}" ] || place=$1/${sum:0:2}
	mkdir -p "$place"
	cp "$2" "$place/${sum:2}"
	chmod 444 "$place/${sum:2}"
	echo "${sum%.dir}"
}
export -f put

# make_repo DIR: a git repository with a file and a directory in DVC's cache.
make_repo() {
	local file_sum dir_sum a b
	git init -q "$1"
	mkdir -p "$1/.dvc" "$1/data/sub"
	printf '/config.local\n/tmp\n/cache\n' >"$1/.dvc/.gitignore"
	printf "[core]\n    remote = st\n    autostage = true\n['remote \"st\"']\n    url = ../../store\n" >"$1/.dvc/config"
	seq 1 5000 >"$1/data/a.txt"
	printf 'x\r\ny\r\n' >"$1/data/sub/crlf.txt"
	head -c 5000000 /dev/urandom >"$1/big.bin"
	printf '/data\n/big.bin\n' >"$1/.gitignore"
	local c=$1/.dvc/cache
	file_sum=$(put "$c" "$1/big.bin")
	a=$(put "$c" "$1/data/a.txt")
	if [ -n "${OLDER:-}" ]; then
		b=$(printf 'x\ny\n' | md5sum | cut -c1-32)
		put "$c" "$1/data/sub/crlf.txt" "$b" >/dev/null
	else
		b=$(put "$c" "$1/data/sub/crlf.txt")
	fi
	printf '[{"md5": "%s", "relpath": "a.txt"}, {"md5": "%s", "relpath": "sub/crlf.txt"}]' \
		"$a" "$b" >"$1/listing"
	dir_sum=$(md5 "$1/listing")
	put "$c" "$1/listing" "$dir_sum.dir" >/dev/null
	rm "$1/listing"
	local hash='  hash: md5
'
	[ -z "${OLDER:-}" ] || hash=
	printf 'outs:\n- md5: %s\n  size: 5000000\n%s  path: big.bin\n' "$file_sum" "$hash" >"$1/big.bin.dvc"
	printf 'outs:\n- md5: %s.dir\n  size: 1\n  nfiles: 2\n%s  path: data\n  desc: "two: files"\nmeta:\n  who: {a: 1}\n' \
		"$dir_sum" "$hash" >"$1/data.dvc"
	git -C "$1" add -A
	git -C "$1" commit -qm dvc
}
export -f make_repo

# to_store REPO STORE: what DVC's push would do.
to_store() {
	mkdir -p "$2"
	cp -r "$1/.dvc/cache/." "$2/"
}
export -f to_store
