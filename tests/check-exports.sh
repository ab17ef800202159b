#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: check-exports.sh HEADER LIBRARY
# The shared library exports what the public header, with its parts in a folder of its name, marks
# with DV_API, no more and no less.
set -eu
header=$1 library=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A declaration may span lines; the name is the last word before its '(', '[' or ';'.
parts=()
for part in "${header%.h}"/*.h; do
	[ ! -f "$part" ] || parts+=("$part")
done
sed 's|//.*||' "$header" "${parts[@]}" | grep -v '^[[:space:]]*#' | tr '\n' ' ' | sed 's|/\*|\n/*|g; s|\*/|*/\n|g' |
	grep -v '^/\*' | tr '\n' ' ' | sed 's/[;{}]/;\n/g' | grep -w DV_API |
	sed -E 's/.*\bDV_API\b([^([;]*).*/\1/; s/.*\b([A-Za-z_][A-Za-z0-9_]*)[^A-Za-z0-9_]*$/\1/' |
	LC_ALL=C sort -u >"$work/declared"
nm -D --defined-only "$library" | awk '$2 ~ /[TDBRVWi]/ { print $3 }' | sed 's/@.*//' |
	LC_ALL=C sort -u >"$work/exported"

if [ ! -s "$work/declared" ]; then
	echo "no DV_API declaration found in $header"
	exit 1
fi
if ! diff -u "$work/declared" "$work/exported"; then
	echo "'-' is declared in $(basename "$header") and not exported; '+' is exported and not declared"
	exit 1
fi
echo "$(wc -l <"$work/declared") symbols"
