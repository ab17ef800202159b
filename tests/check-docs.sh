#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: check-docs.sh SOURCE DV
#
# Every command has a manual page and every page a command; every option of a command is in its
# page and every option of the page is one of the command; the list in dv(1) is complete.

set -u
man=$1/docs/man
dv=$2
failed=0
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT

complain() {
	echo "$*"
	failed=1
}

# The long options that a short help lists, one a line.
listed() {
	sed -n '/^options$/,/^$/s/^ .\{0,4\} \{0,4\}--\([a-z0-9-]*\).*/\1/p'
}

# The long options that a page explains.
explained() {
	sed -n 's/^\.It Fl \(.*, Fl \)\{0,1\}-\([a-z0-9][a-z0-9-]*\).*/\2/p' "$1"
}

"$dv" help >"$tmp/help" || exit 2
sed -n 's/^  \([a-z][a-z-]*\)  *[a-z].*/\1/p' "$tmp/help" >"$tmp/commands"
[ -s "$tmp/commands" ] || { echo "'dv help' lists no command"; exit 1; }

while read -r name; do
	page=$man/dv-$name.1
	if [ ! -f "$page" ]; then
		complain "docs/man/dv-$name.1: missing"
		continue
	fi
	"$dv" "$name" -h >"$tmp/short"
	listed <"$tmp/short" >"$tmp/options"
	subs=$(sed -n '/^commands$/,/^$/s/^  \([a-z][a-z-]*\)  *[a-z].*/\1/p' "$tmp/short")
	for sub in $subs; do
		"$dv" "$name" "$sub" -h | listed >>"$tmp/options"
		grep -q "^\.Cm $name $sub\$" "$page" ||
			complain "docs/man/dv-$name.1: '$sub' is not in the synopsis"
	done
	sort -u -o "$tmp/options" "$tmp/options"
	explained "$page" | sort -u >"$tmp/explained"
	while read -r option; do
		complain "docs/man/dv-$name.1: --$option is not explained"
	done < <(comm -23 "$tmp/options" "$tmp/explained")
	while read -r option; do
		complain "docs/man/dv-$name.1: the command has no --$option"
	done < <(comm -13 "$tmp/options" "$tmp/explained")
	grep -q "^\.It Xr dv-$name 1\$" "$man/dv.1" ||
		complain "docs/man/dv.1: $name is not in the list"
	summary=$(sed -n "s/^  $name  *\([a-z]\)/\1/p" "$tmp/help" | head -n 1)
	described=$(sed -n 's/^\.Nd //p' "$page")
	[ "$summary" = "$described" ] ||
		complain "docs/man/dv-$name.1: '$described', but 'dv help' says '$summary'"
done <"$tmp/commands"

for page in "$man"/dv-*.1; do
	name=${page##*/dv-}
	grep -qx "${name%.1}" "$tmp/commands" ||
		complain "docs/man/dv-$name: there is no command '${name%.1}'"
done

for code in $("$dv" help exit-codes | sed -n 's/^ *\([0-9][0-9]*\)  .*/\1/p'); do
	grep -q "^\.It $code\$" "$man/dv.1" || complain "docs/man/dv.1: exit code $code is missing"
done
exit "$failed"
