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
	pkg-config "$@" dv
}
if [ "$(pkg-config --variable=libdir dv)" != "$lib" ]; then
	echo "dv.pc does not name the folder that the library is in"
	exit 1
fi

cat >"$work/user.c" <<'EOF'
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <dv.h>

static int failed(const char *what)
{
	const dv_error *e = dv_error_last();

	fprintf(stderr, "%s: %d: %s (%s)\n", what, e->code, e->message, e->hint);
	return 1;
}

/* Everything that may be left out is left out. */
int main(int argc, char **argv)
{
	static const char *const targets[] = { "file" };
	dv_init_options init = { .no_scm = true };
	dv_status_summary sum;
	dv_repo *r = NULL;
	FILE *f;

	if (argc != 2 || chdir(argv[1]) || !(f = fopen("file", "w")) || fclose(f))
		return 1;
	if (strcmp(dv_version(), DV_VERSION) != 0)
		return failed("version");
	if (dv_repo_open(&r, NULL) != DV_ENOREPO || dv_error_last()->code != DV_ENOREPO)
		return failed("open");
	if (dv_init(NULL, &init) || dv_repo_open(&r, NULL))
		return failed("init");
	dv_cancel();
	if (dv_add(r, targets, 1, NULL, NULL, NULL) != DV_ECANCELLED)
		return failed("cancel");
	dv_cancel_reset();
	if (dv_add(r, targets, 1, NULL, NULL, NULL))
		return failed("add");
	if (unlink("file") || dv_checkout(r, NULL, 0, NULL, NULL, NULL, NULL))
		return failed("checkout");
	if (dv_status(r, NULL, 0, NULL, NULL, NULL, &sum) || sum.outputs != 1 || sum.changed)
		return failed("status");
	if (dv_commit(r, NULL, 0, NULL, NULL, NULL) || dv_fsck(r, NULL, NULL, NULL, NULL))
		return failed("fsck");
	if (dv_gc(r, NULL, NULL) != DV_EUSAGE || dv_push(r, NULL, 0, NULL, NULL) != DV_ENOTFOUND)
		return failed("push");
	dv_repo_free(r);
	return 0;
}
EOF
mkdir "$work/one" "$work/two"
export DV_CONFIG_SYSTEM=$work/none XDG_CONFIG_HOME=$work
# shellcheck disable=SC2046
"$cc" -o "$work/shared" "$work/user.c" $(flags --cflags --libs)
LD_LIBRARY_PATH=$lib "$work/shared" "$work/one"
# shellcheck disable=SC2046
"$cc" -o "$work/static" "$work/user.c" $(flags --cflags) "$lib/libdv.a" \
	$(flags --static --libs-only-l | sed 's/-ldv //') -pthread -ldl
"$work/static" "$work/two"

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
