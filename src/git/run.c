/* SPDX-License-Identifier: Apache-2.0 */
/* Running git; see run.h. */
#include "git/run.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/process.h"

bool dv_git_program(void)
{
	const char *p = getenv("PATH");

	while (p && *p) {
		size_t n = strcspn(p, ":");
		dv_autofree char *dir = dv_strndup(p, n);
		dv_autofree char *path = dir && n ? dv_path_join(dir, "git") : NULL;

		if (path && access(path, X_OK) == 0)
			return true;
		p += n + (p[n] == ':');
	}
	return false;
}

/* What git sets in hooks, and users for one repository, means nothing for another one. */
static const char *const foreign_to_it[] = {
	"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR",
	"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_QUARANTINE_PATH",
	"GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_LITERAL_PATHSPECS",
};
#define NFOREIGN (sizeof foreign_to_it / sizeof *foreign_to_it)

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* "env -u GIT_DIR … NAME=VALUE … git ARGUMENT…"; the array is owned. */
static const char **make_argv(const dv_git_call *call)
{
	size_t nenv = count(call->env), n = count(call->argv), k = 0;
	const char **argv = dv_calloc(2 * NFOREIGN + nenv + n + 4, sizeof *argv);

	if (!argv)
		return NULL;
	argv[k++] = "env";
	for (size_t i = 0; i < NFOREIGN; i++) {
		argv[k++] = "-u";
		argv[k++] = foreign_to_it[i];
	}
	for (size_t i = 0; i < nenv; i++)
		argv[k++] = call->env[i];
	argv[k++] = "git";
	memcpy(argv + k, call->argv, n * sizeof *argv);
	return argv;
}

/* Its last words, without "fatal: ". */
static int failed(const dv_process *p)
{
	char words[1024];
	const char *w = words, *fatal;

	dv_process_words(p, words, sizeof words);
	/* That no reason is given where ssh gave one before. */
	char *general = strstr(words, "; fatal: Could not read from remote repository");
	if (general) {
		while (general > words && general[-1] == '.')
			general--;
		*general = '\0';
	}
	while ((fatal = strstr(w, "fatal: ")) || (fatal = strstr(w, "error: ")))
		w = fatal + 7;
	bool far = general || strstr(words, "unable to access '");

	return dv_err(far ? DV_ETRANSIENT : DV_ERROR, "git: %s",
		      *w ? w : "ended with a failure and no word");
}

int dv_git_run(dv_git_call *call, dv_buf *out)
{
	dv_process p = DV_PROCESS_INIT;
	dv_autofree const char **argv = make_argv(call);

	if (out)
		dv_buf_clear(out);
	call->code = -1;
	if (!argv)
		return DV_ERROR;
	if (!dv_git_program())
		return dv_err_hint(dv_err(DV_ENOTFOUND, "there is no 'git' on PATH"),
				   "install git");
	int rc = dv_process_run(&p, argv, "git", call->in, call->nin, out, call->max);
	if (rc)
		return rc;
	call->code = dv_process_code(&p);
	return call->code ? failed(&p) : 0;
}
