/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What git is doing, which it does not say: read off its command line, as far as the system tells.
 * Where it does not, nothing is known, and everything is done in full.
 */
#include "repo/filter_impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"

#define LEVELS 3	/* a shell may stand between */

/* The beginning of a file below /proc; "" when it cannot be read. Ends with two NULs. */
static void read_proc(long pid, const char *name, char *out, size_t room)
{
	char path[64];
	ssize_t n = 0;

	snprintf(path, sizeof(path), "/proc/%ld/%s", pid, name);
	dv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, out, room - 2);
	out[n > 0 ? n : 0] = 0;
	out[n > 0 ? n + 1 : 1] = 0;
}

static long parent_of(long pid)
{
	char text[1024];
	long up = 0;

	read_proc(pid, "stat", text, sizeof(text));
	/* The name in parentheses may hold anything. */
	const char *s = strrchr(text, ')');
	return s && sscanf(s + 1, " %*c %ld", &up) == 1 ? up : 0;
}

/* The command in the arguments of git: what follows its own options. NULL when there is none. */
static const char *command_of(const char *args)
{
	const char *s = args + strlen(args) + 1;

	for (; *s == '-'; s += strlen(s) + 1)
		if (!strcmp(s, "-C") || !strcmp(s, "-c"))
			s += strlen(s) + 1;
	return *s ? s : NULL;
}

/* Is the nearest git above this process running one of these commands? */
static bool git_runs(const char *const *commands, size_t n)
{
	char args[4096];
	long pid = (long)getppid();

	for (int i = 0; i < LEVELS && pid > 1; i++, pid = parent_of(pid)) {
		read_proc(pid, "cmdline", args, sizeof(args));
		if (strcmp(dv_path_base(args), "git") != 0)
			continue;
		const char *command = command_of(args);
		for (size_t k = 0; command && k < n; k++)
			if (strcmp(command, commands[k]) == 0)
				return true;
		return false;
	}
	return false;
}

bool dv_filter_git_compares(void)
{
	static const char *const commands[] = { "diff", "log", "show", "whatchanged", "diff-tree",
						"diff-index", "diff-files", "blame", "grep",
						"format-patch", "range-diff", "stash", "merge",
						"rebase", "cherry-pick", "revert", "am", "pull" };

	return git_runs(commands, sizeof(commands) / sizeof(*commands));
}

/* "git stash" reads files by "update-index", and then takes them away; tools that set changes aside
 * while hooks run do that with "diff". */
bool dv_filter_git_leaves(void)
{
	static const char *const commands[] = { "add", "stage", "commit", "status" };

	return git_runs(commands, sizeof(commands) / sizeof(*commands));
}
