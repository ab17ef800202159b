/* SPDX-License-Identifier: Apache-2.0 */
/* Reading netrc: words with blanks between, "…" with backslashes, macros up to an empty line. */
#include "remotes/netrc.h"

#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"

#define WORD_MAX 4096

void dv_login_release(dv_login *l)
{
	dv_secret_free(l->user);
	dv_secret_free(l->password);
	*l = (dv_login)DV_LOGIN_INIT;
}

/* The next word, cut at the room for it; what follows it, or NULL at the end. A '#' where a word
 * could begin starts a comment only where no value is expected: passwords may begin with one. */
static const char *next_word(const char *p, char out[WORD_MAX], bool value)
{
	size_t n = 0;

	for (;;) {
		p += strspn(p, " \t\r\n");
		if (*p != '#' || value)
			break;
		p += strcspn(p, "\n");
	}
	if (!*p)
		return NULL;
	bool quoted = *p == '"';
	for (p += quoted; *p && (quoted ? *p != '"' : !strchr(" \t\r\n", *p)); p++) {
		if (quoted && *p == '\\' && p[1])
			p++;
		if (n + 1 < WORD_MAX)
			out[n++] = *p;
	}
	out[n] = 0;
	return quoted && *p ? p + 1 : p;
}

/* Behind the name of a macro: its end is an empty line. */
static const char *skip_macro(const char *p)
{
	const char *end = strstr(p, "\n\n"), *crlf = strstr(p, "\n\r\n");

	if (crlf && (!end || crlf < end))
		end = crlf;
	return end ? end + 2 : p + strlen(p);
}

/* The last word for a part of a login counts. */
static void set(char **part, const char *word)
{
	dv_secret_free(*part);
	*part = dv_strdup(word);
}

typedef struct finder {
	const char *user;
	bool inside;	/* in an entry that counts */
	dv_login login;
} finder;

/* At the end of an entry: is it what was looked for? */
static bool settled(finder *f)
{
	const char *login = f->login.user;

	if (f->inside && f->login.password && (!f->user || !login || !strcmp(login, f->user)))
		return true;
	dv_login_release(&f->login);
	f->inside = false;
	return false;
}

bool dv_netrc_find(const char *text, const char *host, const char *user, bool dflt, dv_login *out)
{
	finder f = { .user = user };
	char word[WORD_MAX];
	bool found = false;

	for (const char *p = text; (p = next_word(p, word, false)) != NULL;) {
		bool machine = !strcmp(word, "machine");

		if (machine || !strcmp(word, "default")) {
			if ((found = settled(&f)))
				break;
			f.inside = dflt;
			if (machine && !(p = next_word(p, word, true)))
				break;
			if (machine)
				f.inside = strcasecmp(word, host) == 0;
		} else if (!strcmp(word, "macdef")) {
			p = skip_macro(p);
		} else if (!strcmp(word, "login") || !strcmp(word, "password") ||
			   !strcmp(word, "account")) {
			char kind = *word;

			if (!(p = next_word(p, word, true)))
				break;
			if (f.inside && kind != 'a')
				set(kind == 'l' ? &f.login.user : &f.login.password, word);
		}
	}
	OPENSSL_cleanse(word, sizeof word);
	if (!found && !settled(&f))
		return false;
	*out = f.login;
	return true;
}

int dv_netrc_read(const char *path, const char *host, const char *user, bool dflt, dv_login *out,
		  bool *found)
{
	dv_auto(dv_secret_buf) text = DV_BUF_INIT;
	const char *home = getenv("HOME");
	bool below = !path || !strncmp(path, "~/", 2);
	struct stat st;

	*found = false;
	if (below && (!home || !*home))
		return 0;
	dv_autofree char *file = below ? dv_path_join(home, path ? path + 2 : ".netrc") :
					 dv_strdup(path);
	if (!file)
		return DV_ERROR;
	/* At once, so that no copy of a secret stays behind where the buffer grew. */
	if (stat(file, &st) == 0 && (uint64_t)st.st_size <= DV_NETRC_MAX &&
	    dv_buf_reserve(&text, (size_t)st.st_size + 4096))
		return text.err;
	int rc = dv_fs_read_file(&text, file, DV_NETRC_MAX);
	if (rc == DV_ENOTFOUND && !path) {
		dv_error_clear();
		return 0;
	}
	if (rc == DV_ENOTFOUND)
		return dv_err(DV_EAUTH, "there is no file '%s', which the setting 'netrc' names",
			      file);
	if (rc)
		return rc;
	*found = dv_netrc_find(dv_buf_str(&text), host, user, dflt, out);
	return 0;
}
