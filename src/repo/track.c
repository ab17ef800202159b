/* SPDX-License-Identifier: Apache-2.0 */
/* dv_track and dv_untrack: lines of .gitattributes; and which files they concern. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "git/attributes.h"
#include "git/drivers.h"
#include "repo/filtered.h"

#define ATTRIBUTES " filter=dv diff=dv merge=dv -text"

typedef struct track {
	dv_repo *r;
	dv_lock lock;
	char *dir, *rel;	/* the folder of the call and its .gitattributes, below the root */
	char *path;		/* the same, absolute */
	dv_buf text;
} track;

static void track_release(track *t)
{
	dv_lock_release(&t->lock);
	free(t->dir);
	free(t->rel);
	free(t->path);
	dv_buf_release(&t->text);
}

static int track_open(track *t)
{
	struct stat st;
	int rc = dv_repo_rel(t->r, ".", &t->dir);
	dv_git *git;

	if (!rc && !t->r->has_git)
		return dv_err_hint(dv_err(DV_ERROR, "the filter is git's, and the workspace has no "
					  "git"), "run 'dv add' to track files");
	/* What git cannot do here is found before anything is written. */
	if (!rc && !(rc = dv_repo_git(t->r, &git)))
		rc = dv_git_check(git);
	if (!rc)
		t->rel = *t->dir ? dv_path_join(t->dir, DV_ATTRIBUTES_FILE)
				 : dv_strdup(DV_ATTRIBUTES_FILE);
	if (!rc)
		t->path = t->rel ? dv_repo_abs(t->r, t->rel) : NULL;
	if (rc || !t->path)
		return rc ? rc : dv_err_nomem();
	rc = dv_repo_lock(t->r, &t->lock);
	if (rc || lstat(t->path, &st))
		return rc;
	if (!S_ISREG(st.st_mode))
		return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' is no regular file", t->rel),
				   "replace it with a file; git follows no link there");
	return dv_fs_read_file(&t->text, t->path, DV_ATTRIBUTES_MAX);
}

/* -- patterns ---------------------------------------------------------------------------------- */

/* The pattern as a line of .gitattributes begins with it. */
static int quote(dv_buf *out, const char *p)
{
	static const char blanks[] = " \t\"\r\n\v\f";

	if (!p[strcspn(p, blanks)] && *p != '#' && *p != '[')
		return dv_buf_adds(out, p);
	dv_buf_addc(out, '"');
	for (; *p; p++) {
		if (*p == '"' || *p == '\\')
			dv_buf_addc(out, '\\');
		if (*p > 0 && *p < ' ')
			dv_buf_addf(out, "\\%03o", (unsigned)*p);
		else
			dv_buf_addc(out, *p);
	}
	return dv_buf_addc(out, '"');
}

/* What the user wrote, as a pattern: "./" goes, and a folder stands for what is in it. */
static int pattern_of(dv_buf *out, const char *user, bool literal)
{
	while (!strncmp(user, "./", 2))
		user += 2;
	if (!*user || *user == '!' || strlen(user) > 4096)
		return dv_err_hint(dv_err(DV_EUSAGE, "'%s' is no pattern of .gitattributes", user),
				   "a pattern is one as '*.bin', 'data/**' or 'a/b.csv'");
	if (literal && strchr(user, '/') == NULL)
		dv_buf_addc(out, '/');
	for (const char *s = user; *s; s++) {
		if (literal && strchr("*?[\\", *s))
			dv_buf_addc(out, '\\');
		dv_buf_addc(out, *s);
	}
	if (!out->err && out->n && out->p[out->n - 1] == '/')
		dv_buf_adds(out, "**");
	return out->err;
}

static int check_pattern(const char *p)
{
	const char *base = dv_path_base(p);

	if (!dv_repo_is_meta(base) && strcmp(base, "*" DV_POINTER_SUFFIX) != 0 &&
	    strcmp(base, DV_ATTRIBUTES_FILE) != 0)
		return 0;
	return dv_err_hint(dv_err(DV_EUSAGE, "cannot track '%s': such files belong to dv or git "
				  "itself", p), "keep them in git as they are");
}

/* -- lines ------------------------------------------------------------------------------------- */

typedef struct line {
	const char *p;
	size_t len;		/* without the line feed */
	size_t step;
	bool ours;		/* sets the filter to dv's */
	bool other;		/* or says something else of it */
} line;

/* The next line, and whether it is one of that pattern. */
static bool look_at_line(line *l, const char *p, size_t n, const char *pattern, dv_buf *scratch)
{
	const char *eol = memchr(p, '\n', n);
	dv_autoptr(dv_attributes) a = NULL;
	size_t at = 0;

	*l = (line){ .p = p, .len = eol ? (size_t)(eol - p) : n };
	l->step = l->len + (eol != NULL);
	if (!dv_attributes_pattern(p, l->len, scratch, &at) ||
	    (pattern && strcmp(dv_buf_str(scratch), pattern) != 0) || dv_attributes_new(&a) ||
	    dv_attributes_add(a, "", p, l->len))
		return false;
	l->ours = dv_attributes_any(a);
	l->other = !l->ours && memmem(p + at, l->len - at, "filter", 6);
	return true;
}

/* Is the pattern tracked by the last line that is about it and the filter? */
static bool is_tracked(const dv_buf *text, const char *pattern)
{
	dv_auto(dv_buf) scratch = DV_BUF_INIT;
	bool yes = false;
	line l;

	for (size_t i = 0; i < text->n; i += l.step)
		if (look_at_line(&l, text->p + i, text->n - i, pattern, &scratch) &&
		    (l.ours || l.other))
			yes = l.ours;
	return yes;
}

/* Takes away the lines that track the pattern. */
static int drop_lines(dv_buf *text, const char *pattern, bool *any)
{
	dv_auto(dv_buf) scratch = DV_BUF_INIT, rest = DV_BUF_INIT;
	line l;

	*any = false;
	for (size_t i = 0; i < text->n; i += l.step) {
		if (look_at_line(&l, text->p + i, text->n - i, pattern, &scratch) && l.ours)
			*any = true;
		else
			dv_buf_add(&rest, l.p, l.step);
	}
	dv_buf_clear(text);
	return rest.err ? rest.err : dv_buf_add(text, rest.p, rest.n);
}

static int write_back(track *t, bool no_stage)
{
	const char *const paths[] = { t->rel };
	dv_git *g;
	int rc = dv_scratch_write(&t->r->scratch, t->path, t->text.p, t->text.n,
				  DV_ATOMIC_SYNC | DV_ATOMIC_KEEP_MODE);

	if (rc || !dv_repo_autostage(t->r, no_stage))
		return rc;
	rc = dv_repo_git(t->r, &g);
	return rc ? rc : dv_git_stage(g, paths, 1, NULL, 0);
}

static int one_pattern(track *t, const char *user, bool add, bool literal, bool *did)
{
	dv_auto(dv_buf) pattern = DV_BUF_INIT;
	int rc = pattern_of(&pattern, user, literal);
	const char *p = dv_buf_str(&pattern);

	if (!rc && add)
		rc = check_pattern(p);
	if (rc)
		return rc;
	if (add && !is_tracked(&t->text, p)) {
		*did = true;
		if (t->text.n && t->text.p[t->text.n - 1] != '\n')
			dv_buf_addc(&t->text, '\n');
		quote(&t->text, p);
		rc = dv_buf_adds(&t->text, ATTRIBUTES "\n");
	} else if (!add) {
		rc = drop_lines(&t->text, p, did);
	}
	return rc;
}

static int tell_pattern(const track *t, const char *user, bool literal, bool did, dv_track_cb cb,
			void *payload)
{
	dv_auto(dv_buf) pattern = DV_BUF_INIT;
	int rc = pattern_of(&pattern, user, literal);
	const dv_track_event e = { .pattern = dv_buf_str(&pattern), .file = t->rel,
				   .changed = did };

	return rc || !cb ? rc : cb(&e, payload);
}

static int change(dv_repo *r, const char *const *patterns, size_t n, const dv_track_options *o,
		  bool add, dv_track_cb cb, void *payload)
{
	__attribute__((cleanup(track_release))) track t = { .r = r, .lock = DV_LOCK_INIT };
	dv_autofree bool *did = dv_calloc(n + 1, sizeof(*did));
	bool changed = false;
	int rc = did ? track_open(&t) : DV_ERROR;

	for (size_t i = 0; !rc && i < n; i++) {
		rc = one_pattern(&t, patterns[i], add, o->filename, &did[i]);
		changed |= did[i];
	}
	if (!rc && add)
		rc = dv_gitdrivers_write(&r->dirs, DV_DRIVERS_ALL, false, NULL);
	if (!rc && changed)
		rc = write_back(&t, o->no_stage);
	/* Only what is written was done. */
	for (size_t i = 0; !rc && i < n; i++)
		rc = tell_pattern(&t, patterns[i], o->filename, did[i], cb, payload);
	return rc;
}

int dv_track(dv_repo *r, const char *const *patterns, size_t n, const dv_track_options *o,
	     dv_track_cb cb, void *payload)
{
	return change(r, patterns, n, DV_OR_ZERO(o), true, cb, payload);
}

int dv_untrack(dv_repo *r, const char *const *patterns, size_t n, const dv_track_options *o,
	       dv_track_cb cb, void *payload)
{
	return change(r, patterns, n, DV_OR_ZERO(o), false, cb, payload);
}

/* -- looking ----------------------------------------------------------------------------------- */

struct told {
	dv_track_cb cb;
	void *payload;
};

static int tell_rules(const char *file, const char *text, size_t n, void *payload)
{
	const struct told *t = payload;
	dv_auto(dv_buf) pattern = DV_BUF_INIT;
	int rc = 0;
	line l;

	for (size_t i = 0; !rc && i < n; i += l.step)
		if (look_at_line(&l, text + i, n - i, NULL, &pattern) && l.ours &&
		    strncmp(dv_buf_str(&pattern), "[attr]", 6) != 0)
			rc = t->cb(&(dv_track_event){ .pattern = dv_buf_str(&pattern),
						      .file = file }, t->payload);
	return rc;
}

int dv_track_list(dv_repo *r, dv_track_cb cb, void *payload)
{
	struct told t = { cb, payload };

	return dv_filtered_rules(r, tell_rules, &t);
}

int dv_track_raw(dv_repo *r, dv_path_cb cb, void *payload)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	dv_auto(dv_path_list) raw = DV_PATH_LIST_INIT;
	int rc = dv_filtered_list(r, &l, &raw);

	for (size_t i = 0; !rc && i < raw.n; i++)
		rc = cb(raw.p[i], payload);
	return rc;
}

static int tell_file(dv_repo *r, dv_store *s, const dv_output *o, bool look, dv_filtered_cb cb,
		     void *payload)
{
	static const char marks[] = { [DV_FILTERED_SAME] = '*', [DV_FILTERED_POINTER] = '-',
				      [DV_FILTERED_ABSENT] = ' ', [DV_FILTERED_CHANGED] = '*' };
	enum dv_filtered_state state = DV_FILTERED_ABSENT;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_scanned now;
	int rc = look ? dv_filtered_peek(r, o, &state, &now) : 0;

	dv_oid_hex(hex, &o->pointer.oid);
	return rc ? rc : cb(&(dv_filtered_info){ .path = o->path, .oid = hex,
						 .size = o->pointer.size, .mark = marks[state],
						 .cached = dv_store_has_object(s,
									       &o->pointer.oid) },
			    payload);
}

int dv_ls_files(dv_repo *r, const char *rev, dv_filtered_cb cb, void *payload)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	dv_store *s = NULL;
	int rc = dv_repo_store_look(r, &s);

	if (!rc)
		rc = rev ? dv_repo_outputs_at(r, rev, &l) : dv_filtered_list(r, &l, NULL);
	for (size_t i = 0; !rc && i < l.n; i++)
		if (l.o[i].filtered)
			rc = tell_file(r, s, &l.o[i], rev == NULL, cb, payload);
	return rc;
}
