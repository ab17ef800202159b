#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: check-headers.sh ROOT CC [CXX]
# Every header compiles alone, and the public one also as C++.
set -u
root=$1 cc=$2 cxx=${3:-}
cd "$root" || exit 2

flags=(-D_GNU_SOURCE -Iinclude -Isrc -I. -fsyntax-only -Wall -Wextra -Werror)
failed=0 count=0
while IFS= read -r header; do
	count=$((count + 1))
	# Included twice: a header has a guard.
	if ! printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
		"$cc" -std=gnu11 "${flags[@]}" -x c -; then
		echo "$header: does not compile alone"
		failed=1
	fi
done < <(find include src remotes -name '*.h' | sort)

if [ -n "$cxx" ] && ! printf '#include "include/dv.h"\n' |
	"$cxx" -std=c++11 "${flags[@]}" -pedantic -x c++ -; then
	echo "include/dv.h: does not compile as C++"
	failed=1
fi
echo "$count headers"
[ "$count" -gt 0 ] || failed=1
exit $failed
