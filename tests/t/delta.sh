# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Versions of a table are kept as deltas: small, whole, and with the same names as without.

. "$(dirname "$0")/lib.sh"

export remote=$TEST_DIR/remote V=$TEST_DIR/versions

# Version N of a table of 30,000 rows: one row in 64 changes, and some are new.
version() {
	awk -v v="$1" 'BEGIN {
		for (i = 0; i < 30000; i++) {
			last = v - ((v - i * 37 % 64 + 64) % 64)
			printf "%d,%d,%d,place %d\n", i, i * 7919 % 100003, last, i * 31 % 977
			if (i % 997 == v)
				printf "%d.5,new in version %d\n", i, v
		}
	}'
}
size() { find "$1" -type f -exec cat {} + | wc -c; }
oid_of() { sed -n 's/.*oid: sha256:\([0-9a-f]*\).*/\1/p' "$1"; }
export -f version size oid_of

mkdir "$V" with without
for v in 1 2 3 4 5 6 7 8 9 10 11 12; do version "$v" >"$V/$v"; done
for d in with without; do
	git -C "$d" init -q
	"$DV" -C "$d" init -q
	git -C "$d" add -A
	git -C "$d" commit -q -m start
done
"$DV" -C without config --local cache.delta false

test_case 'versions are added one after the other' '
	for v in 1 2 3 4 5 6 7 8 9 10 11 12; do
		for d in with without; do
			cp "$V/$v" $d/table.csv
			"$DV" -C $d add -q -m "version $v" table.csv
			git -C $d tag "v$v"
		done
	done'

test_case 'the pointers are the same with deltas and without' '
	for v in 1 5 12; do
		git -C with show "v$v:table.csv.dv" >a
		git -C without show "v$v:table.csv.dv" >b
		cmp a b
		[ "$(oid_of a)" = "$(sha256sum "$V/$v" | cut -c-64)" ]
	done'

test_case 'deltas take a fraction of the room' '
	[ $(($(size with/.git/dv/cache) * 3)) -lt "$(size without/.git/dv/cache)" ]
	"$DV" -C with show --json "$(oid_of with/table.csv.dv)" >json
	grep -q "\"deltas\": [1-9]" json
	"$DV" -C without show --json "$(oid_of without/table.csv.dv)" >json
	contains json "\"deltas\": 0"'

test_case 'every version comes back' '
	for v in 12 1 7 3 11; do
		"$DV" -C with checkout -q -f --rev "v$v" table.csv
		same with/table.csv "$V/$v"
	done
	git -C with checkout -q -f v12
	"$DV" -C with checkout -q -f
	"$DV" -C with fsck'

test_case 'a clone gets whole versions from the remote' '
	"$DV" -C with remote add -q -d store "$remote"
	git -C with add -A
	git -C with commit -q -m remote
	"$DV" -C with push -q --all-commits
	git clone -q with clone
	"$DV" -C clone pull -q
	same clone/table.csv "$V/12"
	git -C clone checkout -q v4
	cp with/.dv/config clone/.dv/config
	"$DV" -C clone pull -q
	same clone/table.csv "$V/4"
	"$DV" -C clone fsck
	"$DV" -C clone fsck --full -r store'

test_case 'a collection keeps what deltas build on' '
	rm -rf one
	cp -R with one
	cd one
	git checkout -q --orphan fresh
	git rm -q --cached -r .
	git add -A
	git commit -q -m fresh
	git branch -q -D "$(git branch --format="%(refname:short)" | grep -v fresh)"
	git tag -d $(git tag) >/dev/null
	git reflog expire --expire=all --expire-unreachable=now --all
	"$DV" gc -q -w
	"$DV" fsck
	rm table.csv
	"$DV" checkout -q
	same table.csv "$V/12"'

test_case 'without deltas the next version is stored by itself, and still comes back' '
	cd with
	"$DV" config --local cache.delta false
	version 13 >table.csv
	"$DV" add -q table.csv
	"$DV" show --json "$(oid_of table.csv.dv)" >json
	cp table.csv ../thirteen
	rm table.csv
	"$DV" checkout -q
	same table.csv ../thirteen
	"$DV" fsck'

test_case 'du tells where the room goes' '
	cd with
	"$DV" du >out
	contains out "table.csv"
	contains out "by deltas"
	"$DV" du -a --json >json
	grep -q "\"versions\": 1[0-9]" json
	"$DV" du v3 table.csv >out
	contains out "table.csv"
	"$DV" du --json v3 >json
	contains json "\"logical\": $(wc -c <"$V/3"),"
	"$DV" du -b table.csv >out
	contains out "$(wc -c <table.csv | sed "s/\(...\)\$/,\1/; s/\(...\),/,\1,/; s/^,//")"
	must_fail 2 "$DV" du nothing 2>err
	contains err "neither tracked nor a revision"
	must_fail 129 "$DV" du -a v3 table.csv'

test_case 'du counts what two outputs share' '
	mkdir shared
	cd shared
	git init -q
	"$DV" init -q
	mkdir d
	cp "$V/1" a
	cp "$V/1" d/b
	cp "$V/9" d/c
	"$DV" add -q a d
	"$DV" du --json >json
	python3 - <<-END
	import json
	rows = {r["path"]: r for r in json.load(open("json"))}
	a, d, total = rows["a"], rows["d"], rows[None]
	assert a["shared"] == a["stored"] > 0, a
	assert d["stored"] > d["shared"] == a["stored"], d
	assert total["stored"] == d["stored"], total
	assert total["logical"] == a["logical"] + d["logical"], total
	assert total["saved"]["sharing"] >= a["logical"], total
	assert total["missing"] == 0 and d["files"] == 2, total
	END
	"$DV" du d/b >out
	contains out d/b
	must_fail 2 "$DV" du d/z'

test_case 'show names an object by a few digits' '
	cd shared
	id=$(sha256sum a | cut -c-64)
	"$DV" show "$id" >out
	contains out "kind    file"
	"$DV" show "sha256:${id%????????????????????????????????????????}" >short
	cmp out short
	"$DV" show -c "$id" >out
	[ "$(awk "NR > 5 { n += \$2 } END { print n }" out)" -eq "$(wc -c <a)" ]
	"$DV" show --json -c "$(oid_of d.dv)" >json
	contains json "\"kind\": \"directory\""
	contains json "\"name\": \"b\""
	"$DV" show "$(oid_of d.dv)" >out
	contains out "2 files"
	must_fail 2 "$DV" show 0000000000
	must_fail 129 "$DV" show xyz
	must_fail 129 "$DV" show'

test_case 'what a file was is known without the stat cache, too' '
	mkdir hints
	cd hints
	git init -q
	"$DV" init -q
	mkdir -p d/e
	for i in $(seq 2000); do echo "$i" >"d/e/$i"; done
	cp "$V/1" d/e/table
	cp "$V/1" alone
	"$DV" add -q d alone
	rm -f .git/dv/state.db*
	before=$(size .git/dv/cache/packs)
	cp "$V/2" d/e/table
	cp "$V/3" alone
	"$DV" add -q d alone
	[ "$(($(size .git/dv/cache/packs) - before))" -lt 80000 ]
	"$DV" fsck
	rm -rf d alone
	"$DV" checkout -q
	same d/e/table "$V/2"
	same alone "$V/3"'

test_case 'a status before the add does not hide what a file was' '
	mkdir looked
	cd looked
	git init -q
	"$DV" init -q
	mkdir -p d/e/f
	cp "$V/1" d/e/f/table
	cp "$V/1" alone
	"$DV" add -q d alone
	for n in 2 3; do
		before=$(size .git/dv/cache/packs)
		cp "$V/$n" d/e/f/table
		cp "$V/$n" alone
		must_fail 1 "$DV" status -q
		"$DV" status
		"$DV" add -q d alone
		[ "$(($(size .git/dv/cache/packs) - before))" -lt 80000 ]
	done'

# What the packs of the repository in the current folder take more for what follows.
grown() {
	local before
	before=$(size .git/dv/cache/packs)
	"$@"
	echo $(($(size .git/dv/cache/packs) - before))
}
export -f grown

test_case 'versions may have names of their own' '
	mkdir named
	cd named
	git init -q
	"$DV" init -q
	mkdir d
	cp "$V/1" d/table-9.csv
	cp "$V/1" data-9.csv
	"$DV" add -q d data-9.csv
	mv d/table-9.csv "$TEST_DIR/nine"
	cp "$V/2" d/table-10.csv
	[ "$(grown "$DV" add -q d)" -lt 60000 ]
	cp "$V/3" d/table-11.csv
	[ "$(grown "$DV" add -q d)" -lt 60000 ]
	cp "$V/4" data-10.csv
	[ "$(grown "$DV" add -q data-10.csv)" -lt 60000 ]
	"$DV" move -q data-10.csv moved.tsv
	cp "$V/5" moved.tsv
	[ "$(grown "$DV" add -q moved.tsv)" -lt 60000 ]
	cp -R d "$TEST_DIR/d11"
	rm -rf d moved.tsv
	"$DV" checkout -q
	same d "$TEST_DIR/d11"
	same moved.tsv "$V/5"
	"$DV" fsck'

test_case 'files and folders that were renamed and edited find what they were' '
	mkdir renamed
	cd renamed
	git init -q
	"$DV" init -q
	mkdir -p d/v1 d/other
	for i in $(seq 100); do
		sed -n "$((i * 200)),$((i * 200 + 99))p" "$V/1" >"d/v1/item_$i.txt"
	done
	"$DV" add -q d
	mkdir d/v2
	for i in $(seq 100); do
		{ cat "d/v1/item_$i.txt"; echo "edited $i"; } >"d/v2/item_$i.txt"
	done
	[ "$(grown "$DV" add -q d)" -lt 40000 ]
	for i in $(seq 60 90); do
		{ echo "again $i"; cat "d/v2/item_$i.txt"; } >"d/v2/done-item_$i.txt"
		rm "d/v2/item_$i.txt"
	done
	mv d/v1 d/first
	echo more >>d/first/item_1.txt
	[ "$(grown "$DV" add -q d)" -lt 40000 ]
	cp -R d "$TEST_DIR/renamed-d"
	rm -rf d
	"$DV" checkout -q
	same d "$TEST_DIR/renamed-d"
	"$DV" fsck'

test_case 'small files share what they have in common' '
	mkdir small
	cd small
	git init -q
	"$DV" init -q
	mkdir d
	for i in $(seq 300); do
		{ head -n 40 "$V/1"; echo "this is file $i"; } >"d/$i"
	done
	cp -R d "$TEST_DIR/d"
	"$DV" add -q d
	rm -rf d
	"$DV" checkout -q
	same d "$TEST_DIR/d"
	[ "$(size .git/dv/cache/packs)" -lt 60000 ]
	"$DV" fsck'

done_testing
