/* SPDX-License-Identifier: Apache-2.0 */
/* The index by way of git; see ask.h. */
#include "git/ask.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "git/impl.h"
#include "git/run.h"

#define LIST_MAX ((size_t)1 << 30)	/* of what git lists: some million files */
#define DEBUG_LINES 5	/* that "ls-files --debug" writes behind each name */
#define SKIP_WORKTREE (1u << 30)	/* of git's flags in memory */

bool dv_gitask_is_served(void)
{
	const git_error *e = git_error_last();

	return e && e->message && strstr(e->message, "unsupported mandatory extension") &&
	       dv_git_program();
}

/* Runs git in this work tree, on the index that is in use, and with paths as they are. */
static int run(dv_git *g, const char *const *args, const dv_buf *in, dv_buf *out)
{
	const char *index = getenv("GIT_INDEX_FILE"), *argv[16];
	dv_auto(dv_buf) dir = DV_BUF_INIT, tree = DV_BUF_INIT, file = DV_BUF_INIT;
	const char *env[3] = { "GIT_LITERAL_PATHSPECS=1", NULL, NULL };
	dv_git_call call = { .argv = argv, .env = env, .max = LIST_MAX };
	size_t n = 0;

	dv_buf_addf(&dir, "--git-dir=%s", git_repository_path(g->repo));
	dv_buf_addf(&tree, "--work-tree=%s", g->workdir);
	if (index && *index) {
		dv_autofree char *path = dv_path_join(g->workdir, index);

		dv_buf_addf(&file, "GIT_INDEX_FILE=%s", path ? path : "");
		env[1] = file.p;
	}
	if (dir.err || tree.err || file.err)
		return dv_err_nomem();
	argv[n++] = dir.p;
	argv[n++] = tree.p;
	while (*args && n + 1 < sizeof argv / sizeof *argv)
		argv[n++] = *args++;
	argv[n] = NULL;
	if (in) {
		call.in = dv_buf_str(in);
		call.nin = in->n;
	}
	return dv_git_run(&call, out);
}

/* Has git do something to paths of the index: `what` is an option of update-index. */
static int update(dv_git *g, const char *what, const char *const *paths, size_t n)
{
	const char *const args[] = { "update-index", "-z", what, "--stdin", NULL };
	dv_auto(dv_buf) in = DV_BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		dv_autofree char *full = dv_git_full(g, paths[i]);

		if (!full)
			return dv_err_nomem();
		dv_buf_adds(&in, full);
		dv_buf_addc(&in, 0);
	}
	if (in.err)
		return in.err;
	return in.n ? run(g, args, &in, NULL) : 0;
}

int dv_gitask_stage(dv_git *g, const char *const *add, size_t nadd, const char *const *drop,
		    size_t ndrop)
{
	int rc = update(g, "--force-remove", drop, ndrop);

	return rc ? rc : update(g, "--add", add, nadd);
}

/* The entries at and below a path of the work tree. */
static int list(dv_git *g, const char *full, dv_buf *out)
{
	const char *args[] = { "ls-files", "-z", "-s", "--", full, NULL };

	if (!*full)
		args[3] = NULL;
	return run(g, args, NULL, out);
}

/* The next "MODE ID STAGE\tPATH"; false at the end. */
static bool next_entry(char **at, const char *end, char **mode, char **id, char **path)
{
	while (*at < end) {
		char *line = *at, *tab = strchr(line, '\t');

		*at = line + strlen(line) + 1;
		*mode = line;
		*id = strchr(line, ' ');
		if (!tab || !*id || *id > tab)
			continue;
		*tab = 0;
		*path = tab + 1;
		*(*id)++ = 0;
		(*id)[strcspn(*id, " ")] = 0;
		return true;
	}
	return false;
}

int dv_gitask_is_tracked(dv_git *g, const char *path, bool *tracked, char **which)
{
	dv_autofree char *full = dv_git_full(g, path);
	dv_auto(dv_buf) out = DV_BUF_INIT;
	char *mode, *id, *found;

	*tracked = false;
	if (which)
		*which = NULL;
	size_t n = full ? strlen(full) : 0;
	if (n && full[n - 1] == '/')
		full[n - 1] = 0;
	int rc = full ? list(g, full, &out) : dv_err_nomem();
	char *at = out.p;
	if (rc || !out.n || !next_entry(&at, out.p + out.n, &mode, &id, &found))
		return rc;
	*tracked = true;
	if (which && !(*which = dv_strdup(found + strlen(g->prefix))))
		return DV_ERROR;
	return 0;
}

int dv_gitask_read_staged(dv_git *g, const char *path, size_t max, dv_buf *out)
{
	dv_autofree char *full = dv_git_full(g, path);
	dv_auto(dv_buf) text = DV_BUF_INIT;
	char *mode, *id, *found;
	int rc = full ? list(g, full, &text) : dv_err_nomem();

	dv_buf_clear(out);
	for (char *at = text.p; !rc && text.n && next_entry(&at, text.p + text.n, &mode, &id,
							    &found);)
		if (!strcmp(found, full))
			return dv_git_read_id(g, id, path, max, out);
	return rc ? rc : dv_err(DV_ENOTFOUND, "git's index has no '%s'", path);
}

int dv_gitask_each(dv_git *g, dv_git_blob_cb cb, void *payload)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	char *mode, *id, *path;
	int rc = list(g, "", &text);

	for (char *at = text.p; !rc && text.n && next_entry(&at, text.p + text.n, &mode, &id,
							    &path);)
		if (!strncmp(mode, "100", 3))
			rc = cb(path, id, payload);
	return rc;
}

/* -- the whole index --------------------------------------------------------------------------- */

/* The text behind a path of "ls-files --debug". */
static void parse_debug(const char *text, dv_gitindex_entry *e)
{
	dv_gitindex_stat st;
	unsigned flags = 0;

	/* Git does not promise that it stays so; without it files are read where they need not. */
	if (sscanf(text, " ctime: %u:%u mtime: %u:%u dev: %u ino: %u uid: %*u gid: %*u size: %u "
		   "flags: %x", &st.ctime_s, &st.ctime_ns, &st.mtime_s, &st.mtime_ns, &st.dev,
		   &st.ino, &st.size, &flags) != 8)
		return;
	e->st = st;
	e->skip_worktree = flags & SKIP_WORKTREE;
}

static bool parse_id(const char *hex, uint8_t out[GIT_OID_RAWSZ])
{
	git_oid id;

	if (strlen(hex) != DV_GIT_HEX || git_oid_fromstr(&id, hex))
		return false;
	memcpy(out, id.id, GIT_OID_RAWSZ);
	return true;
}

/* Puts every "MODE ID STAGE\tPATH\0DEBUG" into x; the end of DEBUG is the next entry's mode. */
static int put_entries(dv_gitindex *x, char *at, const char *end)
{
	int rc = 0;

	while (rc == 0 && at < end) {
		char *mode = at, *nul = memchr(at, 0, (size_t)(end - at)), *debug, hex[80];
		char *tab = nul ? strchr(at, '\t') : NULL;
		uint8_t id[GIT_OID_RAWSZ];
		dv_gitindex_entry e = { .id = id, .id_size = sizeof id };

		if (!tab || sscanf(mode, "%o %79s %u", &e.mode, hex, &e.merge_stage) != 3 ||
		    !parse_id(hex, id) || e.merge_stage > 3)
			return dv_err(DV_ERROR, "git lists its index in a way that dv does not "
				      "read");
		e.path = tab + 1;
		debug = at = nul + 1;
		for (int lines = 0; at < end && lines < DEBUG_LINES; at++)
			lines += *at == '\n';
		char c = *at;
		*at = 0;
		parse_debug(debug, &e);
		*at = c;
		rc = dv_gitindex_put(x, &e);
	}
	return rc ? rc : dv_gitindex_put_end(x);
}

int dv_gitask_index(dv_git *g, dv_gitindex *x)
{
	const char *const args[] = { "ls-files", "-z", "-s", "--debug", NULL };
	const char *other = getenv("GIT_INDEX_FILE"), *own = git_repository_path(g->repo);
	dv_autofree char *path = other && *other ? dv_path_join(g->workdir, other)
						 : dv_path_join(own, "index");
	dv_auto(dv_buf) text = DV_BUF_INIT;
	struct stat st;

	dv_gitindex_release(x);
	*x = (dv_gitindex)DV_GITINDEX_INIT;
	if (!path)
		return dv_err_nomem();
	/* Before: what is as young as the index proves nothing, and the index may be replaced. */
	if (stat(path, &st))
		return errno == ENOENT ? 0 : dv_err_sys("cannot read git's index '%s'", path);
	int rc = run(g, args, NULL, &text);
	if (!rc)
		rc = text.n ? put_entries(x, text.p, text.p + text.n) : 0;
	x->st = st;
	return rc;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const dv_gitindex_fresh *)a)->path, ((const dv_gitindex_fresh *)b)->path);
}

int dv_gitask_forget(dv_git *g, dv_gitindex_fresh *f, size_t n)
{
	const char *const args[] = { "update-index", "-z", "--index-info", NULL };
	dv_auto(dv_buf) text = DV_BUF_INIT, in = DV_BUF_INIT;
	char *mode, *id, *path;
	int rc = list(g, "", &text);

	if (n)
		qsort(f, n, sizeof *f, by_path);
	for (char *at = text.p; !rc && text.n && next_entry(&at, text.p + text.n, &mode, &id,
							    &path);) {
		const dv_gitindex_fresh key = { .path = path };
		const dv_gitindex_fresh *one = bsearch(&key, f, n, sizeof *f, by_path);
		uint8_t want[DV_GITINDEX_ID_MAX], have[GIT_OID_RAWSZ];

		if (!one || strncmp(mode, "100", 3) != 0 || !parse_id(id, have))
			continue;
		rc = dv_gitindex_blob_id(want, sizeof have, one->text, one->n);
		if (!rc && !memcmp(want, have, sizeof have))
			rc = dv_buf_addf(&in, "%s %s\t%s%c", mode, id, path, 0);
	}
	return rc || !in.n ? rc : run(g, args, &in, NULL);
}

/* -- partial clones ---------------------------------------------------------------------------- */

bool dv_gitask_bring_object(dv_git *g, const char *id)
{
	const char *const args[] = { "cat-file", "-e", id, NULL };
	dv_error before;

	dv_error_take(&before);
	bool done = dv_git_is_partial(g) && !run(g, args, NULL, NULL);
	dv_error_put(&before);
	return done;
}

int dv_gitask_bring_objects(dv_git *g, const char *remote, const dv_buf *ids)
{
	/* As git itself asks for them: nothing is said about what is here, and nothing but the
	 * objects comes. */
	const char *const args[] = {
		"-c", "fetch.negotiationAlgorithm=noop", "-c", "maintenance.auto=false", "fetch",
		"--no-tags", "--no-write-fetch-head", "--recurse-submodules=no",
		"--filter=blob:none", "--stdin", remote, NULL };

	return run(g, args, ids, NULL);
}
