#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: check-install.sh BUILD CC
# What is installed works: the program, a program linked with the library through pkg-config
# (shared and static), the completions and a manual page for every command.
set -eu
build=$1 cc=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/usr" >"$work/log" || { cat "$work/log"; exit 1; }

"$work/usr/bin/dv" version
pc=$(find "$work/usr" -name dv.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
lib=$(dirname "$PKG_CONFIG_PATH")
flags() {
	# The file names the configured prefix; here it lies elsewhere.
	pkg-config --define-variable=libdir="$lib" \
		--define-variable=includedir="$work/usr/include" "$@" dv
}

cat >"$work/user.c" <<'EOF'
#include <stdio.h>
#include <dv.h>
int main(void) { return puts(dv_version()) < 0; }
EOF
# shellcheck disable=SC2046
"$cc" -o "$work/shared" "$work/user.c" $(flags --cflags --libs)
LD_LIBRARY_PATH=$lib "$work/shared"
# shellcheck disable=SC2046
"$cc" -o "$work/static" "$work/user.c" $(flags --cflags) "$lib/libdv.a" \
	$(flags --static --libs-only-l | sed 's/-ldv //') -pthread -ldl
"$work/static"

failed=0
for name in bash-completion/completions/dv zsh/site-functions/_dv fish/vendor_completions.d/dv.fish; do
	[ -s "$work/usr/share/$name" ] || { echo "no completion $name"; failed=1; }
done
bash -n "$work/usr/share/bash-completion/completions/dv" || failed=1
if [ ! -s "$work/usr/share/man/man1/dv.1" ]; then
	echo "no manual page dv.1"
	failed=1
fi
exit $failed
