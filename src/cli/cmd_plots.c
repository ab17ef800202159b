/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv plots: draws data as a page for the browser.
 */
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/revs.h"

#include <limits.h>
#include <spawn.h>
#include <string.h>

#define PLOTS_FILE "dv-plots.html"

typedef struct plots_args {
	const char *file, *template_name, *x, *y, *title, *x_label, *y_label;
	bool no_header, open;
	dv_strlist targets;
} plots_args;

static int on_text(const void *p, size_t n, void *payload)
{
	(void)payload;
	return dv_out_bytes(p, n) ? DV_ECANCELLED : 0;
}

/* "file:///a%20b" of a file that is there. */
static void print_url(const char *path)
{
	dv_cli_autofree char *full = realpath(path, NULL);

	if (!full)
		return;
	dv_out("file://");
	for (const char *p = full; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9') || strchr("/-._~", *p);

		dv_out(plain ? "%c" : "%%%02X", (unsigned char)*p);
	}
	dv_out("\n");
}

/* The desktop's program for pages; it goes its own way. */
static void open_page(const char *path)
{
	extern char **environ;
	char *const argv[] = { (char[]){ "xdg-open" }, (char *)(uintptr_t)path, NULL };
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ))
		dv_out_hint("there is no 'xdg-open' here: open the page in a browser");
}

static int draw(const dv_cli *cli, const plots_args *a, dv_plots_options *o)
{
	dv_cli_autorepo dv_repo *r = NULL;
	const char *file = a->file ? a->file : PLOTS_FILE;
	dv_plots_summary sum;
	int rc = dv_cli_open(&r);

	if (rc)
		return rc;
	o->template_name = a->template_name;
	o->x = a->x;
	o->y = a->y;
	o->title = a->title;
	o->x_label = a->x_label;
	o->y_label = a->y_label;
	o->no_header = a->no_header;
	o->json = cli->json;
	if (cli->json && !a->file)
		rc = dv_plots(r, o, on_text, NULL, &sum);
	else
		rc = dv_plots_write(r, o, file, &sum);
	int code = rc ? dv_out_fail(rc) : DV_EXIT_OK;
	if ((rc && rc != DV_EPARTIAL) || (cli->json && !a->file))
		return code;
	if (sum.nplots + sum.nimages == 0) {
		if (!cli->quiet)
			dv_out_note("there is nothing to draw: no page was written");
		return code;
	}
	print_url(file);
	if (a->open && !cli->json)
		open_page(file);
	return code;
}

static int plots_show_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_plots_options o = { .targets = dv_cli_targets(argv), .ntargets = (size_t)argc };

	return draw(cli, args, &o);
}

/* Without revisions: HEAD and the workspace; one is compared with the workspace. */
static int plots_diff_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const plots_args *a = args;
	static const char *const words[] = { "workspace", NULL };
	size_t given, n = 0;
	dv_cli_autorepo dv_repo *r = NULL;
	int revs_given = 0, rc = dv_cli_open(&r);

	if (!rc)
		rc = dv_cli_count_revs(&revs_given, cli, r, argc, argv, INT_MAX, words);
	if (rc)
		return rc;
	given = (size_t)revs_given;
	dv_cli_autofree const char **revs = calloc(given + 2, sizeof(*revs));
	dv_cli_autofree const char **targets =
		calloc(a->targets.len + (size_t)argc + 1, sizeof(*targets));

	if (!revs || !targets) {
		dv_out_error("out of memory");
		return DV_EXIT_FAILED;
	}
	for (size_t i = 0; i < given; i++)
		revs[n++] = argv[i];
	if (n == 0)
		revs[n++] = "HEAD";
	if (n == 1)
		revs[n++] = "workspace";
	dv_plots_options o = { .revs = revs, .nrevs = n, .targets = targets };
	for (size_t i = 0; i < a->targets.len; i++)
		targets[o.ntargets++] = a->targets.items[i];
	for (size_t i = given; i < (size_t)argc; i++)
		targets[o.ntargets++] = argv[i];
	return draw(cli, a, &o);
}

/* clang-format off */
#define PLOTS_OPTS                                                                                 \
	DV_OPT_STR('o', "out", plots_args, file, "FILE", "write this file"),                       \
	DV_OPT_FLAG(0, "open", plots_args, open, "open the page in the browser"),                  \
	DV_OPT_STR('t', "template", plots_args, template_name, "NAME",                             \
		   "linear, simple, smooth, scatter, confusion …"),                                \
	DV_OPT_STR('x', "x-field", plots_args, x, "FIELD", "the field of the horizontal axis"),    \
	DV_OPT_STR('y', "y-field", plots_args, y, "FIELD", "the field of the vertical axis"),      \
	DV_OPT_STR(0, "title", plots_args, title, "TEXT", "the title of the plots"),               \
	DV_OPT_STR(0, "x-label", plots_args, x_label, "TEXT", "the name of the horizontal axis"),  \
	DV_OPT_STR(0, "y-label", plots_args, y_label, "TEXT", "the name of the vertical axis"),    \
	DV_OPT_FLAG(0, "no-header", plots_args, no_header, "tables begin without names")
/* clang-format on */

static const dv_opt plots_show_opts[] = { PLOTS_OPTS, DV_OPT_END };

static const dv_opt plots_diff_opts[] = {
	PLOTS_OPTS,
	DV_OPT_STRLIST(0, "targets", plots_args, targets, "TARGET",
		       "draw this file or plot; may be repeated"),
	DV_OPT_END,
};

static const dv_cmd plots_show = {
	.name = "show",
	.summary = "draw plots of the workspace",
	.synopsis = "[-o FILE] [--open] [TARGET...]",
	.opts = plots_show_opts,
	.args_size = sizeof(plots_args),
	.run = plots_show_run,
	.flags = DV_CMD_JSON,
};

static const dv_cmd plots_diff = {
	.name = "diff",
	.summary = "draw plots of several revisions together",
	.synopsis = "[-o FILE] [--open] [REV...] [-- TARGET...]",
	.opts = plots_diff_opts,
	.args_size = sizeof(plots_args),
	.run = plots_diff_run,
	.flags = DV_CMD_JSON,
};

static const dv_cmd *const plots_commands[] = { &plots_show, &plots_diff, NULL };

const dv_cmd dv_cmd_plots = {
	.name = "plots",
	.group = DV_GROUP_RUN,
	.summary = "draw data as a page for the browser",
	.synopsis = "",
	.subcommands = plots_commands,
	.flags = DV_CMD_JSON,
};
