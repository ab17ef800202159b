#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks the model of collections with spin: as it is nothing is lost; and when a step is left out,
# spin finds the loss, so the model can tell. Skipped (77) without spin, but not in CI.
#
#   run.sh [--full]     with --full two collections at once

set -eu
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v spin >/dev/null; then
	echo "model: spin is not installed" >&2
	[ "${CI:-}" != true ] || exit 1
	exit 77
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/dv-model.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# errors OPTION…: how many errors spin finds, of all the orders in which steps can come
errors() {
	spin -a "$@" "$here/gc.pml" >spin.log || { cat spin.log >&2; exit 1; }
	"${CC:-cc}" -O2 -w -DSAFETY -DCOLLAPSE -DNOFAIR -o pan pan.c
	./pan -E -m200000 >pan.log || true
	if grep -qE 'out of memory|max search depth too small|aborted' pan.log; then
		cat pan.log >&2
		exit 1
	fi
	sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log
}

expect() {
	local wanted=$1 title=$2 got
	shift 2
	got=$(errors "$@")
	if [ "$got" != "$wanted" ]; then
		echo "model: $title: spin finds ${got:-no} errors, not $wanted" >&2
		sed 's/^/    /' pan.log >&2
		exit 1
	fi
	echo "model: $title: $(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log | head -1) states, $got errors"
}

expect 0 'pushes and a collection'
expect 1 'a push that does not read what came between' -DNO_READ_BETWEEN
expect 1 'a collection that does not look again' -DNO_LOOK_AGAIN
expect 0 'pushes and a collection that rewrites' -DREWRITE
[ "${1:-}" = --full ] || exit 0
two='-DTWO_COLLECTORS -DLOG=4 -DPACKS=3'
# shellcheck disable=SC2086
{
	expect 0 'two collections' $two
	expect 0 'two collections that rewrite' $two -DREWRITE
	expect 1 'a rewrite that does not read what came between' $two -DREWRITE \
		-DNO_READ_BEFORE_REWRITE
}
