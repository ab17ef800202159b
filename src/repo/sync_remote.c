/* SPDX-License-Identifier: Apache-2.0 */
/* From the name of a remote to an open one: its address, its mirror, its settings. */
#include "repo/sync.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/sha256.h"

#define PROBE_TRIES 2	/* somebody waits, and perhaps without a network */

typedef struct remote_settings {
	dv_repo *repo;
	const char *name;
	dv_buf ssh;	/* the command that git's own settings name */
} remote_settings;

/* Programs that take other options than those of OpenSSH. */
static bool is_other_ssh(const char *command)
{
	static const char *const others[] = { "plink", "putty", "tortoiseplink" };
	size_t n = strcspn(command, " \t");

	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		size_t k = strlen(others[i]);

		if (n >= k && !strncasecmp(command + n - k, others[i], k) &&
		    (n == k || command[n - k - 1] == '/'))
			return true;
	}
	return false;
}

/* What git would run in place of ssh, so that who has told git need not tell dv; NULL: ssh. All of
 *  it is the user's own: a clone brings no .git/config. */
static const char *ssh_of_git(remote_settings *s)
{
	const char *env = getenv("GIT_SSH_COMMAND"), *program = getenv("GIT_SSH");
	dv_git *g = NULL;

	dv_buf_clear(&s->ssh);
	if (env && *env) {
		dv_buf_adds(&s->ssh, env);
	} else if (s->repo->guest) {
		/* What somebody else's repository says about it does not count. */
		if (dv_git_user_config("core.sshCommand", &s->ssh))
			dv_error_clear();
	} else if (!s->repo->has_git || dv_repo_git(s->repo, &g) ||
		   dv_git_config(g, "core.sshCommand", &s->ssh)) {
		dv_error_clear();
	}
	if (s->ssh.n == 0 && program && *program && !strpbrk(program, "'\n"))
		dv_buf_addf(&s->ssh, is_other_ssh(program) ? "%s" : "'%s'", program);
	return s->ssh.err || s->ssh.n == 0 || is_other_ssh(s->ssh.p) ? NULL : s->ssh.p;
}

static const char *remote_setting(void *ctx, const char *key)
{
	remote_settings *s = ctx;
	dv_auto(dv_buf) full = DV_BUF_INIT;

	if (dv_buf_addf(&full, "remote.%s.%s", s->name, key))
		return NULL;
	const char *value = dv_config_string(&s->repo->config, dv_buf_str(&full), NULL);
	return value || strcmp(key, "sshcommand") != 0 ? value : ssh_of_git(s);
}

/* "20m"; 0 when it is not set. What the settings hold was checked when it came in. */
static uint64_t size_setting(remote_settings *s, const char *key)
{
	const char *text = remote_setting(s, key);
	char *end = NULL;
	uint64_t n = text ? strtoull(text, &end, 10) : 0;

	switch (end ? *end | 0x20 : 0) {
	case 'k':
		return n << 10;
	case 'm':
		return n << 20;
	case 'g':
		return n << 30;
	}
	return n;
}

int dv_repo_remote_open(dv_repo *r, const char *name, bool create, dv_remote_store **out,
			char **name_out)
{
	return dv_sync_remote_open(r, name, &(dv_sync_how){ .create = create }, out, name_out);
}

/* What a remote is opened with. Owned, and in its place until it is released. */
typedef struct place {
	char *name, *url, *mirror;
	remote_settings settings;
	dv_remote_options o;
} place;
static void place_release(place *p)
{
	free(p->name);
	free(p->url);
	free(p->mirror);
	dv_buf_release(&p->settings.ssh);
}

static int place_find(place *p, dv_repo *r, const char *name, const dv_sync_how *how)
{
	dv_auto(dv_buf) path = DV_BUF_INIT, key = DV_BUF_INIT;
	enum dv_config_level level = DV_CONFIG_REPO;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid id;
	int rc = dv_config_remote(&r->config, r->root, name, &p->name, &p->url);

	if (rc < 0)
		return rc;
	dv_sha256(&id, p->url, strlen(p->url));
	dv_oid_hex(hex, &id);
	dv_buf_addf(&path, "%s/remotes/%.16s", r->dvdir, hex);
	dv_buf_addf(&key, "remote.%s.url", p->name);
	if (path.err || key.err)
		return path.err ? path.err : key.err;
	dv_config_string(&r->config, dv_buf_str(&key), &level);
	p->mirror = dv_buf_detach(&path);
	p->settings = (remote_settings){ r, p->name, DV_BUF_INIT };
	p->o = (dv_remote_options){
		.name = p->name, .url = p->url, .mirror_dir = p->mirror, .create = how->create,
		.anew = how->anew, .may_ask = how->push,
		.jobs = how->jobs ? how->jobs : (int)size_setting(&p->settings, "jobs"),
		.rate = how->rate ? how->rate : size_setting(&p->settings, "limitrate"),
		.url_is_own = level != DV_CONFIG_REPO,
		.setting = remote_setting, .ctx = &p->settings,
	};
	return 0;
}

int dv_sync_remote_open(dv_repo *r, const char *name, const dv_sync_how *how,
			dv_remote_store **out, char **name_out)
{
	dv_auto(place) p = { 0 };
	int rc = place_find(&p, r, name, how);

	*out = NULL;
	p.o.tries = how->tries;
	if (rc == 0)
		rc = dv_remote_store_open(out, &p.o);
	if (rc == 0 && name_out)
		*name_out = dv_steal(&p.name);
	return rc;
}

int dv_sync_bring(dv_repo *r, const dv_want *w, size_t n)
{
	dv_autoptr(dv_remote_store) remote = NULL;
	const dv_sync_how how = { .create = false };
	const dv_move_options o = { 0 };
	dv_move_stats moved;
	dv_store *local;
	int rc = dv_repo_store(r, &local);

	if (rc == 0)
		rc = dv_sync_remote_open(r, NULL, &how, &remote, NULL);
	return rc ? rc : dv_transfer_fetch(local, remote, w, n, &o, &moved);
}

int dv_sync_replica(dv_repo *r, const char *name, const char *dir, bool full)
{
	dv_auto(place) p = { 0 };
	int rc = place_find(&p, r, name, &(dv_sync_how){ .create = false });

	return rc < 0 ? rc : dv_transfer_replica(&p.o, dir, full);
}

int dv_remote_probe(dv_repo *r, const char *name, dv_abilities *out)
{
	dv_auto(place) p = { 0 };
	dv_sync_how how = { .create = true };
	int rc = place_find(&p, r, name, &how);

	*out = (dv_abilities){ 0 };
	if (rc == 0) {
		if (!dv_remote_has_driver(p.url))
			return dv_err(DV_ENOTFOUND, "this dv cannot reach remote '%s'", p.name);
		/* A disk that is not mounted must not come into being as a folder. */
		p.o.create = p.url[0] != '/' && strncmp(p.url, "file:", 5) != 0;
		p.o.tries = PROBE_TRIES;
		rc = dv_remote_store_probe(&p.o, out);
	}
	return rc;
}
