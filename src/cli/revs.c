/* SPDX-License-Identifier: Apache-2.0 */
/* Telling revisions from paths. */
#include "cli/revs.h"

#include <string.h>
#include <sys/stat.h>

#include "cli/common.h"

bool dv_cli_split_range(const char *word, char **from, char **to)
{
	const char *dots = strstr(word, "..");

	*from = *to = NULL;
	if (!dots || dots[2] == '.' || (dots == word && !dots[2]))
		return false;
	*from = dots == word ? strdup("HEAD") : strndup(word, (size_t)(dots - word));
	*to = strdup(dots[2] ? dots + 2 : "HEAD");
	return true;
}

static bool is_revision(dv_repo *r, const char *word, const char *const *words)
{
	for (; words && *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return dv_revision(r, word, NULL) == 0;
}

/* As how many revisions does the word count? */
static int count_word(dv_repo *r, const char *word, const char *const *words)
{
	dv_cli_autofree char *from = NULL, *to = NULL;

	if (is_revision(r, word, words))
		return 1;
	if (!dv_cli_split_range(word, &from, &to) || !from || !to)
		return 0;
	return is_revision(r, from, words) && is_revision(r, to, words) ? 2 : 0;
}

/* What names a revision is a path only where that is certain. */
static bool is_path(dv_repo *r, const char *word, bool revision)
{
	struct stat st;

	return lstat(word, &st) == 0 || dv_cli_is_tracked(r, word, !revision);
}

static int ambiguous(const char *word)
{
	dv_out_error("'%s' is both a revision and a path", word);
	dv_out_hint("put '--' behind it for the revision, or in front of it for the path");
	return DV_EXIT_USAGE;
}

static int neither(dv_repo *r, const char *word)
{
	const char *colon = strchr(word, ':');
	dv_cli_autofree char *rev = colon ? strndup(word, (size_t)(colon - word)) : NULL;
	int rc = dv_revision(r, word, NULL);

	/* A repository that cannot be read knows of no revision: that is what is to be told. */
	if (rc && rc != DV_ENOTFOUND && rc != DV_EUSAGE)
		return dv_out_fail(rc);
	dv_out_error("'%s' is neither tracked nor a revision", word);
	if (rev && *rev && colon[1] && dv_revision(r, rev, NULL) == 0)
		dv_out_hint("name revisions and paths apart: '%s [REV] -- %s'", rev, colon + 1);
	else
		dv_out_hint("'dv ls' lists what is tracked, 'git branch -a' and 'git tag' what is "
			    "named");
	return DV_EXIT_FAILED;
}

static int before_dashes(int *out, dv_repo *r, int n, char **argv, int max)
{
	int revs = 0;

	for (int i = 0; i < n; i++) {
		int count = count_word(r, argv[i], NULL);

		revs += count ? count : 1;
	}
	if (revs > max)
		return dv_out_usage("there are %d revisions and at most %d are taken; put paths "
				    "behind '--'", revs, max);
	*out = n;
	return DV_EXIT_OK;
}

int dv_cli_count_revs(int *out, const dv_cli *cli, dv_repo *r, int argc, char **argv, int max,
		      const char *const *words)
{
	int revs = 0, i;

	*out = 0;
	if (cli->before_dashes >= 0)
		return before_dashes(out, r, cli->before_dashes, argv, max);
	for (i = 0; i < argc; i++) {
		int count = count_word(r, argv[i], words);
		bool path = is_path(r, argv[i], count > 0);

		if (!count && !path && i == 0)
			return neither(r, argv[i]);
		if (!count || revs + count > max)
			break;
		if (path)
			return ambiguous(argv[i]);
		revs += count;
	}
	*out = i;
	return DV_EXIT_OK;
}
