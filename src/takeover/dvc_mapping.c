/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What DVC's settings become. dv's own store lies in the folder "dv" of a remote of DVC's: the same
 * place with the same login, and neither sees the other's files.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/path.h"
#include "takeover/dvc.h"
#include "transfer/transfer.h"

enum how {
	COPY,		/* as it is */
	OWN,		/* likewise, where the user set it */
	SECRET,		/* into the user's settings, whoever set it */
	DROP,		/* dv needs no such thing */
	URL_PART,	/* is in the URL */
	NAMED,		/* cannot be had */
};

static const struct rule {
	const char *key, *to;
	enum how how;
	const char *why;
} remote_rules[] = {
	{ "jobs", "jobs", COPY, NULL },
	{ "region", "region", COPY, NULL },
	{ "profile", "profile", COPY, NULL },
	{ "endpointurl", "endpointurl", COPY, NULL },
	{ "sse", "sse", COPY, NULL },
	{ "sse_kms_key_id", "ssekmskeyid", COPY, NULL },
	{ "allow_anonymous_login", "anonymous", COPY, NULL },
	{ "read_timeout", "timeout", COPY, NULL },
	{ "timeout", "timeout", COPY, NULL },
	{ "connect_timeout", NULL, DROP, NULL },
	{ "access_key_id", "accesskeyid", SECRET, NULL },
	{ "secret_access_key", "secretaccesskey", SECRET, NULL },
	{ "session_token", "sessiontoken", SECRET, NULL },
	{ "credentialpath", "credentialpath", OWN, NULL },
	{ "configpath", "configpath", OWN, NULL },
	{ "keyfile", "keyfile", OWN, NULL },
	{ "user", NULL, URL_PART, NULL },
	{ "port", NULL, URL_PART, NULL },
	{ "auth", NULL, URL_PART, NULL },
	{ "custom_auth_header", NULL, URL_PART, NULL },
	{ "verify", NULL, DROP, NULL },
	{ "checksum_jobs", NULL, DROP, NULL },
	{ "cache_regions", NULL, DROP, NULL },
	{ "allow_agent", NULL, DROP, NULL },
	{ "max_sessions", NULL, DROP, NULL },
	{ "gss_auth", NULL, DROP, NULL },
	{ "method", NULL, DROP, NULL },
	{ "ask_password", NULL, NAMED, "dv leaves logins to your ssh program, or to '.netrc'" },
	{ "ask_passphrase", NULL, NAMED, "dv leaves logins to your ssh program" },
	{ "passphrase", NULL, NAMED, "dv leaves logins to your ssh program; use its agent" },
	{ "version_aware", NULL, NAMED, "dv keeps all versions in its own store" },
	{ "worktree", NULL, NAMED, "dv keeps all versions in its own store" },
	{ "use_ssl", NULL, NAMED, "write 'http://' into endpointurl" },
	{ NULL, NULL, NAMED, "dv has no such setting" },
};

typedef struct mapper {
	dv_dvc_settings *s;
	const dv_repo *repo;
	bool store;
	dv_dvc_mapping *out;
} mapper;

static int put(mapper *m, const dv_dvc_setting *s, const char *key, const char *value, bool local,
	       const char *why)
{
	dv_arena *a = &m->s->arena;
	int rc = dv_arena_grow(a, &m->out->m, &m->out->cap, m->out->n + 1, sizeof(*m->out->m));
	const char *from = dv_arena_printf(a, "%s.%s", s->section, s->key);

	if (rc < 0 || !from)
		return DV_ERROR;
	m->out->m[m->out->n++] = (dv_dvc_mapped){ key, value, local, from, why, false };
	return 0;
}

static int put_remote(mapper *m, const dv_dvc_setting *s, const char *to, const char *value,
		      bool local)
{
	const char *key = dv_arena_printf(&m->s->arena, "%s.%s", s->section, to);

	return key ? put(m, s, key, value, local, NULL) : DV_ERROR;
}

static bool is_url(const char *url)
{
	return strstr(url, "://") != NULL;
}

static bool has_scheme(const char *url, const char *scheme)
{
	size_t n = strlen(scheme);

	return !strncasecmp(url, scheme, n) && !strncmp(url + n, "://", 3);
}

/* ssh://host/path with the user and the port that stand beside it. */
static const char *ssh_url(mapper *m, const char *section, const char *url)
{
	const char *user = dv_dvc_setting_get(m->s, section, "user", NULL);
	const char *port = dv_dvc_setting_get(m->s, section, "port", NULL);
	const char *host = url + strlen("ssh://");
	size_t n = strcspn(host, "/");
	bool has_user = memchr(host, '@', n), has_port = memchr(host, ':', n);

	return dv_arena_printf(&m->s->arena, "ssh://%s%s%.*s%s%s%s", has_user || !user ? "" : user,
			       has_user || !user ? "" : "@", (int)n, host,
			       has_port || !port ? "" : ":", has_port || !port ? "" : port,
			       host + n);
}

/* The place that a remote's URL names, for dv; NULL when memory runs out. */
static const char *place(mapper *m, const char *section, const char *url)
{
	dv_arena *a = &m->s->arena;
	dv_autofree char *joined = NULL, *normal = NULL, *scp = NULL;
	size_t n;

	if (dv_path_is_scp(url) && (scp = dv_path_scp_url(url)))
		url = dv_arena_strdup(a, scp);
	if (url && has_scheme(url, "ssh"))
		url = ssh_url(m, section, url);
	if (url && !is_url(url)) {
		joined = dv_path_join(DV_DVC_FOLDER, url);
		normal = joined ? dv_path_normal(joined) : NULL;
		url = normal ? dv_arena_strdup(a, normal) : NULL;
		if (url && !m->store && *url != '/')
			url = dv_arena_printf(a, "%s/%s", m->repo->root, normal);
	}
	for (n = url ? strlen(url) : 0; n > 1 && url[n - 1] == '/';)
		n--;
	return url ? dv_arena_printf(a, "%.*s%s", (int)n, url, m->store ? "/dv" : "") : NULL;
}

/* A remote may say that it is below another one. */
static const char *resolve(mapper *m, const char *url)
{
	for (int i = 0; i < 8 && url && has_scheme(url, "remote"); i++) {
		const char *name = url + strlen("remote://");
		size_t n = strcspn(name, "/");
		const char *section = dv_arena_printf(&m->s->arena, "remote.%.*s", (int)n, name);
		const char *base = section ? dv_dvc_setting_get(m->s, section, "url", NULL) : NULL;

		url = base ? dv_arena_printf(&m->s->arena, "%s%s", base, name + n) : NULL;
	}
	return url;
}

/* DVC's logins at web servers are a header here. */
static int put_login(mapper *m, const dv_dvc_setting *s, const char *url)
{
	const char *auth = dv_dvc_setting_get(m->s, s->section, "auth", NULL);
	const char *user = dv_dvc_setting_get(m->s, s->section, "user", NULL);
	const char *header = dv_dvc_setting_get(m->s, s->section, "custom_auth_header", NULL);
	dv_auto(dv_buf) both = DV_BUF_INIT, text = DV_BUF_INIT;
	const char *value;
	int rc;

	if (auth && !strcasecmp(auth, "custom") && header)
		dv_buf_addf(&text, "%s: %s", header, s->value);
	else if (user && (!auth || !strcasecmp(auth, "basic")))
		dv_buf_addf(&both, "%s:%s", user, s->value);
	else
		return put(m, s, NULL, NULL, false, "dv logs in with names, tokens and headers");
	if (both.n) {
		dv_buf_adds(&text, "Authorization: Basic ");
		dv_base64(&text, both.p, both.n);
	}
	value = text.err ? NULL : dv_arena_strndup(&m->s->arena, text.p, text.n);
	if (!value)
		return DV_ERROR;
	/* Secrets go only where the user says: the URL is in the same file. */
	rc = put_remote(m, s, "url", url, true);
	return rc ? rc : put_remote(m, s, "header", value, true);
}

static int map_checks(mapper *m, const dv_dvc_setting *s)
{
	bool no = !strcasecmp(s->value, "false"), yes = !strcasecmp(s->value, "true");

	if (yes)
		return 0;
	if (!s->own)
		return put(m, s, NULL, NULL, false, "it weakens a check, and came with the "
			   "repository; set it yourself if you trust it");
	return put_remote(m, s, no ? "insecure" : "cafile", no ? "true" : s->value, true);
}

static int map_remote(mapper *m, const dv_dvc_setting *s)
{
	const char *url = resolve(m, dv_dvc_setting_get(m->s, s->section, "url", NULL));
	const char *at = url ? place(m, s->section, url) : NULL;
	const struct rule *r = remote_rules;

	if (!url)
		return put(m, s, NULL, NULL, false, "the remote has no URL");
	if (!at)
		return DV_ERROR;
	if (is_url(at) && !dv_remote_has_driver(at))
		return strcmp(s->key, "url") ? 0 : put(m, s, NULL, NULL, false,
						      "this dv cannot reach such a place");
	if (!strcmp(s->key, "url"))
		return put_remote(m, s, "url", at, s->own);
	if (!strcmp(s->key, "ssl_verify"))
		return map_checks(m, s);
	if (!strcmp(s->key, "password") && has_scheme(url, "ssh"))
		return put(m, s, NULL, NULL, false, "dv leaves logins to your ssh program");
	if (!strcmp(s->key, "password"))
		return put_login(m, s, at);
	while (r->key && strcmp(r->key, s->key) != 0)
		r++;
	if (r->how == DROP || r->how == URL_PART ||
	    (r->how == NAMED && r->key && (!strcasecmp(s->value, "false") ||
					  (!strcmp(r->key, "use_ssl") &&
					   !strcasecmp(s->value, "true")))))
		if (strcmp(s->key, "use_ssl") != 0 || strcasecmp(s->value, "false") != 0)
			return 0;
	if (r->how == NAMED)
		return put(m, s, NULL, NULL, false, r->why);
	if (r->how == OWN && !s->own)
		return put(m, s, NULL, NULL, false, "it names a file, and came with the "
			   "repository; set it yourself if you trust it");
	return put_remote(m, s, r->to, s->value, s->own || r->how != COPY);
}

/* Words of cache.type that dv knows are the same. */
static int map_other(mapper *m, const dv_dvc_setting *s)
{
	static const char *const same[] = { "core.remote", "core.autostage", "cache.type",
					    "parsing.bool", "parsing.list" };
	static const char *const needless[] = {
		"core.", "feature.", "cache.slow_link_warning", "cache.verify", "cache.protected",
	};
	const char *full = dv_arena_printf(&m->s->arena, "%s.%s", s->section, s->key);

	if (!full)
		return DV_ERROR;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		if (!strcmp(full, same[i]))
			return put(m, s, full, s->value, s->own, NULL);
	for (size_t i = 0; i < sizeof needless / sizeof *needless; i++)
		if (!strncmp(full, needless[i], strlen(needless[i])))
			return 0;
	if (!strcmp(full, "cache.dir"))
		return put(m, s, NULL, NULL, false, "dv's cache is its own; 'dv cache dir' moves "
			   "it");
	if (!strcmp(full, "cache.shared"))
		return put(m, s, NULL, NULL, false, "give the folder of 'dv cache dir' to the "
			   "group, with its set-group-id bit");
	return put(m, s, NULL, NULL, false, "dv has no such setting");
}

/* A value that a later line or file replaces does not count. */
static bool is_last(const dv_dvc_settings *s, size_t i)
{
	for (size_t k = i + 1; k < s->n; k++)
		if (!strcmp(s->s[k].section, s->s[i].section) && !strcmp(s->s[k].key, s->s[i].key))
			return false;
	return true;
}

int dv_dvc_settings_map(dv_dvc_settings *s, const dv_repo *r, bool store, dv_dvc_mapping *out)
{
	mapper m = { s, r, store, out };
	int rc = 0;

	*out = (dv_dvc_mapping){ 0 };
	for (size_t i = 0; rc == 0 && i < s->n; i++)
		if (is_last(s, i))
			rc = strncmp(s->s[i].section, "remote.", 7) ? map_other(&m, &s->s[i])
								    : map_remote(&m, &s->s[i]);
	return rc;
}
