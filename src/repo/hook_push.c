/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before git pushes commits, their data goes to the remote of dv. What the commits have that no
 * remote-tracking branch has is what may be new there; the remote itself is asked what it lacks. No
 * connection is made where no pointer is new.
 */
#include "repo/hook.h"

#include <string.h>

#include "base/alloc.h"
#include "base/words.h"
#include "repo/sync.h"

#define INPUT_MAX ((size_t)64 << 20)	/* some hundred thousand refs */

void dv_hook_call_release(dv_hook_call *h)
{
	dv_buf_release(&h->text);
}

typedef struct push {
	dv_repo *repo;
	dv_path_list tips;	/* commits that go */
	dv_path_list known;	/* "^" and commits that are elsewhere already */
	dv_output_list outputs;
	dv_map seen;		/* stages of lock files */
} push;

static void push_release(push *p)
{
	dv_path_list_release(&p->tips);
	dv_path_list_release(&p->known);
	dv_output_list_release(&p->outputs);
	dv_map_release(&p->seen);
}

static int add_known(push *p, const char *hex)
{
	dv_auto(dv_buf) rev = DV_BUF_INIT;
	int rc = dv_buf_addf(&rev, "^%s", hex);

	return rc < 0 ? rc : dv_path_list_add(&p->known, dv_buf_str(&rev));
}

static int on_ref(const char *name, const char *hex, void *payload)
{
	return strncmp(name, "remotes/", 8) == 0 ? add_known(payload, hex) : 0;
}

static bool is_id(const char *s, size_t n)
{
	return n >= DV_GIT_HEX && strspn(s, "0123456789abcdef") >= n && strspn(s, "0") < n;
}

/* "LOCAL-REF LOCAL-ID REMOTE-REF REMOTE-ID" */
static int take_line(push *p, dv_git *g, const char *line, size_t n)
{
	dv_autofree char *text = dv_strndup(line, n);
	char *save = NULL, *word[4] = { NULL }, hex[DV_GIT_HEX + 1];
	int rc = 0;

	if (!text)
		return DV_ERROR;
	for (int i = 0; i < 4; i++)
		word[i] = strtok_r(i ? NULL : text, " ", &save);
	if (!word[3])
		return 0;
	if (is_id(word[1], strlen(word[1])))
		rc = dv_git_resolve(g, word[1], hex);
	else
		return 0;	/* a branch that is deleted there */
	if (rc < 0) {
		/* A tag of something that is no commit has no data. */
		dv_error_clear();
		return 0;
	}
	rc = dv_path_list_add(&p->tips, hex);
	if (rc == 0 && is_id(word[3], strlen(word[3]))) {
		if (dv_git_resolve(g, word[3], hex) == 0)
			rc = add_known(p, hex);
		else
			dv_error_clear();	/* not fetched: nothing is known about it */
	}
	return rc;
}

static int read_input(push *p, dv_hook_call *h, dv_git *g)
{
	int rc = h->read ? 0 : dv_fs_read_fd(&h->text, h->in, "the refs to push", INPUT_MAX);

	h->read = true;
	for (const char *s = dv_buf_str(&h->text); rc == 0 && *s;) {
		size_t n = strcspn(s, "\n");

		rc = take_line(p, g, s, n);
		s += n + (s[n] == '\n');
	}
	return rc;
}

static int on_record(const char *where, const char *path, const char *text, size_t n,
		     void *payload)
{
	push *p = payload;
	int rc = dv_output_list_read(&p->outputs, path, text, n, &p->seen);

	if (rc == DV_ECORRUPT || rc == DV_EUNSAFE) {
		dv_warn("in revision %.10s: %s", where, dv_error_last()->message);
		dv_error_clear();
		return 0;
	}
	return rc < 0 ? dv_err_ctx(rc, "in revision %.10s", where) : 0;
}

static int find_outputs(push *p, dv_git *g)
{
	return p->tips.n == 0 ? 0 : dv_git_pointers_new(g, (const char *const *)p->tips.p,
							p->tips.n,
							(const char *const *)p->known.p,
							p->known.n, on_record, p);
}

/* Those that are never pushed are none. */
static size_t to_push(const push *p, const dv_repo *r, bool *remote)
{
	size_t n = 0;

	for (size_t i = 0; i < p->outputs.n; i++) {
		dv_autofree char *url = NULL;
		const char *name = p->outputs.o[i].pointer.remote;

		if (p->outputs.o[i].pointer.no_push)
			continue;
		n++;
		if (!*remote && dv_config_remote(&r->config, r->root, name, NULL, &url) == 0)
			*remote = true;
	}
	dv_error_clear();
	return n;
}

static int blocked(int rc, const dv_hook_call *h)
{
	const char *git = h->nargs && h->args[0][0] ? h->args[0] : "REMOTE";

	if (rc == DV_ECANCELLED)
		return rc;
	dv_hook_say(h, DV_HOOK_WARNING, "the data did not go ahead, so git does not push");
	dv_hook_say(h, DV_HOOK_HINT, "'git push --no-verify %s' pushes without it, and 'dv push "
		    "-A' sends it later", git);
	return rc;
}

int dv_hook_pre_push(dv_hook_call *h, dv_repo *r)
{
	dv_auto(push) p = { .repo = r };
	dv_transfer_summary sum = { 0 };
	char size[DV_SIZE_WORDS];
	bool remote = false;
	dv_git *g = NULL;
	size_t n;
	int rc;

	if ((rc = dv_repo_git(r, &g)) < 0 || (rc = read_input(&p, h, g)) < 0)
		return rc;
	if (p.tips.n == 0)
		return 0;
	if ((rc = dv_git_refs(g, on_ref, &p)) < 0 || (rc = find_outputs(&p, g)) < 0)
		return rc;
	n = to_push(&p, r, &remote);
	if (n == 0)
		return 0;
	if (!remote) {
		dv_hook_say(h, DV_HOOK_WARNING, "these commits name data, and there is no remote "
			    "to push it to: others will not have it");
		dv_hook_say(h, DV_HOOK_HINT, "run 'dv remote add -d NAME URL', then 'dv push -A'");
		return 0;
	}
	rc = dv_sync_push(r, &p.outputs, NULL, &sum);
	if (rc < 0)
		return blocked(rc, h);
	if (sum.objects)
		dv_hook_say(h, DV_HOOK_NOTE, "data pushed: %llu %s, %s",
			    (unsigned long long)sum.objects,
			    sum.objects == 1 ? "object" : "objects",
			    dv_size_words(size, sum.bytes));
	return 0;
}
