#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Versions a dataset, changes it, pushes it to a remote in a folder and pulls it into another
# clone, in a temporary folder. Every command is printed before it runs. DV names the program.
set -eu

DV=${DV:-dv}
work=$(mktemp -d "${TMPDIR:-/tmp}/dv-demo.XXXXXX")
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
unset "${!GIT_@}"
export HOME=$work/home GIT_CONFIG_NOSYSTEM=1 LC_ALL=C
export XDG_CONFIG_HOME=$HOME/.config XDG_CACHE_HOME=$HOME/.cache
mkdir "$work/home"
git config --global user.name Demo
git config --global user.email demo@example.org
git config --global init.defaultBranch main
dv() { "$DV" "$@"; }

# step COMMAND…: prints the command, then runs it.
step() {
	printf '\n$'
	printf ' %q' "$@"
	printf '\n'
	"$@"
}

say() {
	printf '\n# %s\n' "$*"
}

# A table of measurements, the same at every run.
make_table() {
	awk -v seed="$1" -v rows="$2" 'BEGIN {
		srand(seed)
		print "id,station,day,temperature,humidity"
		for (i = 1; i <= rows; i++)
			printf "%d,S%03d,2025-%02d-%02d,%.2f,%d\n", i, rand() * 500,
				1 + rand() * 12, 1 + rand() * 28, rand() * 45 - 10, rand() * 100
	}'
}

say "A dataset: three tables that are made here, and C headers found on this machine"
mkdir -p "$work/project/data/tables"
cd "$work/project"
for n in 1 2 3; do
	make_table "$n" 200000 >"data/tables/station-$n.csv"
done
for folder in /usr/include /usr/share/doc; do
	[ -d "$folder" ] || continue
	find "$folder" -type f -readable -size -256k 2>/dev/null | sed 's|^/||' | sort |
		head -n 1500 >"$work/list"
	mkdir -p data/files
	tar -C / -cf - -T "$work/list" 2>/dev/null | tar -C data/files -xf -
done
step du -sh --apparent-size data

say "Version it beside the code"
step git init -q
step dv init
step dv add data
step git commit -q -m 'Add the data'
step cat data.dv

(cd data && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$work/first"

say "Change two hundred rows in the middle of one table, add a file and remove one"
awk -F, -v OFS=, 'NR > 90000 && NR <= 90200 { $4 = $4 + 1 } { print }' \
	data/tables/station-2.csv >"$work/changed"
mv "$work/changed" data/tables/station-2.csv
echo 'Stations are numbered from 0.' >data/README
rm data/tables/station-3.csv
step dv status
step dv diff
before=$(du -sb .git/dv | cut -f1)
step dv add data
after=$(du -sb .git/dv | cut -f1)
step git commit -q -m 'Correct the measurements of station 2'
say "The table has $(wc -c <data/tables/station-2.csv) bytes; its new version took" \
	"$((after - before)) bytes more in the cache, with all that records it"

say "Keep the data in a remote: here a folder"
step dv remote add -d store "$work/remote"
step git commit -q -a -m 'Say where the data is kept'
step dv push

say "Another person clones the code and pulls the data"
step git clone -q "$work/project" "$work/other"
cd "$work/other"
step dv pull
step diff -r --no-dereference "$work/project/data" "$work/other/data"
echo "equal, byte for byte"

say "Go back to the first version of the data: every file has the hash that it had"
cd "$work/project"
step git checkout -q HEAD~2
step dv checkout
(cd data && step sha256sum --quiet -c "$work/first")
echo "$(wc -l <"$work/first") files are as they were"
step dv status

say "Sizes: two versions of the data, the cache, the remote"
step du -sh --apparent-size "$work/project/data" "$work/project/.git/dv" "$work/remote"
