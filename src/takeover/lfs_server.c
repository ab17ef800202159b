/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the LFS server of a repository, and the login that git has for it. */
#include "takeover/lfs_server.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/path.h"
#include "base/process.h"
#include "base/url.h"
#include "git/drivers.h"

#define ANSWER_MAX ((size_t)64 << 10)	/* a login, or a server's address */

void dv_lfs_place_release(dv_lfs_place *p)
{
	char **const all[] = { &p->objects, &p->remote_objects, &p->url, &p->ssh_host,
			       &p->ssh_port, &p->ssh_path, &p->ssh_command, &p->user,
			       &p->password, &p->header };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(dv_steal(all[i]));
}

/* -- settings ---------------------------------------------------------------------------------- */

/* A setting of git's own; empty when it is not set. */
static int git_setting(const dv_repo *r, const char *key, bool path, dv_buf *out)
{
	int rc = dv_gitconfig_read(&r->dirs, key, path, out);

	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		dv_buf_clear(out);
		return 0;
	}
	return rc;
}

typedef struct lookup {
	const char *key;
	dv_buf *out;
} lookup;

static int look(const char *key, const char *value, size_t begin, size_t end, void *payload)
{
	const lookup *l = payload;

	(void)begin, (void)end;
	if (strcmp(key, l->key) != 0 || !value)
		return 0;
	dv_buf_clear(l->out);
	return dv_buf_adds(l->out, value);
}

/* A setting of .lfsconfig, which is a stranger's. */
static int lfs_setting(const dv_repo *r, const char *key, dv_buf *out)
{
	dv_autofree char *path = dv_repo_abs(r, ".lfsconfig");
	dv_auto(dv_buf) text = DV_BUF_INIT;
	lookup l = { key, out };
	int rc = path ? dv_fs_read_file(&text, path, DV_CONFIG_FILE_MAX) : dv_err_nomem();

	if (rc == 0)
		rc = dv_config_parse(dv_buf_str(&text), text.n, ".lfsconfig", look, &l);
	if (rc < 0 && rc != DV_ECANCELLED) {
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

/* -- addresses --------------------------------------------------------------------------------- */

static bool is_http(const char *url)
{
	return !strncmp(url, "https://", 8) || !strncmp(url, "http://", 7);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && !strcmp(s + n - k, end);
}

/* Length without slashes at the end. */
static int trimmed(const char *url)
{
	size_t n = strlen(url);

	while (n && url[n - 1] == '/')
		n--;
	return (int)n;
}

char *dv_lfs_url_of_remote(const char *remote)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	int n = trimmed(remote);

	if (!is_http(remote) || n < 9)
		return NULL;
	dv_buf_addf(&b, "%.*s", n, remote);
	dv_buf_addf(&b, "%s/info/lfs", ends_with(dv_buf_str(&b), ".git") ? "" : ".git");
	return b.err ? NULL : dv_buf_detach(&b);
}

/* The host of a URL, or of scp's "user@host:path", with its port. */
static void host_of(const char *url, const char **host, size_t *n)
{
	const char *p = strstr(url, "://"), *at;

	p = p ? p + 3 : url;
	*n = strcspn(p, dv_path_is_scp(url) ? "/:" : "/");
	at = memchr(p, '@', *n);
	if (at) {
		*n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	*host = p;
}

static bool is_same_host(const char *a, const char *b)
{
	const char *x, *y;
	size_t n, k;

	host_of(a, &x, &n);
	host_of(b, &y, &k);
	return n && n == k && !strncasecmp(x, y, n);
}

/* Takes user and password out of the URL of the user's own. */
static int set_url(dv_lfs_place *p, const char *url)
{
	const char *host = strstr(url, "://");
	size_t n = host ? strcspn(host + 3, "/") : 0;
	const char *at = host ? memchr(host + 3, '@', n) : NULL, *colon;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	int len = trimmed(url);

	if (!at)
		return (p->url = dv_strndup(url, (size_t)len)) ? 0 : DV_ERROR;
	colon = memchr(host + 3, ':', (size_t)(at - host - 3));
	dv_buf_addf(&b, "%.*s%.*s", (int)(host + 3 - url), url, (int)(url + len - at - 1), at + 1);
	if (p->own) {
		const char *end = colon ? colon : at;

		p->user = dv_strndup(host + 3, (size_t)(end - host - 3));
		p->password = colon ? dv_strndup(colon + 1, (size_t)(at - colon - 1)) : NULL;
		if (!p->user || (colon && !p->password))
			return DV_ERROR;
	}
	p->url = dv_buf_detach(&b);
	return p->url ? 0 : DV_ERROR;
}

/* A remote on this machine: it has a folder of objects itself. */
static int set_folder(dv_lfs_place *p, const dv_repo *r, const char *remote)
{
	static const char *const places[] = { "lfs/objects", ".git/lfs/objects" };
	dv_autofree char *dir = NULL;
	struct stat st;
	int rc = 0;

	if (!strncmp(remote, "file://", 7))
		rc = dv_path_from_url(&dir, remote);
	else if (!(dir = dv_path_join(r->root, remote)))
		return DV_ERROR;
	for (size_t i = 0; rc == 0 && i < 2 && !p->remote_objects; i++) {
		char *path = dv_path_join(dir, places[i]);

		if (!path)
			return dv_err_nomem();
		if (!stat(path, &st) && S_ISDIR(st.st_mode))
			p->remote_objects = path;
		else
			free(path);
	}
	if (rc < 0)
		dv_error_clear();
	return 0;
}

/* The ssh that git uses, as the user told it. */
static int find_ssh(dv_lfs_place *p, const dv_repo *r)
{
	const char *own = getenv("GIT_SSH_COMMAND");
	dv_auto(dv_buf) line = DV_BUF_INIT;
	int rc = own && *own ? dv_buf_adds(&line, own)
			     : git_setting(r, "core.sshcommand", false, &line);

	if (rc < 0 || !line.n)
		return rc;
	return (p->ssh_command = dv_buf_detach(&line)) ? 0 : DV_ERROR;
}

/* A remote through ssh: the program git-lfs-authenticate there knows the server. */
static int set_ssh(dv_lfs_place *p, const dv_repo *r, const char *remote)
{
	dv_autofree char *url = dv_path_is_scp(remote) ? NULL : dv_strdup(remote);
	const char *host, *path, *colon, *end;
	size_t n;

	if (!url) {
		colon = strchr(remote, ':');
		p->ssh_host = dv_strndup(remote, (size_t)(colon - remote));
		p->ssh_path = dv_strdup(colon + 1);
	} else {
		host = url + strlen("ssh://");
		n = strcspn(host, "/");
		path = host + n;
		end = memchr(host, '@', n);
		colon = memchr(end ? end : host, ':', n - (size_t)(end ? end - host : 0));
		p->ssh_host = dv_strndup(host, colon ? (size_t)(colon - host) : n);
		if (colon)
			p->ssh_port = dv_strndup(colon + 1, (size_t)(path - colon - 1));
		p->ssh_path = dv_strdup(*path ? path + 1 : "");
	}
	if (!p->ssh_host || !p->ssh_path)
		return DV_ERROR;
	/* Both become arguments, and the path a word of a shell elsewhere. */
	if (*p->ssh_host == '-' || strpbrk(p->ssh_path, "'\\\n\r\"`$") || *p->ssh_path == '-') {
		free(dv_steal(&p->ssh_host));
		dv_warn("the address of the remote is not one for git-lfs-authenticate");
	}
	p->own = true;
	return find_ssh(p, r);
}

int dv_lfs_place_find(dv_lfs_place *out, dv_repo *r)
{
	dv_auto(dv_buf) storage = DV_BUF_INIT, name = DV_BUF_INIT, key = DV_BUF_INIT;
	dv_auto(dv_buf) remote = DV_BUF_INIT, url = DV_BUF_INIT;
	dv_autofree char *derived = NULL, *dir = NULL;
	int rc;

	*out = (dv_lfs_place){ 0 };
	if ((rc = git_setting(r, "lfs.storage", true, &storage)) < 0 ||
	    (rc = git_setting(r, "remote.lfsdefault", false, &name)) < 0)
		return rc;
	dir = dv_path_join(r->dirs.commondir, storage.n ? storage.p : "lfs");
	out->objects = dir ? dv_path_join(dir, "objects") : NULL;
	dv_buf_addf(&key, "remote.%s.url", name.n ? name.p : "origin");
	if (!out->objects || key.err)
		return dv_err_nomem();
	if ((rc = git_setting(r, key.p, false, &remote)) < 0 ||
	    (rc = git_setting(r, "lfs.url", false, &url)) < 0)
		return rc;
	out->own = url.n > 0;
	if (!url.n)
		rc = lfs_setting(r, "lfs.url", &url);
	if (rc == 0 && url.n && is_http(url.p)) {
		out->own |= remote.n && is_same_host(url.p, remote.p);
		return set_url(out, url.p);
	}
	if (rc < 0 || !remote.n)
		return rc;
	out->own = true;
	derived = dv_lfs_url_of_remote(remote.p);
	if (derived)
		return set_url(out, derived);
	if (!strncmp(remote.p, "ssh://", 6) || dv_path_is_scp(remote.p))
		return set_ssh(out, r, remote.p);
	return set_folder(out, r, remote.p);
}

/* -- logins ------------------------------------------------------------------------------------ */

/* "key=value" of an answer of git's; owned, NULL when it is not there. */
static char *field(const dv_buf *text, const char *key)
{
	const char *p = dv_buf_str(text);
	size_t k = strlen(key);

	while (*p) {
		size_t n = strcspn(p, "\n");

		if (n > k && !strncmp(p, key, k) && p[k] == '=')
			return dv_strndup(p + k + 1, n - k - 1);
		p += n + (p[n] == '\n');
	}
	return NULL;
}

/* The login that git has for the host, or asks for. */
static int ask_git(dv_lfs_place *p)
{
	static const char *const argv[] = { "git", "credential", "fill", NULL };
	dv_auto(dv_buf) ask = DV_BUF_INIT, text = DV_BUF_INIT;
	dv_process run = DV_PROCESS_INIT;
	const char *host;
	size_t n;
	int rc;

	host_of(p->url, &host, &n);
	dv_buf_addf(&ask, "protocol=%.*s\nhost=%.*s\npath=%s\n", (int)strcspn(p->url, ":"), p->url,
		    (int)n, host, host[n] ? host + n + 1 : "");
	if (p->user)
		dv_buf_addf(&ask, "username=%s\n", p->user);
	dv_buf_adds(&ask, "\n");
	rc = ask.err ? ask.err : dv_buf_reserve(&text, ANSWER_MAX);
	if (rc == 0)
		rc = dv_process_run(&run, argv, "git", ask.p, ask.n, &text, ANSWER_MAX);
	if (rc == 0 && dv_process_code(&run) != 0)
		rc = dv_err(DV_EAUTH, "git has no login for the Git LFS server");
	if (rc < 0)
		return rc;
	free(p->user);
	p->user = field(&text, "username");
	p->password = field(&text, "password");
	explicit_bzero(text.p, text.n);
	return p->user && p->password
		       ? 0 : dv_err(DV_EAUTH, "git has no login for the Git LFS server");
}

static int read_authentication(dv_lfs_place *p, const dv_buf *text)
{
	dv_autoptr(dv_json) doc = NULL;
	const char *href, *login;
	int rc = dv_json_parse(&doc, text->p, text->n, ANSWER_MAX, 8,
			       "the answer of git-lfs-authenticate");

	if (rc == 0)
		rc = dv_json_get_str(doc, "href", &href);
	if (rc < 0)
		return rc;
	if (!is_http(href) || dv_url_check(href))
		return dv_err(DV_EUNSAFE, "git-lfs-authenticate names no server");
	login = json_string_value(json_object_get(json_object_get(doc, "header"),
						  "Authorization"));
	if (login && !strpbrk(login, "\r\n")) {
		dv_auto(dv_buf) b = DV_BUF_INIT;

		dv_buf_addf(&b, "Authorization: %s", login);
		if (!(p->header = dv_buf_detach(&b)))
			return DV_ERROR;
	}
	p->url = dv_strndup(href, (size_t)trimmed(href));
	return p->url ? 0 : DV_ERROR;
}

static int ask_ssh(dv_lfs_place *p)
{
	dv_auto(dv_buf) command = DV_BUF_INIT, text = DV_BUF_INIT, line = DV_BUF_INIT;
	dv_process run = DV_PROCESS_INIT;
	const char *argv[12] = { "ssh" };
	char words[256];
	int n = 1, rc;

	if (p->ssh_command) {
		dv_buf_addf(&line, "%s \"$@\"", p->ssh_command);
		argv[0] = "sh";
		argv[n++] = "-c";
		argv[n++] = dv_buf_str(&line);
		argv[n++] = "ssh";
	}
	dv_buf_addf(&command, "git-lfs-authenticate '%s' download", p->ssh_path);
	if (p->ssh_port) {
		argv[n++] = "-p";
		argv[n++] = p->ssh_port;
	}
	argv[n++] = "--";
	argv[n++] = p->ssh_host;
	argv[n++] = command.p;
	rc = command.err ? command.err : line.err ? line.err : dv_buf_reserve(&text, ANSWER_MAX);
	if (rc == 0)
		rc = dv_process_run(&run, argv, "ssh", NULL, 0, &text, ANSWER_MAX);
	if (rc < 0)
		return rc;
	dv_process_words(&run, words, sizeof words);
	if (dv_process_code(&run) != 0)
		return dv_err(DV_ERROR, "git-lfs-authenticate on '%s' failed: %s", p->ssh_host,
			      words);
	return read_authentication(p, &text);
}

int dv_lfs_place_fetch(dv_lfs_place *p, dv_lfs_object *objects, size_t n)
{
	int rc = !p->url && p->ssh_host ? ask_ssh(p) : 0;

	if (rc < 0)
		return rc;
	if (!p->url)
		return dv_err(DV_ENOTFOUND, "no Git LFS server is known");
	for (;;) {
		const char *const headers[] = { p->header };
		const bool login = p->user && p->password;
		const dv_lfs_server s = { .url = p->url, .user = login ? p->user : NULL,
					  .password = login ? p->password : NULL,
					  .headers = headers, .nheaders = p->header ? 1 : 0 };

		rc = dv_lfs_fetch(&s, objects, n);
		if (rc != DV_EAUTH || p->asked || p->header)
			return rc;
		if (!p->own)
			return dv_err(rc, "the server wants a login, and is named by '.lfsconfig' "
				      "alone: set 'lfs.url' in your own git settings if you "
				      "trust it");
		p->asked = true;
		if ((rc = ask_git(p)) < 0)
			return rc;
	}
}
