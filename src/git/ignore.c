/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ignore rules. Each folder's file is parsed once into a list of rules; a query asks the lists from
 * the folder of the path up to the root, last rule first, for the path and each folder above it.
 */
#include "git/ignore.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "git/wildmatch.h"

#define RULES_MAX 100000

struct rule {
	dv_ignore_rule why;
	char *text;		/* pattern as written, owned */
	char *glob;		/* without '!', slashes at the ends and trailing blanks */
	bool negate, dir_only;
	bool anchored;		/* against the path from the file's folder, else the last name */
	bool literal;		/* no wildcard: compared */
};

struct folder {
	char *dir;		/* relative to the root, "" for it */
	char *file;
	struct folder *parent;	/* NULL for the root */
	bool any;		/* there are rules here or above */
	struct rule *rules;
	size_t n, cap;
};

struct dv_ignore {
	char *root;
	struct folder **folders;	/* sorted by dir; also those without rules */
	size_t n, cap;
	struct folder *last;	/* asked for last; walks ask for one folder many times */
	pthread_mutex_t lock;
};

static const dv_ignore_rule built_in[] = {
	{ .pattern = ".git", .file = "", .line = 0 },
	{ .pattern = ".dv", .file = "", .line = 0 },
};

static void folder_free(struct folder *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++) {
		free(f->rules[i].text);
		free(f->rules[i].glob);
	}
	free(f->rules);
	free(f->dir);
	free(f->file);
	free(f);
}

int dv_ignore_new(dv_ignore **out, const char *root)
{
	dv_autoptr(dv_ignore) i = dv_calloc(1, sizeof(*i));

	*out = NULL;
	if (!i)
		return DV_ERROR;
	pthread_mutex_init(&i->lock, NULL);
	i->root = root ? dv_strdup(root) : NULL;
	if (root && !i->root)
		return DV_ERROR;
	*out = dv_steal(&i);
	return 0;
}

void dv_ignore_free(dv_ignore *i)
{
	if (!i)
		return;
	for (size_t k = 0; k < i->n; k++)
		folder_free(i->folders[k]);
	free(i->folders);
	free(i->root);
	pthread_mutex_destroy(&i->lock);
	free(i);
}

/* -- parsing ----------------------------------------------------------------------------------- */

/* Trailing blanks go unless the last is behind a backslash; a CR before the newline goes. */
static size_t trim(const char *s, size_t n)
{
	if (n && s[n - 1] == '\r')
		n--;
	while (n && s[n - 1] == ' ') {
		size_t slashes = 0;
		while (slashes < n - 1 && s[n - 2 - slashes] == '\\')
			slashes++;
		if (slashes % 2)
			break;
		n--;
	}
	return n;
}

static int add_rule(struct folder *f, const char *s, size_t n, int line)
{
	struct rule r = { .why.line = line };

	n = trim(s, n);
	if (!n || *s == '#' || memchr(s, 0, n) || f->n >= RULES_MAX)
		return 0;
	r.text = dv_strndup(s, n);
	if (!r.text)
		return DV_ERROR;
	if (*s == '!')
		r.negate = true, s++, n--;
	if (n && s[n - 1] == '/')
		r.dir_only = true, n--;
	r.anchored = memchr(s, '/', n) != NULL;
	if (n && *s == '/')
		s++, n--;
	r.glob = n ? dv_strndup(s, n) : NULL;
	r.literal = r.glob && !strpbrk(r.glob, "*?[\\");
	r.why.pattern = r.text;
	r.why.file = f->file;
	int rc = r.glob ? dv_grow(&f->rules, &f->cap, f->n + 1, sizeof(r)) : n ? DV_ERROR : 0;
	if (rc || !r.glob) {
		free(r.text);
		free(r.glob);
		return rc;
	}
	f->rules[f->n++] = r;
	return 0;
}

static int parse(struct folder *f, const char *text, size_t n)
{
	int rc = 0, line = 0;

	if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		text += 3, n -= 3;
	while (n && !rc) {
		const char *eol = memchr(text, '\n', n);
		size_t len = eol ? (size_t)(eol - text) : n;
		rc = add_rule(f, text, len, ++line);
		len += eol != NULL;
		text += len, n -= len;
	}
	return rc;
}

static struct folder *folder_new(const char *dir, size_t n)
{
	struct folder *f = dv_calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->dir = dv_strndup(dir, n);
	f->file = f->dir ? dv_path_join(f->dir, DV_IGNORE_FILE) : NULL;
	if (f->file)
		return f;
	folder_free(f);
	return NULL;
}

/* Where folder dir[0..n) is, or would be inserted. */
static size_t folder_slot(const dv_ignore *i, const char *dir, size_t n, bool *found)
{
	size_t lo = 0, hi = i->n;

	*found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strncmp(i->folders[mid]->dir, dir, n);
		if (!c && i->folders[mid]->dir[n])
			c = 1;
		if (!c) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int folder_insert(dv_ignore *i, struct folder *f, size_t at)
{
	int rc = dv_grow(&i->folders, &i->cap, i->n + 1, sizeof(struct folder *));

	if (rc)
		return rc;
	memmove(i->folders + at + 1, i->folders + at, (i->n - at) * sizeof(struct folder *));
	i->folders[at] = f;
	i->n++;
	return 0;
}

/* The rules of a folder whose parent is known, read when it is met first. NULL when memory runs
 * out. Lock held. */
static struct folder *folder_one(dv_ignore *i, struct folder *parent, const char *dir, size_t n)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	bool found;
	size_t at = folder_slot(i, dir, n, &found);

	if (found)
		return i->folders[at];
	struct folder *f = folder_new(dir, n);
	if (!f || folder_insert(i, f, at)) {
		folder_free(f);
		return NULL;
	}
	f->parent = parent;
	f->any = parent && parent->any;
	if (!i->root)
		return f;
	dv_autofree char *path = dv_path_join(i->root, f->file);
	/* Most folders have none: one access call is all they cost. */
	if (!path || access(path, F_OK) != 0)
		return f;
	int rc = dv_fs_read_file(&text, path, DV_IGNORE_FILE_MAX);
	if (!rc)
		rc = parse(f, dv_buf_str(&text), text.n);
	if (rc && rc != DV_ENOTFOUND)
		dv_warn("%s; its rules are left out", dv_error_last()->message);
	f->any = f->any || f->n;
	return f;
}

/* As folder_one, with all folders above. */
static struct folder *folder_get(dv_ignore *i, const char *dir, size_t n)
{
	struct folder *f = i->last;

	if (f && !strncmp(f->dir, dir, n) && !f->dir[n])
		return f;
	bool found;
	size_t at = folder_slot(i, dir, n, &found);
	if (found)
		return i->last = i->folders[at];
	f = folder_one(i, NULL, "", 0);
	for (size_t k = 0; f && k < n; k++) {
		k += strcspn(dir + k, "/");
		f = folder_one(i, f, dir, k < n ? k : n);
	}
	return i->last = f;
}

int dv_ignore_add_text(dv_ignore *i, const char *dir, const char *text, size_t n)
{
	pthread_mutex_lock(&i->lock);
	struct folder *f = folder_get(i, dir, strlen(dir));
	int rc = f ? parse(f, text, n) : DV_ERROR;
	/* What lies below may have been read before. */
	for (size_t k = 0; !rc && f->n && k < i->n; k++)
		if (!*dir || dv_path_below(i->folders[k]->dir, dir, NULL))
			i->folders[k]->any = true;
	pthread_mutex_unlock(&i->lock);
	return rc;
}

/* -- matching ---------------------------------------------------------------------------------- */

/* `path` relative to the rule's folder; `name` its last component. */
static bool rule_matches(const struct rule *r, const char *path, const char *name, bool is_dir)
{
	if (r->dir_only && !is_dir)
		return false;
	const char *subject = r->anchored ? path : name;
	return r->literal ? !strcmp(r->glob, subject) : dv_wildmatch(r->glob, subject);
}

/* The last rule for exactly this path, asking its folder first, then those above. Lock held. */
static const struct rule *decide(dv_ignore *i, const char *path, bool is_dir)
{
	const char *name = dv_path_base(path);
	size_t n = (size_t)(name - path);	/* with the slash */
	struct folder *f = folder_get(i, path, n ? n - 1 : 0);

	for (; f && f->any; f = f->parent) {
		size_t skip = *f->dir ? strlen(f->dir) + 1 : 0;
		for (size_t k = f->n; k-- > 0; )
			if (rule_matches(&f->rules[k], path + skip, name, is_dir))
				return &f->rules[k];
	}
	return NULL;
}

/* NULL, or the built-in rule for a component of this name. */
static const dv_ignore_rule *built_in_rule(const char *name)
{
	return !strcmp(name, ".git") ? &built_in[0] : !strcmp(name, ".dv") ? &built_in[1] : NULL;
}

static bool match_one(dv_ignore *i, const char *path, bool is_dir, const dv_ignore_rule **why)
{
	const dv_ignore_rule *b = built_in_rule(dv_path_base(path));

	if (b) {
		*why = b;
		return true;
	}
	const struct rule *r = decide(i, path, is_dir);
	*why = r ? &r->why : NULL;
	return r && !r->negate;
}

bool dv_ignore_match_here(dv_ignore *i, const char *path, bool is_dir, const dv_ignore_rule **why)
{
	const dv_ignore_rule *w = NULL;

	pthread_mutex_lock(&i->lock);
	bool ignored = *path && match_one(i, path, is_dir, &w);
	pthread_mutex_unlock(&i->lock);
	if (why)
		*why = w;
	return ignored;
}

bool dv_ignore_match(dv_ignore *i, const char *path, bool is_dir, const dv_ignore_rule **why)
{
	dv_autofree char *copy = dv_strdup(path);
	const dv_ignore_rule *w = NULL;
	bool ignored = false;

	if (why)
		*why = NULL;
	if (!copy || !*copy)
		return false;
	for (char *slash = strchr(copy, '/'); slash && !ignored; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		ignored = dv_ignore_match_here(i, copy, true, &w);
		*slash = '/';
	}
	if (!ignored)
		ignored = dv_ignore_match_here(i, path, is_dir, &w);
	if (why)
		*why = w;
	return ignored;
}
