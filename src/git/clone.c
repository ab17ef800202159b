/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing revisions of other repositories; see clone.h. */
#include "git/clone.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/progress.h"
#include "base/url.h"
#include "git/impl.h"
#include "git/run.h"

#define REFS_MAX ((size_t)64 << 20)	/* of what git says about the references of a repository */
#define HEAD_REF "refs/dv/HEAD"

DV_DEFINE_AUTOPTR(git_remote)

/* -- addresses --------------------------------------------------------------------------------- */

int dv_git_check_url(const char *url)
{
	static const char *const schemes[] = { "http", "https", "ssh", "git", "file", "git+ssh",
					       "ssh+git", NULL };
	size_t n = dv_url_scheme(url), word = strcspn(url, "/:");
	int rc;

	if (!*url)
		return dv_err(DV_EUSAGE, "an empty URL");
	if (*url == '-' || (url[word] == ':' && url[word + 1] == ':'))
		return dv_err_hint(dv_err(DV_EUNSAFE, "refused '%s' as the address of a repository",
					  url), "give a URL or the path of a folder");
	if ((rc = dv_url_check(url)))
		return rc;
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return dv_err(DV_EUNSAFE, "refused a URL with control characters");
	if (!n) {
		const char *colon = strchr(url, ':'), *at = strchr(url, '@');

		if (dv_path_is_scp(url) && (colon[1] == '-' || (at && at < colon && at[1] == '-')))
			return dv_err(DV_EUNSAFE, "refused '%s' as the address of a repository",
				      url);
		return 0;
	}
	for (const char *const *s = schemes; *s; s++)
		if (strlen(*s) == n && !strncasecmp(url, *s, n))
			return 0;
	return dv_err_hint(dv_err(DV_EUSAGE, "no repository can be at a '%.*s' URL", (int)n, url),
			   "for data without git, there is 'dv import-url'");
}

static bool is_ssh(const char *url)
{
	size_t n = dv_url_scheme(url);

	return n ? n >= 3 && (!strncasecmp(url, "ssh", 3) || !strncasecmp(url + n - 3, "ssh", 3)) :
		   dv_path_is_scp(url);
}

static bool is_hex_id(const char *s)
{
	size_t n = strspn(s, "0123456789abcdefABCDEF");

	return !s[n] && (n == 40 || n == 64);
}

/* -- opening ----------------------------------------------------------------------------------- */

int dv_git_open_objects(dv_git **out, const char *path)
{
	dv_autoptr(dv_git) g = NULL;

	*out = NULL;
	int rc = dv_git_start();
	if (rc)
		return rc;
	if (!(g = dv_calloc(1, sizeof *g)))
		return DV_ERROR;
	if ((rc = dv_git_open_path(&g->repo, path)))
		return rc;
	g->root = dv_strdup(path);
	g->workdir = dv_strdup(path);
	g->commondir = dv_path_normal(git_repository_commondir(g->repo));
	g->prefix = dv_strdup("");
	if (!g->root || !g->workdir || !g->commondir || !g->prefix)
		return dv_err_nomem();
	*out = dv_steal(&g);
	return 0;
}

int dv_git_set_prefix(dv_git *g, const char *prefix)
{
	char *copy = dv_strdup(prefix);

	if (!copy)
		return DV_ERROR;
	free(g->prefix);
	g->prefix = copy;
	return 0;
}

/* -- what the other side has ------------------------------------------------------------------- */

/* Which reference stands for the revision that is wanted. */
typedef struct choice {
	const char *rev;	/* NULL: HEAD */
	int rank;		/* of what was found, 0: nothing */
	char ref[512];
	char hex[DV_GIT_HEX + 1];
	bool has_head;
	bool long_ids;		/* SHA-256 */
	size_t nrefs;
} choice;

/* As git does: a tag comes before a branch of the same name. */
static int rank_of(const char *rev, const char *ref)
{
	static const char *const before[] = { "", "refs/", "refs/tags/", "refs/heads/" };

	for (int i = 0; i < 4; i++) {
		size_t n = strlen(before[i]);

		if (!strncmp(ref, before[i], n) && !strcmp(ref + n, rev))
			return 4 - i;
	}
	return 0;
}

static void offer(choice *c, const char *ref, const char *hex)
{
	int rank = rank_of(c->rev ? c->rev : "HEAD", ref);

	c->nrefs++;
	c->has_head = c->has_head || !strcmp(ref, "HEAD");
	c->long_ids = c->long_ids || strlen(hex) > GIT_OID_HEXSZ;
	if (rank <= c->rank || strlen(ref) >= sizeof c->ref || strlen(hex) > DV_GIT_HEX)
		return;
	c->rank = rank;
	memcpy(c->ref, ref, strlen(ref) + 1);
	memcpy(c->hex, hex, strlen(hex) + 1);
}

#define SPECS_MAX 3	/* branches, tags, HEAD */
typedef struct ref_specs {
	dv_buf text[SPECS_MAX];
	const char *s[SPECS_MAX];
	size_t n;
} ref_specs;
static void ref_specs_release(ref_specs *s)
{
	for (size_t i = 0; i < SPECS_MAX; i++)
		dv_buf_release(&s->text[i]);
}

/* What is to be fetched: the one reference, or all, among which the revision is looked for. */
static int specs_make(ref_specs *s, const choice *c)
{
	int rc = 0;

	if (c->rank) {
		dv_buf_addf(&s->text[s->n++], "+%s:%s", c->ref,
			    strcmp(c->ref, "HEAD") ? c->ref : HEAD_REF);
	} else {
		dv_buf_adds(&s->text[s->n++], "+refs/heads/*:refs/heads/*");
		dv_buf_adds(&s->text[s->n++], "+refs/tags/*:refs/tags/*");
		if (c->has_head)
			dv_buf_adds(&s->text[s->n++], "+HEAD:" HEAD_REF);
	}
	for (size_t i = 0; !rc && i < s->n; i++) {
		s->s[i] = dv_buf_str(&s->text[i]);
		rc = s->text[i].err;
	}
	return rc;
}

static int no_refs(void)
{
	return dv_err_hint(dv_err(DV_ENOTFOUND, "it has no commits"), "push to it first");
}

/* -- by libgit2 -------------------------------------------------------------------------------- */

static int on_progress(const git_indexer_progress *p, void *payload)
{
	(void)p, (void)payload;
	return dv_cancel_requested() ? GIT_EUSER : 0;
}

static int on_text(const char *text, int n, void *payload)
{
	(void)text, (void)n, (void)payload;
	return dv_cancel_requested() ? GIT_EUSER : 0;
}

/* Keys of an agent, once; every other login is git's business. */
static int on_credentials(git_credential **out, const char *url, const char *user, unsigned allowed,
			  void *payload)
{
	bool *tried = payload;

	(void)url;
	if (*tried || !(allowed & (GIT_CREDENTIAL_SSH_KEY | GIT_CREDENTIAL_USERNAME)))
		return GIT_EAUTH;
	if (allowed & GIT_CREDENTIAL_USERNAME)
		return git_credential_username_new(out, user && *user ? user : "git");
	*tried = true;
	return git_credential_ssh_key_from_agent(out, user && *user ? user : "git");
}

static int open_mirror(git_repository **out, const char *dir)
{
	dv_autofree char *head = dv_path_join(dir, "HEAD");
	int gc;

	if (!head)
		return dv_err_nomem();
	if (access(head, F_OK) == 0)
		gc = git_repository_open_bare(out, dir);
	else
		gc = git_repository_init(out, dir, 1);
	return gc ? dv_git_fail(gc, "cannot open '%s'", dir) : 0;
}

static int fetch_by_library(git_repository *repo, const char *url, choice *c)
{
	dv_auto(ref_specs) specs = { .n = 0 };
	dv_autoptr(git_remote) remote = NULL;
	git_remote_create_options how;
	git_fetch_options o;
	const git_remote_head **heads = NULL;
	bool tried = false;
	size_t n = 0;
	git_oid id;

	git_fetch_options_init(&o, GIT_FETCH_OPTIONS_VERSION);
	o.callbacks.credentials = on_credentials;
	o.callbacks.transfer_progress = on_progress;
	o.callbacks.sideband_progress = on_text;
	o.callbacks.payload = &tried;
	o.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	o.proxy_opts.type = GIT_PROXY_AUTO;
	git_remote_create_options_init(&how, GIT_REMOTE_CREATE_OPTIONS_VERSION);
	how.repository = repo;
	how.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF;
	int gc = git_remote_create_with_opts(&remote, url, &how);
	if (!gc)
		gc = git_remote_connect(remote, GIT_DIRECTION_FETCH, &o.callbacks, &o.proxy_opts,
					NULL);
	if (!gc)
		gc = git_remote_ls(&heads, &n, remote);
	for (size_t i = 0; !gc && i < n; i++) {
		char hex[DV_GIT_HEX + 1];

		git_oid_tostr(hex, sizeof hex, &heads[i]->oid);
		offer(c, heads[i]->name, hex);
	}
	if (gc || !n)
		return gc ? dv_git_fail(gc, "cannot be reached") : no_refs();
	dv_autoptr(git_odb) odb = NULL;
	if (c->rank && !git_oid_fromstr(&id, c->hex) && !git_repository_odb(&odb, repo) &&
	    git_odb_exists(odb, &id))
		return 0;
	int rc = specs_make(&specs, c);
	if (rc)
		return rc;
	git_strarray list = { (char **)(uintptr_t)specs.s, specs.n };
	gc = git_remote_fetch(remote, &list, &o, NULL);
	return gc ? dv_git_fail(gc, "cannot fetch") : 0;
}

/* -- by the program ---------------------------------------------------------------------------- */

#define SAFE "-c", "protocol.ext.allow=never", "-c", "gc.auto=0", "-c", "maintenance.auto=false"

static int ask_program(const char *url, choice *c)
{
	const char *const argv[] = { SAFE, "ls-remote", "--", url, NULL };
	dv_auto(dv_buf) out = DV_BUF_INIT;
	dv_git_call call = { .argv = argv, .max = REFS_MAX };
	int rc = dv_git_run(&call, &out);

	for (char *p = out.p, *next; !rc && p && *p; p = next) {
		next = p + strcspn(p, "\n");
		if (*next)
			*next++ = 0;
		char *ref = strchr(p, '\t');
		if (!ref)
			continue;
		*ref++ = 0;
		if (is_hex_id(p) && !strchr(ref, '^'))
			offer(c, ref, p);
	}
	return rc || c->nrefs ? rc : no_refs();
}

static int fetch_specs(const char *dir, const char *url, const char *const *list, size_t n)
{
	dv_auto(dv_buf) where = DV_BUF_INIT;
	const char *argv[16 + SPECS_MAX] = { SAFE, NULL, "fetch", "--quiet", "--no-tags", "--force",
					     "--", url };
	dv_git_call call = { .argv = argv };
	size_t k = 0;

	dv_buf_addf(&where, "--git-dir=%s", dir);
	if (where.err)
		return where.err;
	argv[6] = where.p;
	while (argv[k])
		k++;
	for (size_t i = 0; i < n; i++)
		argv[k++] = list[i];
	return dv_git_run(&call, NULL);
}

static int fetch_by_program(const char *dir, const char *url, const choice *c)
{
	dv_auto(ref_specs) specs = { .n = 0 };
	int rc = specs_make(&specs, c);

	if (!rc)
		rc = fetch_specs(dir, url, specs.s, specs.n);

	/* Some servers hand out any commit of theirs, also one that no branch leads to. */
	if (!rc && !c->rank && is_hex_id(c->rev)) {
		(void)!fetch_specs(dir, url, &c->rev, 1);
		dv_error_clear();
	}
	return rc;
}

/* -- both -------------------------------------------------------------------------------------- */

static bool has_commit(git_repository *repo, const char *rev, char hex[DV_GIT_HEX + 1])
{
	dv_autoptr(git_commit) c = NULL;
	git_oid id;

	if (!rev || !repo || strlen(rev) != GIT_OID_HEXSZ || git_oid_fromstr(&id, rev) ||
	    git_commit_lookup(&c, repo, &id)) {
		git_error_clear();
		return false;
	}
	git_oid_tostr(hex, DV_GIT_HEX + 1, git_commit_id(c));
	return true;
}

static int unknown_revision(const char *rev, const char *url)
{
	return dv_err_hint(dv_err(DV_ENOTFOUND, "unknown revision '%s' in '%s'", rev ? rev : "HEAD",
				  url),
			   "'git ls-remote %s' lists its branches and tags", url);
}

/* The commit that the revision is, with everything that was fetched here. */
static int resolve(git_repository *repo, const char *url, const choice *c,
		   char hex[DV_GIT_HEX + 1])
{
	dv_autoptr(git_object) any = NULL;
	dv_autoptr(git_object) commit = NULL;
	git_oid id;

	if (!c->rank && c->has_head && !git_reference_name_to_id(&id, repo, HEAD_REF))
		git_repository_set_head_detached(repo, &id);
	if (git_revparse_single(&any, repo, c->rank ? c->hex : c->rev) ||
	    git_object_peel(&commit, any, GIT_OBJECT_COMMIT)) {
		git_error_clear();
		return unknown_revision(c->rev, url);
	}
	git_oid_tostr(hex, DV_GIT_HEX + 1, git_object_id(commit));
	return 0;
}

/* Do the user's settings put another address in the place of this one (url.X.insteadOf)? That is
 * git's business: libgit2 1.5 leaks what it matches patterns with. */
static bool is_rewritten(git_repository *repo, const char *url)
{
	git_config *config = NULL;
	git_config_iterator *it = NULL;
	git_config_entry *e = NULL;
	bool yes = false;

	if (!git_repository_config(&config, repo) && !git_config_iterator_new(&it, config))
		while (!yes && !git_config_next(&e, it)) {
			size_t n = strlen(e->name);

			yes = n > 14 && !strncmp(e->name, "url.", 4) &&
			      !strcmp(e->name + n - 10, ".insteadof") &&
			      !strncmp(url, e->value, strlen(e->value));
		}
	git_config_iterator_free(it);
	git_config_free(config);
	git_error_clear();
	return yes;
}

static int bring(git_repository *repo, const char *dir, const char *url, choice *c)
{
	int rc = DV_ERROR;

	/* ssh is the user's own: its settings, agents and jump hosts are what git knows. */
	bool program = dv_git_program();
	if (!program || !(is_ssh(url) || is_rewritten(repo, url))) {
		rc = fetch_by_library(repo, url, c);
		if (rc && dv_cancel_requested())
			return dv_check_cancel();
		if (!rc || rc == DV_ENOTFOUND || !program)
			return rc;
		*c = (choice){ .rev = c->rev };
	}
	rc = ask_program(url, c);
	if (!rc && c->long_ids)
		return dv_err_hint(dv_err(DV_ERROR, "its ids are of SHA-256, which cannot be "
					  "read from afar"),
				   "clone it with git, and give the path of the clone");
	return rc ? rc : fetch_by_program(dir, url, c);
}

int dv_git_bring(const char *dir, const char *url, const char *rev, char hex[DV_GIT_HEX + 1])
{
	dv_autoptr(git_repository) repo = NULL;
	choice c = { .rev = rev };
	dv_autofree char *shown = dv_url_redact(url);
	int rc = dv_git_start();

	if (rc || (rc = open_mirror(&repo, dir)))
		return rc;
	if (has_commit(repo, rev, hex))
		return 0;
	dv_progress_start("fetching from git", 0, 0);
	rc = bring(repo, dir, url, &c);
	dv_progress_end();
	if (rc == DV_ECANCELLED || !shown)
		return rc ? rc : DV_ERROR;
	return rc ? dv_err_ctx(rc, "repository '%s'", shown) : resolve(repo, shown, &c, hex);
}
