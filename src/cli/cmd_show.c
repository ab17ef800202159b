/* SPDX-License-Identifier: Apache-2.0 */
/* dv show: what an object is, and how the cache keeps it. */
#include "cli/commands.h"
#include "cli/common.h"

#include <inttypes.h>

typedef struct show_args {
	bool chunks;
} show_args;

/* Lists for --json; both NULL for people. */
typedef struct show_state {
	json_t *entries, *chunks;
} show_state;

static const char *kind_word(char kind)
{
	return kind == 'd' ? "directory" : kind == 'l' ? "symlink" : kind == 'x' ? "executable"
										 : "file";
}

static int on_entry(const dv_entry *e, void *payload)
{
	show_state *s = payload;

	if (s->entries) {
		json_t *j = json_object();

		dv_out_json_bytes(j, "name", e->path);
		json_object_set_new(j, "kind", json_string(kind_word(e->kind)));
		dv_out_json_bytes(j, "oid", e->oid);
		dv_cli_json_count(j, "size", e->size);
		dv_cli_json_count(j, "files", e->nfiles);
		json_array_append_new(s->entries, j);
		return 0;
	}
	dv_out("%c %15" PRIu64 " %s ", e->kind == 'f' ? '-' : e->kind, e->size, e->oid);
	dv_out_name(e->path);
	dv_out("%s\n", e->kind == 'd' ? "/" : "");
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int on_chunk(const dv_chunk *c, void *payload)
{
	show_state *s = payload;

	if (s->chunks) {
		json_t *j = json_object();

		dv_cli_json_count(j, "offset", c->offset);
		dv_cli_json_count(j, "size", c->size);
		dv_cli_json_count(j, "stored", c->stored);
		json_object_set_new(j, "id", json_string(c->id));
		json_object_set_new(j, "form", json_string(c->form));
		dv_cli_json_count(j, "depth", c->depth);
		dv_cli_json_count(j, "bases", c->nbases);
		json_object_set_new(j, "pack", json_string(c->pack));
		json_array_append_new(s->chunks, j);
		return 0;
	}
	dv_out("%15" PRIu64 " %9" PRIu64 " %9" PRIu64 " %-5s %2u %s %.12s\n", c->offset, c->size,
	       c->stored, c->form, c->depth, c->id, c->pack);
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static void tell_object(const dv_object *o)
{
	char size[DV_OUT_SIZE_MAX], total[DV_OUT_SIZE_MAX], n[DV_CLI_COUNT_MAX];

	dv_out("oid     %s\n", o->oid);
	dv_out("kind    %s\n", o->is_dir ? "directory" : "file");
	if (o->is_dir)
		dv_out("holds   %s %s, %s\n", dv_cli_count(n, o->nfiles),
		       dv_out_plural(o->nfiles, "file", "files"), dv_out_size(total, o->total));
	dv_out("size    %s bytes\n", dv_cli_count(n, o->size));
	dv_out("stored  %s in %" PRIu64 " %s", dv_out_size(size, o->stored), o->nchunks,
	       dv_out_plural(o->nchunks, "chunk", "chunks"));
	if (o->ndeltas)
		dv_out(", %" PRIu64 " of them %s, up to %u deep", o->ndeltas,
		       dv_out_plural(o->ndeltas, "a delta", "deltas"), o->depth);
	dv_out("\n");
	if (o->missing)
		dv_out("missing %s %s\n", dv_cli_count(n, o->missing),
		       dv_out_plural(o->missing, "chunk", "chunks"));
}

static json_t *object_json(const dv_object *o)
{
	json_t *j = json_object();

	json_object_set_new(j, "oid", json_string(o->oid));
	json_object_set_new(j, "kind", json_string(o->is_dir ? "directory" : "file"));
	dv_cli_json_count(j, "size", o->size);
	if (o->is_dir) {
		dv_cli_json_count(j, "files", o->nfiles);
		dv_cli_json_count(j, "total", o->total);
	}
	dv_cli_json_count(j, "chunks", o->nchunks);
	dv_cli_json_count(j, "deltas", o->ndeltas);
	dv_cli_json_count(j, "depth", o->depth);
	dv_cli_json_count(j, "stored", o->stored);
	dv_cli_json_count(j, "missing", o->missing);
	return j;
}

static int show_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const show_args *a = args;
	dv_cli_autorepo dv_repo *r = NULL;
	show_state s = { 0 };
	dv_object o;
	json_t *doc;
	int rc = dv_cli_begin(cli, argc, 1, 1, &r);

	if (rc)
		return rc;
	rc = dv_show(r, argv[0], &o, NULL, NULL, NULL);
	if (rc)
		return dv_out_fail(rc);
	if (!cli->json) {
		tell_object(&o);
		if (o.is_dir || a->chunks)
			dv_out("\n");
		rc = dv_show(r, o.oid, NULL, a->chunks ? NULL : on_entry,
			     a->chunks ? on_chunk : NULL, &s);
		return rc ? dv_out_fail(rc) : DV_EXIT_OK;
	}
	doc = object_json(&o);
	s = (show_state){ json_array(), json_array() };
	rc = dv_show(r, o.oid, NULL, on_entry, a->chunks ? on_chunk : NULL, &s);
	if (o.is_dir)
		json_object_set(doc, "entries", s.entries);
	if (a->chunks)
		json_object_set(doc, "list", s.chunks);
	json_decref(s.entries);
	json_decref(s.chunks);
	if (!rc)
		return dv_out_json(doc);
	json_decref(doc);
	return dv_out_fail(rc);
}

static const dv_opt show_opts[] = {
	DV_OPT_FLAG('c', "chunks", show_args, chunks, "list the chunks"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_show = {
	.name = "show",
	.group = DV_GROUP_LOOK,
	.summary = "tell what an object is and how it is kept",
	.synopsis = "[-c] OID",
	.opts = show_opts,
	.args_size = sizeof(show_args),
	.run = show_run,
	.flags = DV_CMD_JSON,
};
