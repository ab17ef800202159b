#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: check-style.sh ROOT | --self-test
# What a formatter cannot see: lengths, banned functions, who may write to disk, who may
# print or exit. A write that goes to a pipe and not to disk says so on its line with the
# comment "not disk".
set -u
export LC_ALL=C

check_file() {
	awk -v file="$2" -v where="$3" '
	function complain(text) { printf "%s:%d: %s\n", file, NR, text; bad = 1 }
	# The line without comments and without what strings hold.
	function bare(line,    out, i, c, two) {
		out = ""
		for (i = 1; i <= length(line); i++) {
			c = substr(line, i, 1)
			two = substr(line, i, 2)
			if (comment) {
				if (two == "*/") { comment = 0; i++ }
			} else if (two == "/*") {
				comment = 1; i++
			} else if (two == "//") {
				break
			} else if (c == "\"" || c == "\047") {
				out = out c
				for (i++; i <= length(line); i++) {
					if (substr(line, i, 1) == "\\") i++
					else if (substr(line, i, 1) == c) break
				}
				out = out c
			} else {
				out = out c
			}
		}
		return out
	}
	# Is one of these functions called (and not a member, nor a longer name)?
	function calls(line, names) {
		return line ~ ("(^|[^A-Za-z0-9_.>])(" names ")[ \t]*\\(")
	}
	NR == 1 && !/SPDX-License-Identifier: Apache-2.0/ { complain("no licence line") }
	{
		code = bare($0)
		width = 0
		for (i = 1; i <= length($0); i++) {
			c = substr($0, i, 1)
			if (c == "\t") width += 8 - width % 8
			else if (c < "\200" || c >= "\300") width++ # not the rest of a UTF-8 letter
		}
		if (width > 100) complain("line of " width " columns")
		if (/[ \t]$/) complain("blanks at the end of the line")
		if (code ~ /^ +[^ *]/) complain("indented with spaces")
		if (code ~ /(^|[^A-Za-z0-9_])goto[ \t]/) complain("goto")
		if (calls(code, "strcpy|strcat|sprintf|vsprintf|strtok|gets|atoi|atol|atoll|system"))
			complain("banned function")
		if (where != "base" && !/not disk/) {
			if (calls(code, "write|pwrite|writev|pwritev|rename|renameat|renameat2|fsync|" \
				  "fdatasync|unlink|unlinkat|remove|rmdir|mkdir|mkdirat|link|linkat|" \
				  "symlink|symlinkat|truncate|ftruncate|creat|mkstemp|mkostemp|" \
				  "mkdtemp|chmod|fchmod|copy_file_range|sendfile|fallocate"))
				complain("changes the disk without base/fs.h")
			if (calls(code, "open|openat") && /O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)/ &&
			    !/"\/dev\/(null|tty)"/)
				complain("opens for writing without base/fs.h")
			if (calls(code, "fopen|fdopen") && /"[wa]/)
				complain("opens for writing without base/fs.h")
		}
		if (where != "cli") {
			if (calls(code, "printf|vprintf|puts|putchar|perror|exit"))
				complain("only cli prints and exits")
			if (calls(code, "fprintf|vfprintf|fputs|fputc") && code ~ /std(out|err)/ &&
			    !/"dv: internal error/)
				complain("only cli prints and exits")
		}
		if (code ~ /^{/ && previous !~ /=[ \t]*$/) opened = NR
		if (code ~ /^}/ && opened) {
			if (NR - opened + 1 > 72)
				complain("function of " NR - opened - 1 " lines, from line " opened)
			opened = 0
		}
		if (code ~ /^[a-z].*\)[ \t]*\{$/ && code !~ /=/)
			complain("a function opens its brace on a line of its own")
		if (code ~ /[^ \t]/) previous = code
	}
	END {
		# The public header is one, whatever there is to say.
		if (NR > (where == "include" ? 1600 : 800)) complain("file of " NR " lines")
		exit bad
	}' "$1"
}

check_tree() {
	local root=$1 bad=0 count=0 file where
	while IFS= read -r file; do
		count=$((count + 1))
		where=${file#src/}
		where=${where%%/*}
		check_file "$root/$file" "$file" "$where" || bad=1
	done < <(cd "$root" && find include src remotes -name '*.[ch]' 2>/dev/null | sort)
	echo "$count files"
	[ "$count" -gt 0 ] || bad=1
	return $bad
}

self_test() {
	local bad=0 work try path text
	work=$(mktemp -d)
	# shellcheck disable=SC2064
	trap "rm -rf '$work'" EXIT
	try() {
		rm -rf "$work/tree"
		mkdir -p "$work/tree/$(dirname "$2")"
		printf '/* SPDX-License-Identifier: Apache-2.0 */\n%b\n' "$3" >"$work/tree/$2"
		if check_tree "$work/tree" >"$work/log" 2>&1; then
			[ "$1" = good ] || { echo "not found: $3 in $2"; bad=1; }
		else
			[ "$1" = bad ] || { echo "wrongly refused: $3 in $2"; cat "$work/log"; bad=1; }
		fi
	}
	while IFS='|' read -r try path text; do
		try "$try" "$path" "$text"
	done <<'EOF'
good|src/store/a.c|\tint n = snprintf(buf, 3, "strcpy(");
good|src/store/a.c|\tdriver->rename(driver); /* unlink(x) */
bad|src/store/a.c|\tstrcpy(a, b);
bad|src/store/a.c|\tunlink(path);
good|src/store/a.c|\twrite(pipe, p, n); /* not disk */
good|src/base/a.c|\tunlink(path);
bad|src/repo/a.c|\tint fd = openat(at, name, O_RDWR);
good|src/repo/a.c|\tint fd = open(name, O_RDONLY);
good|src/repo/a.c|\tint fd = open("/dev/null", O_WRONLY);
bad|src/base/a.c|\tfprintf(stderr, "x");
good|src/base/a.c|\tfprintf(stderr, "dv: internal error");
bad|src/repo/a.c|\tFILE *f = fopen(name, "wb");
bad|remotes/a.c|\tprintf("x");
bad|src/base/a.c|\texit(1);
good|src/base/a.c|\t_exit(1);
good|src/cli/a.c|\tprintf("x");
bad|src/cli/a.c|\tgoto out;
bad|src/cli/a.c|    int x;
bad|src/cli/a.c|int f(void) {
EOF
	try good src/base/a.c "$(printf 'int f(void)\\n{\\n%s}' "$(printf '\\tx;\\n%.0s' {1..70})")"
	try bad src/base/a.c "$(printf 'int f(void)\\n{\\n%s}' "$(printf '\\tx;\\n%.0s' {1..71})")"
	try bad src/base/a.c "$(printf '\\n%.0s' {1..800})"
	[ $bad -eq 0 ] && echo "the check finds what it should"
	return $bad
}

case ${1:-} in
--self-test) self_test ;;
'') echo "usage: check-style.sh ROOT | --self-test" >&2; exit 2 ;;
*) check_tree "${1%/}" ;;
esac
