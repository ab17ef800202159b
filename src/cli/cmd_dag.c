/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv dag: draws how the stages of a pipeline depend on each other.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <string.h>

typedef struct dag_args {
	bool dot, mermaid, full, outs;
} dag_args;

typedef struct dag_node {
	char *name;
	bool is_stage;
	size_t *needs, nneeds;
	char **outs;
	size_t nouts;
	bool needed, shown;
} dag_node;

typedef struct dag_state {
	dag_node *nodes;
	size_t n, cap;
} dag_state;

static void state_release(dag_state *s)
{
	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; k < s->nodes[i].nouts; k++)
			free(s->nodes[i].outs[k]);
		free(s->nodes[i].outs);
		free(s->nodes[i].needs);
		free(s->nodes[i].name);
	}
	free(s->nodes);
}

static int on_node(const dv_dag_node *node, void *payload)
{
	dag_state *s = payload;

	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		dag_node *more = realloc(s->nodes, cap * sizeof(*more));

		if (!more)
			return DV_ERROR;
		s->nodes = more;
		s->cap = cap;
	}
	dag_node *n = &s->nodes[s->n];
	*n = (dag_node){ .name = strdup(node->name), .is_stage = node->is_stage,
			 .needs = calloc(node->nneeds + 1, sizeof(size_t)),
			 .outs = calloc(node->nouts + 1, sizeof(char *)) };
	s->n++;
	if (!n->name || !n->needs || !n->outs)
		return DV_ERROR;
	for (; n->nneeds < node->nneeds; n->nneeds++) {
		n->needs[n->nneeds] = node->needs[n->nneeds];
		s->nodes[n->needs[n->nneeds]].needed = true;
	}
	for (; n->nouts < node->nouts; n->nouts++)
		if (!(n->outs[n->nouts] = strdup(node->outs[n->nouts])))
			return DV_ERROR;
	return 0;
}

/* -- text -------------------------------------------------------------------------------------- */

/* The node with all that it needs below it; what was shown before is only named again. */
static void tree(dag_state *s, size_t i, char *indent, size_t depth, bool outs)
{
	dag_node *n = &s->nodes[i];
	size_t at = strlen(indent);
	bool again = n->shown && n->nneeds;

	dv_out_name(n->name);
	for (size_t k = 0; outs && n->is_stage && k < n->nouts; k++) {
		dv_out("%s", k ? ", " : "  -> ");
		dv_out_name(n->outs[k]);
	}
	dv_out("%s\n", again ? " (see above)" : "");
	n->shown = true;
	for (size_t k = 0; !again && depth < 1000 && k < n->nneeds; k++) {
		bool last = k + 1 == n->nneeds;

		dv_out("%s%s", indent, last ? "`-- " : "|-- ");
		memcpy(indent + at, last ? "    " : "|   ", 5);
		tree(s, n->needs[k], indent, depth + 1, outs);
		indent[at] = 0;
	}
}

static void print_text(dag_state *s, bool outs)
{
	char indent[4 * 1000 + 16] = "";

	for (size_t i = 0; i < s->n; i++)
		if (!s->nodes[i].needed)
			tree(s, i, indent, 0, outs);
}

/* -- for other programs ------------------------------------------------------------------------ */

/* In quotes, as both languages read it. */
static void quoted(const char *name, const char *for_quote)
{
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			dv_out("%s", *name == '"' ? for_quote : "\\\\");
		else
			dv_out("%c", *name);
	}
}

static void print_dot(const dag_state *s, bool outs)
{
	dv_out("digraph {\n");
	for (size_t i = 0; i < s->n; i++) {
		dv_out("\tn%zu [label=\"", i);
		quoted(s->nodes[i].name, "\\\"");
		for (size_t k = 0; outs && s->nodes[i].is_stage && k < s->nodes[i].nouts; k++) {
			dv_out("\\n");
			quoted(s->nodes[i].outs[k], "\\\"");
		}
		dv_out("\"%s];\n", s->nodes[i].is_stage ? ", shape=box" : "");
	}
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->nodes[i].nneeds; k++)
			dv_out("\tn%zu -> n%zu;\n", s->nodes[i].needs[k], i);
	dv_out("}\n");
}

static void print_mermaid(const dag_state *s, bool outs)
{
	dv_out("flowchart TD\n");
	for (size_t i = 0; i < s->n; i++) {
		dv_out("\tn%zu[\"", i);
		quoted(s->nodes[i].name, "#quot;");
		for (size_t k = 0; outs && s->nodes[i].is_stage && k < s->nodes[i].nouts; k++) {
			dv_out("<br>");
			quoted(s->nodes[i].outs[k], "#quot;");
		}
		dv_out("\"]\n");
	}
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->nodes[i].nneeds; k++)
			dv_out("\tn%zu --> n%zu\n", s->nodes[i].needs[k], i);
}

static int print_json(const dag_state *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++) {
		const dag_node *n = &s->nodes[i];
		json_t *j = json_object(), *needs = json_array(), *outs = json_array();

		dv_out_json_bytes(j, "name", n->name);
		json_object_set_new(j, "kind", json_string(n->is_stage ? "stage" : "output"));
		for (size_t k = 0; k < n->nneeds; k++)
			json_array_append_new(needs, json_string(s->nodes[n->needs[k]].name));
		for (size_t k = 0; k < n->nouts; k++)
			json_array_append_new(outs, json_string(n->outs[k]));
		json_object_set_new(j, "needs", needs);
		json_object_set_new(j, "outs", outs);
		json_array_append_new(list, j);
	}
	return dv_out_json(list);
}

static int dag_run(dv_cli *cli, void *args, int argc, char **argv)
{
	__attribute__((cleanup(state_release))) dag_state s = { 0 };
	const dag_args *a = args;
	dv_cli_autorepo dv_repo *r = NULL;

	if (a->dot + a->mermaid + cli->json > 1) {
		dv_out_error("only one of '--dot', '--mermaid' and '--json' can be chosen");
		return DV_EXIT_USAGE;
	}
	int rc = dv_cli_open(&r);
	if (rc)
		return rc;
	rc = dv_dag(r, dv_cli_targets(argv), (size_t)argc, a->full, on_node, &s);
	if (rc)
		return dv_out_fail(rc);
	if (cli->json)
		return print_json(&s);
	if (a->dot)
		print_dot(&s, a->outs);
	else if (a->mermaid)
		print_mermaid(&s, a->outs);
	else
		print_text(&s, a->outs);
	if (s.n == 0 && !cli->quiet)
		dv_out_note("there are no stages");
	return DV_EXIT_OK;
}

static const dv_opt dag_opts[] = {
	DV_OPT_FLAG(0, "dot", dag_args, dot, "in the language of Graphviz"),
	DV_OPT_FLAG(0, "mermaid", dag_args, mermaid, "in the language of Mermaid"),
	DV_OPT_FLAG(0, "full", dag_args, full, "also what needs the targets, all around"),
	DV_OPT_FLAG('o', "outs", dag_args, outs, "with what the stages make"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_dag = {
	.name = "dag",
	.group = DV_GROUP_RUN,
	.summary = "draw how stages depend on each other",
	.synopsis = "[--dot | --mermaid] [--full] [-o] [TARGET...]",
	.opts = dag_opts,
	.args_size = sizeof(dag_args),
	.run = dag_run,
	.flags = DV_CMD_JSON,
};
