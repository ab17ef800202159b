/* SPDX-License-Identifier: Apache-2.0 */
/* The public face of settings and remotes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/url.h"
#include "repo/config_keys.h"
#include "repo/repo.h"
#include "transfer/transfer.h"

/* The settings of a repository, or those there are without one. `own` is released by the caller. */
static int settings(dv_repo *r, dv_config *own, const dv_config **out)
{
	*out = r ? &r->config : own;
	return r ? 0 : dv_config_load(own, NULL, NULL);
}

/* Secrets stay where they are: output is seen, logged and passed on. */
static int report(const dv_config *c, const dv_config_entry *e, dv_config_cb cb, void *payload)
{
	dv_autofree char *shown = dv_config_is_secret(e->key) ? dv_strdup("***") :
								 dv_url_redact(e->value);
	dv_config_value v = { .key = e->key, .value = shown, .origin = c->file[e->level],
			      .level = e->level };

	return shown ? cb(&v, payload) : DV_ERROR;
}

int dv_config_get(dv_repo *r, enum dv_config_level level, const char *key, dv_config_cb cb,
		  void *payload)
{
	dv_auto(dv_config) own = DV_CONFIG_INIT;
	dv_autofree char *normal = NULL;
	const dv_config *c;

	int rc = dv_config_normal_key(&normal, key);
	if (!rc)
		rc = settings(r, &own, &c);
	if (rc)
		return rc;
	for (size_t i = c->n; i-- > 0; ) {
		const dv_config_entry *e = &c->e[i];
		if (!strcmp(e->key, normal) && (level == DV_CONFIG_ANY || level == e->level))
			return report(c, e, cb, payload);
	}
	return dv_err(DV_ENOTFOUND, "'%s' is not set", normal);
}

int dv_config_list(dv_repo *r, enum dv_config_level level, dv_config_cb cb, void *payload)
{
	dv_auto(dv_config) own = DV_CONFIG_INIT;
	const dv_config *c;
	int rc = settings(r, &own, &c);

	for (size_t i = 0; !rc && i < c->n; i++)
		if (level == DV_CONFIG_ANY || level == c->e[i].level)
			rc = report(c, &c->e[i], cb, payload);
	return rc;
}

/* -- writing ----------------------------------------------------------------------------------- */

/* A file of settings being changed. */
struct edit {
	dv_repo *r;
	enum dv_config_level level;
	const char *file;	/* borrowed from the settings */
	char *target;		/* the file itself, where `file` is a link of the user's */
	dv_lock lock;		/* from reading to writing, so that no other edit is lost */
	dv_buf text;
	bool dirty;
	dv_config own;
};

static void edit_release(struct edit *e)
{
	dv_buf_release(&e->text);
	dv_config_release(&e->own);
	dv_lock_release(&e->lock);
	free(e->target);
}

/* The lock of a level: one for the files of a repository, with its other state, and one beside each
 * file of the user's or the system's. */
static int edit_lock(struct edit *e)
{
	bool own = e->level >= DV_CONFIG_REPO;
	dv_autofree char *dir = own ? dv_strdup(e->r->dvdir) : dv_path_dir(e->file);
	dv_autofree char *path = dir ? dv_path_join(dir, "config.lock") : NULL;
	int rc = path ? dv_fs_mkdirs(dir) : dv_err_nomem();

	if (rc)
		return rc;
	return dv_lock_take(&e->lock, path, true, -1, "the settings");
}

/* Links are followed in the user's own folders, where dotfiles often are links; not in a workspace,
 * which may be anybody's. */
static int edit_target(struct edit *e)
{
	e->target = e->level >= DV_CONFIG_REPO ? NULL : realpath(e->file, NULL);
	if (!e->target)
		e->target = dv_strdup(e->file);
	return e->target ? 0 : DV_ERROR;
}

static int edit_begin(struct edit *e, dv_repo *r, enum dv_config_level level)
{
	const dv_config *c;

	*e = (struct edit){ .r = r, .level = level == DV_CONFIG_ANY ? DV_CONFIG_REPO : level,
			    .lock = DV_LOCK_INIT };
	if (!r && e->level >= DV_CONFIG_REPO)
		return dv_err_hint(dv_err(DV_ENOREPO, "not inside a dv repository"),
				   "use '--global' for settings of your own");
	int rc = settings(r, &e->own, &c);
	if (rc)
		return rc;
	e->file = c->file[e->level];
	if (!e->file)
		return dv_err_hint(dv_err(DV_ERROR, "there is no place for global settings"),
				   "set HOME or XDG_CONFIG_HOME");
	if ((rc = edit_lock(e)) || (rc = edit_target(e)))
		return rc;
	/* What was read before may be old by now. */
	if ((rc = r ? dv_repo_reload_config(r) : dv_config_load(&e->own, NULL, NULL)))
		return rc;
	e->file = (r ? &r->config : &e->own)->file[e->level];
	rc = dv_fs_read_file(&e->text, e->file, DV_CONFIG_FILE_MAX);
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

/* What is hidden where it is shown does not go into a file that is committed. */
static int check_shared(const char *key, const char *value)
{
	size_t n = strlen(key);
	bool url = !strncmp(key, "remote.", 7) && n > 3 && !strcasecmp(key + n - 3, "url");
	dv_autofree char *shown = url ? dv_url_redact(value) : NULL;

	if (!url)
		return 0;
	if (!shown)
		return dv_err_nomem();
	if (!strcmp(shown, value))
		return 0;
	return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' may hold a secret, which everybody who has "
				  "this repository would have: '%s'", key, shown),
			   "use '--local' or '--global', or take it out and keep it in ~/.netrc");
}

static int edit_set(struct edit *e, const char *key, const char *value)
{
	dv_auto(dv_buf) out = DV_BUF_INIT;
	int safe = value && e->level == DV_CONFIG_REPO ? check_shared(key, value) : 0;

	if (safe)
		return safe;
	if (value && e->level == DV_CONFIG_REPO && dv_config_refused(key, value))
		return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' cannot be set for everybody who has "
					  "this repository", key), "use '--local' or '--global'");
	int rc = dv_config_edit(&out, dv_buf_str(&e->text), e->text.n, e->file, key, value);
	if (rc)
		return rc;
	dv_buf_release(&e->text);
	e->text = out;
	out = (dv_buf)DV_BUF_INIT;
	e->dirty = true;
	return 0;
}

static int edit_section(struct edit *e, const char *old, const char *new_, bool *found)
{
	dv_auto(dv_buf) out = DV_BUF_INIT;
	int rc = dv_config_edit_section(&out, dv_buf_str(&e->text), e->text.n, e->file, old, new_,
					found);

	if (rc)
		return rc;
	dv_buf_release(&e->text);
	e->text = out;
	out = (dv_buf)DV_BUF_INIT;
	e->dirty = e->dirty || *found;
	return 0;
}

static int edit_end(struct edit *e)
{
	const dv_scratch *scratch = NULL;
	int rc = 0;

	if (!e->dirty)
		return 0;
	/* Git is not to see the file of settings that everybody shares half written. */
	if (e->r && e->level == DV_CONFIG_REPO) {
		rc = dv_scratch_open(&e->r->scratch, e->r->dvdir);
		scratch = &e->r->scratch;
	}
	if (!rc)
		rc = dv_scratch_write(scratch, e->target, dv_buf_str(&e->text), e->text.n,
				      DV_ATOMIC_SYNC | DV_ATOMIC_KEEP_MODE);
	return rc || !e->r ? rc : dv_repo_reload_config(e->r);
}

#define dv_auto_edit __attribute__((cleanup(edit_release))) struct edit
#define EDIT_INIT { .lock = DV_LOCK_INIT }

static int change(dv_repo *r, enum dv_config_level level, const char *key, const char *value)
{
	dv_auto_edit e = EDIT_INIT;
	int rc = edit_begin(&e, r, level);

	if (!rc)
		rc = edit_set(&e, key, value);
	return rc ? rc : edit_end(&e);
}

int dv_config_set(dv_repo *r, enum dv_config_level level, const char *key, const char *value)
{
	dv_autofree char *normal = NULL;
	int rc = dv_config_normal_key(&normal, key);

	if (!rc)
		rc = dv_config_check(normal, value);
	return rc ? rc : change(r, level, normal, value);
}

int dv_config_unset(dv_repo *r, enum dv_config_level level, const char *key)
{
	dv_autofree char *normal = NULL;
	int rc = dv_config_normal_key(&normal, key);

	return rc ? rc : change(r, level, normal, NULL);
}

/* -- remotes ----------------------------------------------------------------------------------- */

static int check_name(const char *name)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-";

	if (*name && *name != '-' && *name != '.' && strlen(name) <= 200 &&
	    !name[strspn(name, chars)])
		return 0;
	dv_autofree char *shown = dv_url_redact(name);
	int rc = dv_err(DV_EUSAGE, "'%s' is no name for a remote", shown ? shown : "");
	return dv_err_hint(rc, strstr(name, "://") ? "the name comes first, then the URL" :
						     "use letters, digits, '.', '_' and '-'");
}

static int remote_key(char **out, const char *name, const char *leaf)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	int rc = check_name(name);

	if (rc)
		return rc;
	dv_buf_addf(&b, leaf ? "remote.%s.%s" : "remote.%s", name, leaf);
	*out = dv_buf_detach(&b);
	return *out ? 0 : dv_err_nomem();
}

/* The name in "remote.NAME.url", owned; NULL for other keys. */
static char *name_of(const char *key)
{
	size_t n = strlen(key);

	if (n <= 11 || strncmp(key, "remote.", 7) != 0 || strcmp(key + n - 4, ".url") != 0)
		return NULL;
	return dv_strndup(key + 7, n - 11);
}

int dv_remote_list(dv_repo *r, dv_remote_cb cb, void *payload)
{
	dv_auto(dv_config) own = DV_CONFIG_INIT;
	const dv_config *c;
	int rc = settings(r, &own, &c);
	const char *def = rc ? NULL : dv_config_string(c, "core.remote", NULL);

	for (size_t i = 0; !rc && i < c->n; i++) {
		dv_autofree char *name = name_of(c->e[i].key);
		bool again = false;
		for (size_t k = 0; k < i && name; k++)
			again = again || !strcmp(c->e[k].key, c->e[i].key);
		if (!name || again)
			continue;
		dv_autofree char *url = dv_url_redact(dv_config_string(c, c->e[i].key, NULL));
		dv_remote_info info = { .name = name, .url = url,
					.is_default = def && !strcmp(def, name) };
		rc = url ? cb(&info, payload) : DV_ERROR;
	}
	return rc;
}

/* A folder given by the user, as it is stored: relative to the root where that can be. */
static int stored_url(const dv_repo *r, enum dv_config_level level, const char *url, char **out)
{
	*out = NULL;
	if (*url == '-' || !*url)
		return dv_err(DV_EUSAGE, *url ? "an address of a remote does not begin with '-'" :
					 "the address of the remote is empty");
	int rc = dv_url_check(url);
	if (rc)
		return rc;
	/* scp's host:path, unless there is a folder of that name. */
	bool scp = dv_path_is_scp(url) && access(url, F_OK);
	if (strstr(url, "://") || *url == '/' || !strncmp(url, "~/", 2) || scp) {
		*out = dv_strdup(url);
		if (*out)
			dv_url_lower_scheme(*out);
		return *out ? 0 : DV_ERROR;
	}
	dv_autofree char *path = dv_path_absolute(url);
	if (!path)
		return dv_error_last()->code;
	if (r && level != DV_CONFIG_SYSTEM && level != DV_CONFIG_GLOBAL)
		*out = dv_path_relative(path, r->root);
	else
		*out = dv_steal(&path);
	return *out ? 0 : dv_err_nomem();
}

/* A store that stands in the data would be recorded with it, and grow by itself. */
static int check_outside(dv_repo *r, const char *url)
{
	dv_auto(dv_output_list) all = DV_OUTPUT_LIST_INIT;
	const char *path = !strncmp(url, "file:///", 8) ? url + 7 :
			   !strncmp(url, "file://localhost/", 17) ? url + 16 : url;
	dv_autofree char *rel = *path == '/' ? dv_path_relative(path, r->root) : dv_strdup(path);
	const char *rest;

	if (!rel)
		return dv_err_nomem();
	if (dv_url_scheme(rel) || dv_repo_outputs(r, &all)) {
		dv_error_clear();
		return 0;
	}
	const dv_output *o = dv_output_list_holding(&all, rel, &rest);
	return o ? dv_err_hint(dv_err(DV_EUSAGE, "'%s' is in the output '%s', and a store "
				      "cannot be part of the data", url, o->path),
			       "choose a folder that is not tracked") : 0;
}

static const char *value_at(const dv_config *c, enum dv_config_level level, const char *key)
{
	for (size_t i = c->n; i-- > 0; )
		if (c->e[i].level == level && !strcmp(c->e[i].key, key))
			return c->e[i].value;
	return NULL;
}

static void warn_unreachable(const char *url)
{
	if (!dv_remote_has_driver(url))
		dv_warn("this dv cannot reach '%.*s' URLs: it knows folders, ssh, s3, https, "
			"http and programs 'dv-remote-…' on PATH", (int)strcspn(url, ":"), url);
}

/* Keys and other settings of the remote that had the name are not for the one that gets it. */
static int forget_section(struct edit *e, const char *name)
{
	dv_autofree char *section = NULL;
	bool found;
	int rc = remote_key(&section, name, NULL);

	return rc ? rc : edit_section(e, section, NULL, &found);
}

/* The same in the settings of this clone, which would count for more. */
static int forget_local(dv_repo *r, const char *name)
{
	dv_auto_edit e = EDIT_INIT;
	int rc = edit_begin(&e, r, DV_CONFIG_LOCAL);

	if (!rc)
		rc = forget_section(&e, name);
	return rc ? rc : edit_end(&e);
}

int dv_remote_add(dv_repo *r, enum dv_config_level level, const char *name, const char *url,
		  const dv_remote_add_options *o)
{
	o = DV_OR_ZERO(o);
	dv_auto_edit e = EDIT_INIT;
	dv_autofree char *key = NULL;
	dv_autofree char *stored = NULL;
	int rc = remote_key(&key, name, "url");

	if (!rc)
		rc = stored_url(r, level, url, &stored);
	if (!rc && r)
		rc = check_outside(r, stored);
	if (!rc)
		rc = edit_begin(&e, r, level);
	if (rc)
		return rc;
	if (!o->force && value_at(r ? &r->config : &e.own, e.level, key))
		return dv_err_hint(dv_err(DV_EEXISTS, "there is a remote '%s' already", name),
				   "use '--force' to replace it, or 'dv remote modify'");
	if (o->force)
		rc = forget_section(&e, name);
	if (!rc)
		rc = edit_set(&e, key, stored);
	if (!rc && o->make_default)
		rc = edit_set(&e, "core.remote", name);
	if (!rc)
		warn_unreachable(stored);
	if (rc || (rc = edit_end(&e)))
		return rc;
	edit_release(&e);
	e = (struct edit)EDIT_INIT;
	return o->force && r && level == DV_CONFIG_ANY ? forget_local(r, name) : 0;
}

/* The remote must be known at some level. */
static int check_exists(dv_repo *r, const char *name)
{
	dv_auto(dv_config) own = DV_CONFIG_INIT;
	dv_autofree char *url = NULL;
	const dv_config *c;
	int rc = settings(r, &own, &c);

	if (!rc)
		rc = dv_config_remote(c, r ? r->root : NULL, name, NULL, &url);
	/* One whose URL is refused can be mended. */
	if (rc != DV_EUNSAFE)
		return rc;
	dv_error_clear();
	return 0;
}

int dv_remote_modify(dv_repo *r, enum dv_config_level level, const char *name,
		     const char *option, const char *value)
{
	dv_autofree char *key = NULL;
	dv_autofree char *normal = NULL;
	dv_autofree char *stored = NULL;
	dv_auto_edit e = EDIT_INIT;
	int rc = remote_key(&key, name, option);

	if (!rc)
		rc = dv_config_normal_key(&normal, key);
	if (!rc)
		rc = edit_begin(&e, r, level);
	if (!rc)
		rc = check_exists(r, name);
	if (!rc && value)
		rc = dv_config_check(normal, value);
	if (!rc && value && !strcasecmp(option, "url")) {
		rc = stored_url(r, level, value, &stored);
		if (!rc && r)
			rc = check_outside(r, stored);
		value = stored;
	}
	if (!rc)
		rc = edit_set(&e, normal, value);
	return rc ? rc : edit_end(&e);
}

/* Where a remote stands that is not in the file that was asked for. */
static int not_at_level(dv_repo *r, const char *name, const char *key)
{
	static const char *const flags[] = { "", "--system", "--global", "", "--local" };
	enum dv_config_level level = DV_CONFIG_ANY;
	int rc = dv_err(DV_ENOTFOUND, "there is no remote '%s' at this level", name);

	if (r && dv_config_string(&r->config, key, &level) && *flags[level])
		return dv_err_hint(rc, "it stands at another level: use '%s'", flags[level]);
	return dv_err_hint(rc, "see 'dv remote list'");
}

/* Is there a remote of that name at any level? */
static bool known_remote(const struct edit *e, const char *name)
{
	dv_autofree char *key = NULL;

	return !remote_key(&key, name, "url") &&
	       dv_config_string(e->r ? &e->r->config : &e->own, key, NULL);
}

/* Renames or takes out the section, and core.remote with it. `rest`: it was done at another level,
 * and here may be more of it, or not. */
static int change_section(dv_repo *r, enum dv_config_level level, const char *name,
			  const char *new_, bool rest)
{
	dv_auto_edit e = EDIT_INIT;
	dv_autofree char *old_section = NULL;
	dv_autofree char *new_section = NULL;
	dv_autofree char *key = NULL;
	bool found = false;

	int rc = remote_key(&old_section, name, NULL);
	if (!rc)
		rc = remote_key(&key, name, "url");
	if (!rc && new_)
		rc = remote_key(&new_section, new_, NULL);
	if (!rc)
		rc = edit_begin(&e, r, level);
	if (!rc && new_ && !rest && known_remote(&e, new_))
		rc = dv_err(DV_EEXISTS, "there is a remote '%s' already", new_);
	if (!rc)
		rc = edit_section(&e, old_section, new_section, &found);
	if (rc)
		return rc;
	if (!found)
		return rest ? 0 : not_at_level(r, name, key);
	const char *def = value_at(r ? &r->config : &e.own, e.level, "core.remote");
	if (def && !strcmp(def, name))
		rc = edit_set(&e, "core.remote", new_);
	return rc ? rc : edit_end(&e);
}

/* Without a level, what this clone has set for the remote goes the same way: a key must not stay
 * behind, nor wait for the next remote of that name. */
static int change_remote(dv_repo *r, enum dv_config_level level, const char *name,
			 const char *new_)
{
	int rc = change_section(r, level, name, new_, false);

	return rc || level != DV_CONFIG_ANY || !r ? rc :
	       change_section(r, DV_CONFIG_LOCAL, name, new_, true);
}

int dv_remote_remove(dv_repo *r, enum dv_config_level level, const char *name)
{
	return change_remote(r, level, name, NULL);
}

int dv_remote_rename(dv_repo *r, enum dv_config_level level, const char *old_name,
		     const char *new_name)
{
	return change_remote(r, level, old_name, new_name);
}

int dv_remote_default(dv_repo *r, enum dv_config_level level, const char *name, dv_remote_cb cb,
		      void *payload)
{
	dv_auto(dv_config) own = DV_CONFIG_INIT;
	dv_auto(dv_buf) key = DV_BUF_INIT;
	const dv_config *c;

	if (name && !*name)
		return change(r, level, "core.remote", NULL);
	if (name) {
		int rc = check_exists(r, name);
		return rc ? rc : change(r, level, "core.remote", name);
	}
	int rc = settings(r, &own, &c);
	if (rc)
		return rc;
	const char *def = level == DV_CONFIG_ANY ? dv_config_string(c, "core.remote", NULL) :
						   value_at(c, level, "core.remote");
	if (!def)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "there is no default remote"),
				   "set one with 'dv remote default NAME'");
	if (dv_buf_addf(&key, "remote.%s.url", def))
		return key.err;
	const char *url = dv_config_string(c, dv_buf_str(&key), NULL);
	dv_autofree char *shown = dv_url_redact(url ? url : "");
	dv_remote_info info = { .name = def, .url = shown, .is_default = true };
	return shown ? cb(&info, payload) : DV_ERROR;
}
