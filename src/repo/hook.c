/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_hook: what git's hooks have dv do. Most calls have nothing to do, so what is cheap to find out
 * comes first: the arguments, the state of a rebase, the last line of HEAD's log, and only then
 * libgit2. After a checkout, a merge or a rebase the data follows the pointers; before a commit
 * somebody says what was forgotten; before a push the data goes ahead.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/follow.h"
#include "repo/hook.h"
#include "repo/hooks.h"

#define LOG_TAIL 8192			/* bytes: the last line of a log, with room */
#define REBASE_LIST_MAX ((size_t)16 << 20)

void dv_hook_say(const dv_hook_call *h, enum dv_hook_word kind, const char *fmt, ...)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	dv_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	if (h->cb && text.n)
		h->cb(kind, dv_buf_str(&text), h->payload);
}

void dv_hook_say_failure(const dv_hook_call *h)
{
	dv_error e;

	dv_error_take(&e);
	dv_error_clear();
	dv_hook_say(h, DV_HOOK_WARNING, "%s", e.message);
	dv_hook_say(h, DV_HOOK_HINT, "%s", e.hint);
}

/* -- what git is doing ------------------------------------------------------------------------- */

static bool has(const char *dir, const char *name)
{
	dv_autofree char *path = dv_path_join(dir, name);

	return path && access(path, F_OK) == 0;
}

static bool is_rebasing(const dv_git_dirs *d)
{
	return has(d->gitdir, "rebase-merge") || has(d->gitdir, "rebase-apply");
}

/* Is there a commit left to be put on top? Else no other hook will come. */
static bool has_work(const dv_git_dirs *d)
{
	dv_autofree char *path = dv_path_join(d->gitdir, "rebase-merge/git-rebase-todo");
	dv_auto(dv_buf) text = DV_BUF_INIT;
	bool any = false;

	if (path && dv_fs_read_file(&text, path, REBASE_LIST_MAX) < 0)
		dv_error_clear();
	for (const char *p = dv_buf_str(&text); *p && !any;) {
		size_t n = strcspn(p, "\n"), skip = strspn(p, " \t");

		any = skip < n && p[skip] != '#' && strncmp(p + skip, "noop", 4) != 0;
		p += n + (p[n] == '\n');
	}
	return any;
}

/* One file of the git folder that holds a commit's id. */
static int read_id(const dv_git_dirs *d, const char *name, char **out)
{
	dv_autofree char *path = dv_path_join(d->gitdir, name);
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = path ? dv_fs_read_file(&text, path, 4096) : dv_err_nomem();
	size_t n = strspn(dv_buf_str(&text), "0123456789abcdef");

	*out = NULL;
	if (rc == DV_ENOTFOUND || (rc == 0 && n < DV_GIT_HEX)) {
		dv_error_clear();
		return 0;
	}
	if (rc < 0)
		return rc;
	*out = dv_strndup(text.p, n);
	return *out ? 0 : DV_ERROR;
}

/* The end of HEAD's log. */
static int read_log_tail(const dv_git_dirs *d, dv_buf *out)
{
	dv_autofree char *path = dv_path_join(d->gitdir, "logs/HEAD");
	dv_autoclose int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char text[LOG_TAIL];
	struct stat st;
	size_t got = 0;
	off_t at;

	if (!path)
		return dv_err_nomem();
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	at = st.st_size > LOG_TAIL ? st.st_size - LOG_TAIL : 0;
	if (dv_fs_pread_all(fd, text, sizeof(text), at, &got) < 0)
		return 0;
	while (got && text[got - 1] == '\n')
		got--;
	for (size_t i = got; i > 0; i--)
		if (text[i - 1] == '\n')
			return dv_buf_add(out, text + i, got - i);
	return at ? 0 : dv_buf_add(out, text, got);
}

/* "OLD NEW NAME <MAIL> TIME ZONE\tWHAT": the two commits, and what was done; empty when it cannot
 * be known. */
static int last_step(const dv_git_dirs *d, dv_buf *old, dv_buf *new_, dv_buf *what)
{
	dv_auto(dv_buf) line = DV_BUF_INIT;
	int rc = read_log_tail(d, &line);
	const char *p = dv_buf_str(&line), *tab = strchr(p, '\t');
	size_t n = strcspn(p, " "), m = p[n] ? strcspn(p + n + 1, " ") : 0;

	if (rc < 0 || !tab || n < DV_GIT_HEX || m != n)
		return rc;
	dv_buf_add(old, p, n);
	dv_buf_add(new_, p + n + 1, m);
	dv_buf_adds(what, tab + 1);
	return old->err | new_->err | what->err;
}

static bool is_zero(const char *hex)
{
	return hex[strspn(hex, "0")] == 0;
}

/* -- the data follows -------------------------------------------------------------------------- */

static int follow(const dv_hook_call *h, dv_repo *r, const char *old, const char *new_)
{
	dv_follow_summary sum;
	int rc = dv_repo_follow(r, old, new_, h->cb, h->payload, &sum);

	if (sum.outputs)
		dv_hook_say(h, DV_HOOK_NOTE, "%llu %s brought to %s",
			    (unsigned long long)sum.outputs,
			    sum.outputs == 1 ? "output" : "outputs",
			    sum.outputs == 1 ? "its pointer" : "their pointers");
	if (sum.dropped)
		dv_hook_say(h, DV_HOOK_NOTE, "%llu %s removed that this commit does not have",
			    (unsigned long long)sum.dropped,
			    sum.dropped == 1 ? "output" : "outputs");
	return rc;
}

/* OLD NEW FLAG */
static bool post_checkout_wanted(const dv_hook_call *h)
{
	return h->nargs >= 3 && strcmp(h->args[2], "1") == 0 &&
	       strcmp(h->args[0], h->args[1]) != 0;
}

static int post_checkout(dv_hook_call *h, dv_repo *r)
{
	/* At the end of a rebase post-rewrite comes, and one that is given up changed nothing. */
	if (is_rebasing(&r->dirs) && has_work(&r->dirs))
		return 0;
	return follow(h, r, is_zero(h->args[0]) ? NULL : h->args[0], h->args[1]);
}

/* SQUASH: then HEAD stays, and the index is what was merged. */
static int post_merge(dv_hook_call *h, dv_repo *r)
{
	dv_autofree char *old = NULL;
	int rc;

	if (h->nargs && strcmp(h->args[0], "1") == 0)
		return follow(h, r, "HEAD", NULL);
	rc = read_id(&r->dirs, "ORIG_HEAD", &old);
	return rc < 0 || !old ? rc : follow(h, r, old, "HEAD");
}

static bool post_rewrite_wanted(const dv_hook_call *h)
{
	return h->nargs >= 1 && strcmp(h->args[0], "rebase") == 0;
}

static int post_rewrite(dv_hook_call *h, dv_repo *r)
{
	dv_autofree char *old = NULL;
	int rc = read_id(&r->dirs, "rebase-merge/orig-head", &old);

	if (rc == 0 && !old)
		rc = read_id(&r->dirs, "rebase-apply/orig-head", &old);
	if (rc == 0 && !old)
		rc = read_id(&r->dirs, "ORIG_HEAD", &old);
	return rc < 0 || !old ? rc : follow(h, r, old, "HEAD");
}

bool dv_hook_will_follow(const dv_git_dirs *d)
{
	return !is_rebasing(d) && (has(d->gitdir, "MERGE_HEAD") ||
				   has(d->gitdir, "CHERRY_PICK_HEAD") ||
				   has(d->gitdir, "REVERT_HEAD"));
}

/* A commit that git made itself, or that ends what stopped at a conflict: a merge, a cherry-pick, a
 * revert. For those there is no hook of their own. */
static int post_commit(dv_hook_call *h, dv_repo *r)
{
	static const char *const plain[] = { "commit: ", "commit (initial): ",
					     "commit (amend): " };
	dv_auto(dv_buf) old = DV_BUF_INIT, new_ = DV_BUF_INIT, what = DV_BUF_INIT;
	int rc = is_rebasing(&r->dirs) ? 0 : last_step(&r->dirs, &old, &new_, &what);

	if (rc < 0 || what.n == 0)
		return rc;
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (strncmp(what.p, plain[i], strlen(plain[i])) == 0)
			return 0;
	return follow(h, r, is_zero(old.p) ? NULL : old.p, new_.p);
}

/* -- calling ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	bool (*wanted)(const dv_hook_call *h);	/* by the arguments alone; NULL: always */
	int (*run)(dv_hook_call *h, dv_repo *r);
	bool decides;	/* a failure is git's, too */
} hooks[] = {
	{ "post-checkout", post_checkout_wanted, post_checkout, false },
	{ "post-commit", NULL, post_commit, false },
	{ "post-merge", NULL, post_merge, false },
	{ "post-rewrite", post_rewrite_wanted, post_rewrite, false },
	{ "pre-commit", NULL, dv_hook_pre_commit, false },
	{ "pre-push", NULL, dv_hook_pre_push, true },
};
#define NHOOKS (sizeof(hooks) / sizeof(*hooks))

static int run_in(dv_hook_call *h, size_t i, const dv_git_dirs *d, const char *root)
{
	dv_autoptr(dv_repo) r = NULL;
	int rc = dv_repo_open(&r, root);

	/* This branch may have no dv at all, and what holds the work tree is not meant. */
	if (rc == DV_ENOREPO || (rc == 0 && (!r->has_git ||
					     !dv_path_below(r->root, d->workdir, NULL)))) {
		dv_error_clear();
		return 0;
	}
	if (rc == 0)
		rc = hooks[i].run(h, r);
	if (rc < 0 && !hooks[i].decides) {
		dv_hook_say_failure(h);
		rc = 0;
	}
	return rc;
}

/* The root of the work tree, where git calls hooks, and the workspaces below it that are known. */
static int run_all(dv_hook_call *h, size_t i, const dv_git_dirs *d)
{
	dv_auto(dv_path_list) below = DV_PATH_LIST_INIT;
	int rc = dv_hook_workspaces(&below, d), first = 0;

	if (rc == 0)
		first = run_in(h, i, d, d->workdir);
	for (size_t k = 0; rc == 0 && k < below.n; k++) {
		if (strcmp(below.p[k], d->workdir) == 0 || access(below.p[k], F_OK) != 0)
			continue;
		rc = run_in(h, i, d, below.p[k]);
	}
	return first ? first : rc;
}

int dv_hook(const char *name, const char *const *args, size_t n, int in, dv_hook_cb cb,
	    void *payload)
{
	dv_hook_call h = { .args = args, .nargs = n, .in = in, .cb = cb, .payload = payload };
	dv_auto(dv_git_dirs) d = DV_GIT_DIRS_INIT;
	dv_autofree char *here = NULL;
	size_t i = 0;
	int rc;

	while (i < NHOOKS && strcmp(hooks[i].name, name) != 0)
		i++;
	if (i == NHOOKS)
		return dv_err_hint(dv_err(DV_EUSAGE, "'%s' is not a hook that dv has a part in",
					  name), "see 'dv help hook'");
	if (hooks[i].wanted && !hooks[i].wanted(&h))
		return 0;
	if (!(here = realpath(".", NULL)))
		return dv_err_sys("cannot find the working folder");
	rc = dv_git_discover(&d, here);
	/* A bare repository has no workspace. */
	if (rc < 0 || !d.workdir) {
		dv_error_clear();
		return 0;
	}
	rc = run_all(&h, i, &d);
	dv_hook_call_release(&h);
	return rc;
}
