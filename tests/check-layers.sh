#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: check-layers.sh ROOT | --self-test
# Includes point down only:
#
#   cli > pipeline > lineage > takeover > repo > git, transfer, remotes > store > base
#
# cli sees the library through <dv.h> alone; remotes sees transfer/remote_driver.h and base;
# <git2.h> is included in git alone, which knows of base only; store has no network and no git.
set -u

# allowed LAYER INCLUDE: may a file of LAYER have this project include?
allowed() {
	case $1:$2 in
	base:base/*) ;;
	store:base/* | store:store/*) ;;
	transfer:base/* | transfer:store/* | transfer:transfer/*) ;;
	remotes:base/* | remotes:transfer/remote_driver.h | remotes:remotes/*) ;;
	git:base/* | git:git/*) ;;
	repo:base/* | repo:git/* | repo:store/* | repo:transfer/* | repo:repo/*) ;;
	takeover:base/* | takeover:git/* | takeover:store/* | takeover:transfer/*) ;;
	takeover:repo/* | takeover:takeover/*) ;;
	lineage:base/* | lineage:git/* | lineage:store/* | lineage:repo/*) ;;
	lineage:takeover/* | lineage:lineage/*) ;;
	pipeline:base/* | pipeline:git/* | pipeline:store/* | pipeline:repo/*) ;;
	pipeline:takeover/* | pipeline:lineage/* | pipeline:pipeline/*) ;;
	cli:cli/*) ;;
	*) return 1 ;;
	esac
}

# system_allowed LAYER INCLUDE: may a file of LAYER include <INCLUDE>?
system_allowed() {
	case $2 in
	dv.h)
		# Error codes and progress are public: base brings them in for the layers between.
		case $1 in
		base | git | repo | takeover | lineage | pipeline | cli) ;;
		*) return 1 ;;
		esac
		;;
	base/* | git/* | store/* | transfer/* | remotes/* | repo/* | takeover/*) return 1 ;;
	lineage/* | pipeline/* | cli/*) return 1 ;;
	git2.h | git2/*) [ "$1" = git ] ;;
	curl/* | netdb.h | netinet/* | arpa/*) [ "$1" = remotes ] || [ "$1" = transfer ] ;;
	yaml.h) [ "$1" = base ] ;;
	sqlite3.h | zstd.h | openssl/*) [ "$1" != cli ] ;;
	esac
}

check_tree() {
	local root=$1 bad=0 count=0 layer folder file line kind name
	for layer in base git store transfer remotes repo takeover lineage pipeline cli; do
		folder=$root/src/$layer
		[ "$layer" = remotes ] && folder=$root/remotes
		[ -d "$folder" ] || continue
		while IFS=: read -r file line name; do
			count=$((count + 1))
			kind=${name:0:1} name=${name:1}
			if [ "$kind" = '"' ]; then
				allowed "$layer" "$name" && continue
			else
				system_allowed "$layer" "$name" && continue
			fi
			echo "${file#"$root"/}:$line: $layer may not include $name"
			bad=1
		done < <(grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' "$folder" |
			sed -E 's/^([^:]*:[0-9]+:)[^"<]*(["<][^">]*)[">].*/\1\2/')
	done
	echo "$count includes"
	[ "$count" -gt 0 ] || bad=1
	return $bad
}

self_test() {
	local bad=0 work try path include
	work=$(mktemp -d)
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	plant() {
		rm -rf "$work/tree"
		mkdir -p "$work/tree/$(dirname "$1")"
		printf '#include %s\n' "$2" >"$work/tree/$1"
	}
	while read -r try path include; do
		plant "$path" "$include"
		if check_tree "$work/tree" >"$work/log" 2>&1; then
			[ "$try" = good ] || { echo "not found: $path includes $include"; bad=1; }
		else
			[ "$try" = bad ] || { echo "wrongly refused: $path includes $include"; bad=1; }
		fi
	done <<'EOF'
good src/base/a.c "base/b.h"
good src/base/error.h <dv.h>
good src/base/a.c <yaml.h>
bad src/repo/a.c <yaml.h>
bad src/store/a.h <dv.h>
bad src/base/a.c "store/b.h"
bad src/base/a.c "b.h"
bad src/base/a.c <git2.h>
good src/store/a.c "base/b.h"
good src/store/a.c <zstd.h>
bad src/store/a.c "transfer/b.h"
bad src/store/a.c <store/b.h>
bad src/store/a.c <netdb.h>
bad src/store/a.c "../repo/b.h"
good src/transfer/a.h "store/b.h"
bad src/transfer/a.h "remotes/b.h"
bad src/transfer/a.h "repo/b.h"
good remotes/a.c "transfer/remote_driver.h"
bad remotes/a.c "transfer/push.h"
bad remotes/a.c "store/b.h"
good src/git/a.c <git2.h>
bad src/git/a.c "repo/b.h"
bad src/git/a.c "store/b.h"
bad src/repo/a.c <git2.h>
good src/repo/a.c "git/b.h"
good src/repo/a.c "transfer/b.h"
bad src/repo/a.c "cli/b.h"
bad src/repo/a.c "pipeline/b.h"
good src/lineage/a.c "repo/b.h"
bad src/lineage/a.c "pipeline/b.h"
bad src/repo/a.c "lineage/b.h"
bad src/repo/a.c "takeover/b.h"
good src/takeover/a.c "repo/b.h"
bad src/takeover/a.c "lineage/b.h"
good src/pipeline/a.c "repo/b.h"
good src/pipeline/a.c "lineage/b.h"
bad src/pipeline/a.c "transfer/b.h"
bad src/pipeline/a.c <git2.h>
good src/cli/a.c <dv.h>
good src/cli/a.c <jansson.h>
bad src/cli/a.c "base/b.h"
bad src/cli/a.c <sqlite3.h>
bad src/cli/a.c <git2/types.h>
EOF
	[ $bad -eq 0 ] && echo "the check finds what it should"
	return $bad
}

case ${1:-} in
--self-test) self_test ;;
'') echo "usage: check-layers.sh ROOT | --self-test" >&2; exit 2 ;;
*) check_tree "${1%/}" ;;
esac
