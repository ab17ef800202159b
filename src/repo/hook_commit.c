/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before a commit somebody says what was forgotten: data that changed and was not recorded, and
 * data that went past the filter, so that git would hold all of it. Nothing is stopped, and nobody
 * waits for long.
 */
#include "repo/hook.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/path.h"
#include "repo/changes.h"
#include "repo/record.h"

#define FILE_MAX ((size_t)1 << 30)	/* of git's index */
#define NAMED_MAX 5	/* files; the others are counted */
#define LOOK_SECONDS 3	/* so long, at most, a commit waits for a look at the data */

/* Names of which the first few are told. */
typedef struct names {
	dv_buf text;
	size_t n;
} names;

static void names_release(names *l)
{
	dv_buf_release(&l->text);
}

static int add_name(names *l, const char *name)
{
	if (l->n++ < NAMED_MAX)
		dv_buf_addf(&l->text, "%s '%s'", l->n > 1 ? "," : "", name);
	return l->text.err;
}

static void say_names(const dv_hook_call *h, const names *l, const char *what)
{
	if (l->n > NAMED_MAX)
		dv_hook_say(h, DV_HOOK_WARNING, "%s:%s and %zu more", what, dv_buf_str(&l->text),
			    l->n - NAMED_MAX);
	else
		dv_hook_say(h, DV_HOOK_WARNING, "%s:%s", what, dv_buf_str(&l->text));
}

static int on_raw(const char *path, void *payload)
{
	return add_name(payload, path);
}

/* Has the library stop when its time is up. */
typedef struct timer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool running, over, fired;
} timer;

static void *timer_main(void *arg)
{
	timer *t = arg;
	struct timespec end;
	int e = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LOOK_SECONDS;
	pthread_mutex_lock(&t->lock);
	while (!t->over && e == 0)
		e = pthread_cond_timedwait(&t->done, &t->lock, &end);
	if (!t->over && !dv_cancel_requested()) {
		t->fired = true;
		dv_cancel();
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void timer_start(timer *t)
{
	*t = (timer){ .lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER };
	t->running = pthread_create(&t->thread, NULL, timer_main, t) == 0;
}

/* True when the time was up. */
static bool timer_stop(timer *t)
{
	if (!t->running)
		return false;
	pthread_mutex_lock(&t->lock);
	t->over = true;
	pthread_cond_signal(&t->done);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	if (t->fired)
		dv_cancel_reset();
	return t->fired;
}

/* What pre-commit looks at, and what it found. */
typedef struct look {
	dv_repo *repo;
	dv_output_list head;	/* outputs of HEAD, once they were needed */
	bool asked;
	names changed;		/* not as the pointers say, nor as those of HEAD do */
	names behind;		/* as the pointers of HEAD say: what changed are the pointers */
} look;

static void look_release(look *l)
{
	dv_output_list_release(&l->head);
	names_release(&l->changed);
	names_release(&l->behind);
}

/* Data that was not brought yet is no change of the user's. */
static int differs(dv_scan *scan, const dv_output *o, dv_scanned *now, bool *yes)
{
	dv_tree_entry want = dv_pointer_entry(&o->pointer);
	int rc = dv_check_cancel();

	if (rc < 0 || (rc = dv_scan_path(scan, o->path, now)) < 0)
		return rc;
	*yes = now->kind && (now->kind != want.kind || !dv_oid_eq(&now->oid, &want.oid));
	return dv_scan_remember(scan);
}

/* After a stash or a merge it is the pointer that went ahead. */
static int add_changed(look *l, const dv_output *o, const dv_scanned *now)
{
	if (!l->asked) {
		l->asked = true;
		/* Without a commit, or with one that cannot be read, nothing is behind it. */
		if (dv_repo_outputs_at(l->repo, "HEAD", &l->head) < 0) {
			if (dv_error_last()->code == DV_ECANCELLED)
				return DV_ECANCELLED;
			dv_error_clear();
		}
	}
	const dv_output *was = dv_output_list_find(&l->head, o->path);
	bool behind = was && dv_oid_eq(&was->pointer.oid, &now->oid);

	return add_name(behind ? &l->behind : &l->changed, o->path);
}

/* Most often nothing did: so the first look does without the store, which it takes time to open,
 * and what seems to differ is looked at again. */
static int find_changes(look *l)
{
	dv_auto(dv_output_list) outputs = DV_OUTPUT_LIST_INIT;
	dv_autoptr(dv_pool) pool = NULL;
	dv_autoptr(dv_scan) quick = NULL;
	dv_autoptr(dv_scan) scan = NULL;
	int rc = dv_repo_outputs(l->repo, &outputs);

	if (rc < 0 || outputs.n == 0)
		return rc;
	if ((rc = dv_repo_pool(&pool, l->repo, 0)) < 0 ||
	    (rc = dv_scan_new_alone(&quick, l->repo, pool)) < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < outputs.n; i++) {
		dv_scanned now;
		bool yes = false;

		rc = differs(quick, &outputs.o[i], &now, &yes);
		if (rc < 0 || !yes)
			continue;
		if (!scan)
			rc = dv_scan_new(&scan, l->repo, pool, NULL);
		if (rc == 0)
			rc = differs(scan, &outputs.o[i], &now, &yes);
		if (rc == 0 && yes)
			rc = add_changed(l, &outputs.o[i], &now);
	}
	return rc;
}

static int warn_of_changes(dv_hook_call *h, dv_repo *r)
{
	dv_auto(look) l = { .repo = r, .head = DV_OUTPUT_LIST_INIT };
	timer t;
	bool late;
	int rc;

	timer_start(&t);
	rc = find_changes(&l);
	late = timer_stop(&t);
	if (l.changed.n) {
		say_names(h, &l.changed, "not recorded: changes of");
		dv_hook_say(h, DV_HOOK_HINT, "'dv status' shows them, 'dv commit' records them; "
			    "then commit the pointers as well");
	}
	/* The commit that ends a merge is followed. */
	if (l.behind.n && !dv_hook_will_follow(&r->dirs)) {
		say_names(h, &l.behind, "older than the pointers: the data of");
		dv_hook_say(h, DV_HOOK_HINT, "'dv checkout' brings what the pointers say");
	}
	if (late && rc == DV_ECANCELLED) {
		dv_error_clear();
		if (!l.changed.n && !l.behind.n)
			dv_hook_say(h, DV_HOOK_NOTE, "there is too much data to look for changes "
				    "in %d seconds; 'dv status' takes its time", LOOK_SECONDS);
		return 0;
	}
	return rc;
}

/* Without attributes nothing passes through the filter; then libgit2 need not be started, which
 * takes longer than all the rest. Names in the index are whole but in its version 4. */
static bool may_filter(const dv_repo *r)
{
	const char *env = getenv("GIT_INDEX_FILE");
	dv_autofree char *index = env && *env ? dv_path_join(r->dirs.workdir, env)
					      : dv_path_join(r->dirs.gitdir, "index");
	dv_autofree char *info = dv_path_join(r->dirs.commondir, "info/attributes");
	dv_auto(dv_buf) text = DV_BUF_INIT, own = DV_BUF_INIT;
	int rc = index ? dv_fs_read_file(&text, index, FILE_MAX) : DV_ERROR;

	if (info && dv_fs_read_file(&own, info, FILE_MAX) < 0)
		dv_buf_clear(&own);
	dv_error_clear();
	return rc < 0 || text.n < 12 || text.p[7] == 4 ||
	       memmem(text.p, text.n, ".gitattributes", 14) != NULL ||
	       (own.n && memmem(own.p, own.n, "filter=dv", 9) != NULL);
}

int dv_hook_pre_commit(dv_hook_call *h, dv_repo *r)
{
	dv_auto(names) raw = { .n = 0 };
	dv_git *g = NULL;
	int rc = 0;

	if (may_filter(r) && (rc = dv_repo_git(r, &g)) == 0)
		rc = dv_git_staged_raw(g, on_raw, &raw);
	if (raw.n) {
		say_names(h, &raw, "staged past the filter, so git would hold all of");
		dv_hook_say(h, DV_HOOK_HINT, "run 'dv install', then 'git add --renormalize' for "
			    "these files");
	}
	return rc < 0 ? rc : warn_of_changes(h, r);
}
