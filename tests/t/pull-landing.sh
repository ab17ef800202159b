#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# A pull puts large files together as their chunks come. Whatever fails on the way, a file is there
# as it should be or not at all, and nothing is left behind.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "1..0 # SKIP python3 is not installed"; exit 77; }

git init -q
"$DV" init -q
"$DV" remote add -q -d store "$TEST_DIR/store"
mkdir -p data/deep
python3 - <<'END'
import random
random.seed(1)
def rows(n):
    return "".join("%d,%d\n" % (i, random.randrange(1 << 30)) for i in range(n))
open("table.csv", "w").write(rows(400000))
open("data/deep/table.csv", "w").write(rows(500000))
open("data/small", "w").write("small\n")
noise = random.randbytes(3000000)
open("data/twice", "wb").write(noise + bytes(2000000) + noise)
END
"$DV" add -q table.csv data
git add -A
git commit -q -m data
"$DV" push -q
git clone -q . ../clone
cd ../clone || exit 1

fresh() {
	rm -rf table.csv data .git/dv
}
# right: what is there is as it should be.
right() {
	[ ! -e table.csv ] || cmp table.csv ../ws/table.csv || return 1
	[ ! -e data ] || (cd data && find . -type f) | while read -r f; do
		cmp "data/$f" "../ws/data/$f" || exit 1
	done
}
clean() {
	[ -z "$(find .git/dv/tmp -type f ! -name lock 2>/dev/null)" ]
}
export -f fresh right clean

test_case 'all comes, and nothing stays behind' '
	"$DV" pull -q
	same data ../ws/data
	cmp table.csv ../ws/table.csv
	clean
	[ -z "$("$DV" status --json | grep -c modified | grep -v 0)" ]
	[ "$(stat -c %a table.csv)" = "$(stat -c %a ../ws/table.csv)" ]'

test_case 'what is there is not touched' '
	fresh
	echo mine >table.csv
	! "$DV" pull -q 2>/dev/null
	[ "$(cat table.csv)" = mine ]
	clean
	rm table.csv
	"$DV" pull -q
	cmp table.csv ../ws/table.csv'

test_case 'half of it is here already' '
	fresh
	head -c 5000000 ../ws/table.csv >half
	"$DV" add -q half
	"$DV" pull -q
	cmp table.csv ../ws/table.csv
	"$DV" remove -q half.dv
	rm -f half'

test_case 'with links into the cache' '
	fresh
	"$DV" config --local cache.type hardlink
	"$DV" pull -q
	cmp table.csv ../ws/table.csv
	[ "$(stat -c %h table.csv)" -gt 1 ]
	clean
	"$DV" config --local --unset cache.type'

# Calls that change the disk fail one after the other.
test_case 'a disk that fails' '
	fresh
	DV_FAULT=count:$TEST_DIR/count "$DV" pull -q
	n=$(cat "$TEST_DIR/count")
	[ "$n" -gt 100 ]
	for kind in enospc eio die; do
		for i in $(seq 1 $((n / 6)) "$n"); do
			fresh
			DV_FAULT=$kind:$i "$DV" pull -q 2>/dev/null && same data ../ws/data
			right
		done
	done
	"$DV" pull -q
	same data ../ws/data
	cmp table.csv ../ws/table.csv
	clean'

# A recipe speaks for its chunks, and nothing but the oid for the recipe.
test_case 'a remote whose recipes are wrong' '
	fresh
	cp -r ../store ../wrong
	python3 - <<END
import glob, hashlib, struct
for name in glob.glob("../wrong/packs/*/*"):
    b = bytearray(open(name, "rb").read())
    at = b.find(b"DVRECIP1")
    while at >= 0:
        first = at + 24
        one, two = b[first:first + 36], b[first + 36:first + 72]
        b[first:first + 36], b[first + 36:first + 72] = two, one
        at = b.find(b"DVRECIP1", at + 8)
    import os
    os.chmod(name, 0o644)
    open(name, "wb").write(b)
END
	"$DV" remote add -q -f -d store "$(cd ../wrong && pwd)"
	! "$DV" pull -q 2>"$TEST_DIR/said"
	[ ! -e table.csv ]
	[ ! -e data/deep/table.csv ]
	clean'

done_testing
