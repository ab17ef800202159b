/* SPDX-License-Identifier: Apache-2.0 */
/* dv lineage: what was made from what. */
#include "cli/commands.h"
#include "cli/runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct lineage_args {
	bool up, down;
	int depth;
	const char *format;
} lineage_args;

typedef struct node {
	char *label;		/* of a tree, without its end; NULL with --json */
	bool is_run, is_start, shown;
	size_t first_in, first_out;	/* edges, + 1 */
} node;
typedef struct edge {
	size_t from, to, next_in, next_out;
	char kind;		/* i, o, p, s */
} edge;
typedef struct graph {
	bool json, in_edges;	/* JSON goes out as it comes: a lineage may be long */
	size_t told;
	node *nodes;
	size_t n, cap;
	edge *edges;
	size_t nedges, edges_cap;
} graph;

static void graph_release(graph *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->nodes[i].label);
	free(g->nodes);
	free(g->edges);
}

static char *run_label(const dv_run_info *i)
{
	char id[16], time[DV_CLI_TIME_MAX];
	dv_cli_autofree char *name = dv_out_quote(i->name && *i->name ? i->name : i->type);
	char *out = NULL;

	return asprintf(&out, "%s  [run %s, %s, %s]", name, dv_cli_short(id, i->oid),
			dv_cli_time(time, i->start_us), i->state) < 0 ? NULL : out;
}

static char *artifact_label(const dv_artifact_info *i)
{
	char id[16], size[DV_OUT_SIZE_MAX];
	dv_cli_autofree char *name = dv_out_quote(i->path);
	char *out = NULL;
	int n = i->oid ? asprintf(&out, "%s%s  (%s, %s)", name, i->is_dir ? "/" : "",
				  dv_cli_short(id, i->oid), dv_out_size(size, i->size))
		       : asprintf(&out, "%s  (content not recorded)", name);

	return n < 0 ? NULL : out;
}

/* One element of a list. */
static int tell_json(graph *g, json_t *j, const char *head)
{
	char *text = json_dumps(j, JSON_COMPACT);

	json_decref(j);
	dv_out("%s\n    %s", g->told++ ? "," : head, text ? text : "null");
	free(text);
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int node_json(graph *g, const dv_lineage_node *x)
{
	json_t *j = x->run ? dv_cli_run_json(x->run) : dv_cli_artifact_json(x->artifact);

	json_object_del(j, "made");
	json_object_del(j, "used");
	json_object_set_new(j, "node", json_string(x->run ? "run" : "artifact"));
	json_object_set_new(j, "depth", json_integer(x->depth));
	return tell_json(g, j, "{\n  \"nodes\": [");
}

static int edge_json(graph *g, size_t from, size_t to, const char *kind)
{
	json_t *j = json_object();

	if (!g->in_edges)
		g->told = 0;
	g->in_edges = true;
	dv_cli_json_count(j, "from", from);
	dv_cli_json_count(j, "to", to);
	json_object_set_new(j, "kind", json_string(kind));
	return tell_json(g, j, "\n  ],\n  \"edges\": [");
}

static int end_json(const graph *g)
{
	dv_out("%s\n  ]\n}\n", g->in_edges ? "" : "\n  ],\n  \"edges\": [");
	return DV_EXIT_OK;
}

static int on_node(const dv_lineage_node *x, void *payload)
{
	graph *g = payload;

	if (g->json)
		return node_json(g, x);
	if (g->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 64;
		node *more = realloc(g->nodes, cap * sizeof(*more));

		if (!more)
			return DV_ERROR;
		g->nodes = more;
		g->cap = cap;
	}
	node *n = &g->nodes[g->n++];
	*n = (node){ .is_run = x->run != NULL, .is_start = x->is_start };
	n->label = x->run ? run_label(x->run) : artifact_label(x->artifact);
	return n->label ? 0 : DV_ERROR;
}

static int on_edge(size_t from, size_t to, const char *kind, void *payload)
{
	graph *g = payload;

	if (g->json)
		return edge_json(g, from, to, kind);
	if (g->nedges == g->edges_cap) {
		size_t cap = g->edges_cap ? 2 * g->edges_cap : 64;
		edge *more = realloc(g->edges, cap * sizeof(*more));

		if (!more)
			return DV_ERROR;
		g->edges = more;
		g->edges_cap = cap;
	}
	g->edges[g->nedges++] = (edge){ from, to, g->nodes[to].first_in, g->nodes[from].first_out,
					*kind };
	g->nodes[to].first_in = g->nodes[from].first_out = g->nedges;
	return 0;
}

/* -- text -------------------------------------------------------------------------------------- */

#define DEPTH_MAX 500

/* What the node was made from, or with `down` what was made from it, below it. */
static void tree(graph *g, size_t i, bool down, char *indent, size_t depth)
{
	node *n = &g->nodes[i];
	size_t at = strlen(indent), e = down ? n->first_out : n->first_in;
	bool again = n->shown && e;

	dv_out("%s%s%s%s\n", n->is_run ? dv_out_color(DV_COLOR_CYAN) : "", n->label,
	       n->is_run ? dv_out_color_end() : "", again ? "  (see above)" : "");
	n->shown = true;
	if (again || depth >= DEPTH_MAX || dv_out_broken())
		return;
	while (e) {
		const edge *x = &g->edges[e - 1];
		size_t next = down ? x->next_out : x->next_in;

		dv_out("%s%s%s", indent, next ? "|-- " : "`-- ",
		       x->kind == 'p' ? "(part) " : x->kind == 's' ? "(same bytes) " : "");
		memcpy(indent + at, next ? "|   " : "    ", 5);
		tree(g, down ? x->to : x->from, down, indent, depth + 1);
		indent[at] = 0;
		e = next;
	}
}

static void print_tree(graph *g, bool up, bool down)
{
	char indent[4 * DEPTH_MAX + 16] = "";

	if (up)
		for (size_t i = 0; i < g->n && g->nodes[i].is_start; i++)
			tree(g, i, false, indent, 0);
	for (size_t i = 0; i < g->n; i++)
		g->nodes[i].shown = false;
	if (up && down)
		dv_out("\nused for:\n");
	if (down)
		for (size_t i = 0; i < g->n && g->nodes[i].is_start; i++)
			tree(g, i, true, indent, 0);
}

static void quoted(const char *name)
{
	for (; *name; name++)
		dv_out(*name == '"' || *name == '\\' ? "\\%c" : "%c", *name);
}

static void print_dot(const graph *g)
{
	dv_out("digraph {\n\trankdir=LR;\n");
	for (size_t i = 0; i < g->n; i++) {
		dv_out("\tn%zu [label=\"", i);
		quoted(g->nodes[i].label);
		dv_out("\"%s];\n", g->nodes[i].is_run ? ", shape=box" : "");
	}
	for (size_t i = 0; i < g->nedges; i++)
		dv_out("\tn%zu -> n%zu%s;\n", g->edges[i].from, g->edges[i].to,
		       g->edges[i].kind == 'p' || g->edges[i].kind == 's' ? " [style=dashed]" : "");
	dv_out("}\n");
}

static int lineage_run(dv_cli *cli, void *args, int argc, char **argv)
{
	__attribute__((cleanup(graph_release))) graph g = { 0 };
	const lineage_args *a = args;
	const char *format = a->format ? a->format : cli->json ? "json" : "tree";
	dv_lineage_options o = { .up = a->up, .down = a->down, .depth = (unsigned)a->depth };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_out_operands(cli, argc, 1, 1);

	if (!rc && strcmp(format, "tree") != 0 && strcmp(format, "dot") != 0 &&
	    strcmp(format, "json") != 0)
		return dv_out_usage("'%s' is no format: there are tree, dot and json", format);
	if (!rc)
		rc = dv_cli_open(&r);
	if (rc)
		return rc;
	g.json = *format == 'j';
	rc = dv_lineage(r, argv[0], &o, on_node, on_edge, &g);
	if (rc)
		return dv_out_fail(rc);
	if (g.json)
		return end_json(&g);
	if (*format == 'd')
		print_dot(&g);
	else
		print_tree(&g, a->up || !a->down, a->down || !a->up);
	return DV_EXIT_OK;
}

static const dv_opt lineage_opts[] = {
	DV_OPT_FLAG(0, "up", lineage_args, up, "only what it was made from"),
	DV_OPT_FLAG(0, "down", lineage_args, down, "only what was made from it"),
	DV_OPT_INT(0, "depth", lineage_args, depth, "N", "go so many steps at most"),
	DV_OPT_STR(0, "format", lineage_args, format, "FORMAT", "tree, dot or json"),
	DV_OPT_END,
};

static const dv_cmd *const lineage_commands[] = {
	&dv_cmd_lineage_why, &dv_cmd_lineage_impact, &dv_cmd_lineage_verify, &dv_cmd_lineage_export,
	&dv_cmd_lineage_import, NULL,
};

const dv_cmd dv_cmd_lineage = {
	.name = "lineage",
	.group = DV_GROUP_RUN,
	.summary = "tell what was made from what",
	.synopsis = "[--up | --down] [--depth N] [--format FORMAT] PATH|OID|RUN",
	.opts = lineage_opts,
	.args_size = sizeof(lineage_args),
	.run = lineage_run,
	.subcommands = lineage_commands,
	.flags = DV_CMD_JSON | DV_CMD_OPERANDS,
};
