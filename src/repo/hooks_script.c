/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of hooks. They are for any POSIX shell, and do nothing but say so where there is no dv.
 * A hook that was there before runs first, with the same arguments and the same input; where it
 * decides (pre-commit, pre-push) and says no, dv is not asked.
 */
#include "repo/hooks.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"

#define MARK "# Hook of dv, text "
#define TEXT_VERSION "1"

const char *const dv_hook_names[] = { "post-checkout", "post-commit", "post-merge", "post-rewrite",
				      "pre-commit", "pre-push", NULL };

/* What the hook does, and what to do by hand where dv is missing. */
static const struct {
	const char *name, *missing;
} left_out[] = {
	{ "post-checkout", "the data is as it was; run 'dv checkout' where there is dv" },
	{ "post-commit", "the data is as it was; run 'dv checkout' where there is dv" },
	{ "post-merge", "the data is as it was; run 'dv checkout' where there is dv" },
	{ "post-rewrite", "the data is as it was; run 'dv checkout' where there is dv" },
	{ "pre-commit", "nobody looked for changes of the data that were not recorded" },
	{ "pre-push", "no data was pushed; run 'dv push -A' where there is dv" },
};

static const char *missing_words(const char *name)
{
	for (size_t i = 0; i < sizeof(left_out) / sizeof(*left_out); i++)
		if (strcmp(left_out[i].name, name) == 0)
			return left_out[i].missing;
	return "";
}

static bool has_input(const char *name)
{
	return strcmp(name, "pre-push") == 0 || strcmp(name, "post-rewrite") == 0;
}

static bool decides(const char *name)
{
	return strncmp(name, "pre-", 4) == 0;
}

/* Runs what was there before. pre-commit (the program) moves hooks that it finds behind its own
 * and runs them: then it has run already. */
static void add_kept(dv_buf *out, const char *name)
{
	const char *give = has_input(name) ? "give | " : "";

	if (has_input(name))
		dv_buf_adds(out, "refs=$(cat)\n"
				 "give() {\n"
				 "\t[ -z \"$refs\" ] || printf '%s\\n' \"$refs\"\n"
				 "}\n");
	dv_buf_adds(out, "status=0\n"
			 "if [ -x \"$0" DV_HOOK_KEPT "\" ] && [ -z \"$PRE_COMMIT_RUNNING_LEGACY\" "
			 "]; then\n");
	dv_buf_addf(out, "\t%s\"$0" DV_HOOK_KEPT "\" \"$@\" || status=$?\n", give);
	if (decides(name))
		dv_buf_adds(out, "\t[ \"$status\" = 0 ] || exit \"$status\"\n");
	dv_buf_adds(out, "fi\n");
}

int dv_hook_script(dv_buf *out, const char *name)
{
	dv_buf_addf(out, "#!/bin/sh\n" MARK TEXT_VERSION ". 'dv install' wrote it, 'dv uninstall' "
		    "takes it away and puts back\n"
		    "# what was here before; that is %s" DV_HOOK_KEPT ", and is run first.\n",
		    name);
	add_kept(out, name);
	/* Files that were checked out one by one, and a branch made where one stands. */
	if (strcmp(name, "post-checkout") == 0)
		dv_buf_adds(out, "[ \"$3\" = 1 ] && [ \"$1\" != \"$2\" ] || exit \"$status\"\n");
	dv_buf_addf(out, "if ! command -v dv >/dev/null 2>&1; then\n"
			 "\techo \"dv is not on PATH: %s\" >&2\n"
			 "\texit \"$status\"\n"
			 "fi\n", missing_words(name));
	if (strcmp(name, "pre-push") == 0)
		dv_buf_addf(out, "give | dv hook %s \"$@\"\n", name);
	else
		dv_buf_addf(out, "%sdv hook %s \"$@\" || :\nexit \"$status\"\n",
			    has_input(name) ? "give | " : "", name);
	return out->err;
}

bool dv_hook_is_ours(const dv_buf *text)
{
	const char *line = strchr(dv_buf_str(text), '\n');

	return line && strncmp(line + 1, MARK, strlen(MARK)) == 0;
}

int dv_hook_by_hand(const dv_hooks *h, enum dv_hook_manager m, const char *name, char **file,
		    dv_buf *text)
{
	dv_buf_clear(text);
	if (m == DV_MANAGER_LEFTHOOK) {
		*file = dv_strdup(h->lefthook ? h->lefthook : "lefthook.yml");
		dv_buf_addf(text, "%s:\n  commands:\n    dv:\n      run: dv hook %s {0}\n", name,
			    name);
		if (has_input(name))
			dv_buf_adds(text, "      use_stdin: true\n");
	} else {
		*file = dv_path_join(h->scripts, name);
		dv_buf_addf(text, "if command -v dv >/dev/null; then dv hook %s \"$@\"; fi\n",
			    name);
	}
	return *file ? text->err : dv_err_nomem();
}
