/* SPDX-License-Identifier: Apache-2.0 */
/* Loading the levels of settings, what the committed one may say, and typed access. */
#include "repo/config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/url.h"

void dv_config_release(dv_config *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->e[i].key);
		free(c->e[i].value);
	}
	free(c->e);
	for (int i = 0; i <= DV_CONFIG_LOCAL; i++)
		free(c->file[i]);
	*c = (dv_config)DV_CONFIG_INIT;
}

/* -- loading ----------------------------------------------------------------------------------- */

struct loading {
	dv_config *c;
	enum dv_config_level level;
	const char *name;
};

int dv_config_put(dv_config *c, const char *key, const char *value, enum dv_config_level level)
{
	dv_config_entry e = { .key = dv_strdup(key), .value = dv_strdup(value ? value : "true"),
			      .level = level };
	int rc = e.key && e.value ? dv_grow(&c->e, &c->cap, c->n + 1, sizeof(e)) : DV_ERROR;

	if (rc) {
		free(e.key);
		free(e.value);
		return rc;
	}
	c->e[c->n++] = e;
	return 0;
}

static int on_setting(const char *key, const char *value, size_t begin, size_t end, void *payload)
{
	struct loading *l = payload;

	(void)begin, (void)end;
	if (!strncmp(key, "include.", 8) || !strncmp(key, "includeif.", 10)) {
		if (l->level == DV_CONFIG_REPO)
			return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' includes another file, which a "
						  "committed file may not", l->name),
					   "remove the include from the file");
		dv_warn("'%s' includes another file, which dv does not read", l->name);
		return 0;
	}
	if (l->level == DV_CONFIG_REPO && dv_config_refused(key, value ? value : "")) {
		dv_warn("'%s' in '%s' is ignored: a committed file may not set it; use "
			"'dv config --local %s VALUE'", key, l->name, key);
		return 0;
	}
	return dv_config_put(l->c, key, value, l->level);
}

static int load_level(dv_config *c, enum dv_config_level level)
{
	struct loading l = { .c = c, .level = level, .name = c->file[level] };
	dv_auto(dv_buf) text = DV_BUF_INIT;
	struct stat st;

	if (!l.name)
		return 0;
	if (lstat(l.name, &st)) {
		if (errno == ENOENT || errno == ENOTDIR || (errno == EACCES &&
							    level < DV_CONFIG_REPO))
			return 0;
		return dv_err_sys("cannot read '%s'", l.name);
	}
	if (level == DV_CONFIG_REPO && !S_ISREG(st.st_mode))
		return dv_err(DV_EUNSAFE, "'%s' is not a regular file", l.name);
	if (S_ISREG(st.st_mode) && st.st_size == 0)
		return 0;
	int rc = dv_fs_read_file(&text, l.name, DV_CONFIG_FILE_MAX);
	return rc ? rc : dv_config_parse(dv_buf_str(&text), text.n, l.name, on_setting, &l);
}

static char *global_file(void)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (xdg && *xdg == '/')
		return dv_path_join(xdg, "dv/config");
	return home && *home == '/' ? dv_path_join(home, ".config/dv/config") : NULL;
}

int dv_config_load(dv_config *c, const char *root, const char *local)
{
	const char *system = getenv("DV_CONFIG_SYSTEM");
	dv_auto(dv_config) n = DV_CONFIG_INIT;
	int rc = 0;

	n.file[DV_CONFIG_SYSTEM] = dv_strdup(system && *system ? system : "/etc/dv/config");
	n.file[DV_CONFIG_GLOBAL] = global_file();
	n.file[DV_CONFIG_REPO] = root ? dv_path_join(root, ".dv/config") : NULL;
	n.file[DV_CONFIG_LOCAL] = local ? dv_strdup(local) : NULL;
	if (!n.file[DV_CONFIG_SYSTEM] || (root && !n.file[DV_CONFIG_REPO]) ||
	    (local && !n.file[DV_CONFIG_LOCAL]))
		return dv_err_nomem();
	for (enum dv_config_level l = DV_CONFIG_SYSTEM; l <= DV_CONFIG_LOCAL && !rc; l++)
		rc = load_level(&n, l);
	if (rc)
		return rc;
	dv_config_release(c);
	*c = n;
	n = (dv_config)DV_CONFIG_INIT;
	return 0;
}

/* -- typed access ------------------------------------------------------------------------------ */

const char *dv_config_string(const dv_config *c, const char *key, enum dv_config_level *level)
{
	for (size_t i = c->n; i-- > 0; ) {
		if (strcmp(c->e[i].key, key) != 0)
			continue;
		if (level)
			*level = c->e[i].level;
		return c->e[i].value;
	}
	return NULL;
}

bool dv_config_bool(const dv_config *c, const char *key, bool dflt)
{
	static const char *const yes[] = { "true", "yes", "on", "1", NULL };
	static const char *const no[] = { "false", "no", "off", "0", "", NULL };
	const char *v = dv_config_string(c, key, NULL);

	if (!v)
		return dflt;
	for (const char *const *w = yes; *w; w++)
		if (!strcasecmp(v, *w))
			return true;
	for (const char *const *w = no; *w; w++)
		if (!strcasecmp(v, *w))
			return false;
	dv_warn("the setting '%s' is '%s', which is neither true nor false", key, v);
	return dflt;
}

int64_t dv_config_int(const dv_config *c, const char *key, int64_t dflt, int64_t min, int64_t max)
{
	const char *v = dv_config_string(c, key, NULL);
	char *end = NULL;

	if (!v)
		return dflt;
	errno = 0;
	long long n = strtoll(v, &end, 10);
	int shift = *end == 'k' || *end == 'K' ? 10 : *end == 'm' || *end == 'M' ? 20 :
		    *end == 'g' || *end == 'G' ? 30 : 0;
	bool good = end != v && !errno && !end[shift ? 1 : 0] && n <= INT64_MAX >> shift &&
		    n >= -(INT64_MAX >> shift);
	if (good)
		n *= (int64_t)1 << shift;
	if (good && n >= min && n <= max)
		return n;
	dv_warn("the setting '%s' is '%s', which is not a number from %lld to %lld", key, v,
		(long long)min, (long long)max);
	return dflt;
}

/* -- remotes ----------------------------------------------------------------------------------- */

static int make_url(const char *root, const char *value, char **url)
{
	if (dv_url_scheme(value)) {
		*url = dv_strdup(value);
		if (*url)
			dv_url_lower_scheme(*url);
		return *url ? 0 : DV_ERROR;
	}
	dv_autofree char *joined = NULL;
	const char *home = getenv("HOME");
	if (!strncmp(value, "~/", 2) && home)
		joined = dv_path_join(home, value + 2);
	else
		joined = dv_path_join(root ? root : "/", value);
	/* A folder whose name has a ':' is a folder where it is there. */
	if (joined && dv_path_is_scp(value) && access(joined, F_OK))
		*url = dv_path_scp_url(value);
	else
		*url = joined ? dv_path_normal(joined) : NULL;
	return *url ? 0 : dv_err_nomem();
}

bool dv_config_is_relative(const char *key, const char *value)
{
	size_t n = strlen(key);

	return n > 4 && !strcmp(key + n - 4, ".url") && !dv_url_scheme(value) && *value != '/' &&
	       strncmp(value, "~/", 2) != 0 && !dv_path_is_scp(value);
}

static int no_default(const dv_config *c)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++)
		any = any || !strncmp(c->e[i].key, "remote.", 7);
	dv_err(DV_ENOTFOUND, "there is no default remote");
	if (!any)
		return dv_err_hint(DV_ENOTFOUND, "add one with 'dv remote add -d NAME URL'");
	return dv_err_hint(DV_ENOTFOUND, "choose one with 'dv remote default NAME', or name it "
			   "with '-r'; 'dv remote list' shows them");
}

/* A URL may have been given for a name, and hold a secret. */
static int no_remote(const char *name)
{
	dv_autofree char *shown = dv_url_redact(name);
	int rc = dv_err(DV_ENOTFOUND, "there is no remote '%s'", shown ? shown : "");

	if (strstr(name, "://"))
		return dv_err_hint(rc, "give the name of a remote; 'dv remote add NAME URL' adds "
				   "one");
	return dv_err_hint(rc, "see 'dv remote list', or add it with 'dv remote add %s URL'", name);
}

int dv_config_remote(const dv_config *c, const char *root, const char *name, char **name_out,
		     char **url)
{
	dv_auto(dv_buf) key = DV_BUF_INIT;

	*url = NULL;
	if (name_out)
		*name_out = NULL;
	if (!name || !*name)
		name = dv_config_string(c, "core.remote", NULL);
	if (!name)
		return no_default(c);
	if (dv_buf_addf(&key, "remote.%s.url", name))
		return key.err;
	const char *value = dv_config_string(c, dv_buf_str(&key), NULL);
	if (!value)
		return no_remote(name);
	if (*value == '-' || !*value)
		return dv_err_hint(dv_err(DV_EUNSAFE, "the remote '%s' has a url that is none",
					  name), "'dv remote modify %s url URL' mends it", name);
	int rc = dv_url_check(value);
	if (rc)
		return dv_err_ctx(rc, "remote '%s'", name);
	rc = make_url(root, value, url);
	if (!rc && name_out && !(*name_out = dv_strdup(name))) {
		free(*url);
		*url = NULL;
		rc = DV_ERROR;
	}
	return rc;
}
