/* SPDX-License-Identifier: Apache-2.0 */
/* The list of runs, and how its records travel. See runlist.h. */
#include "repo/runlist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/record.h"
#include "store/object.h"

#define LOG_SUFFIX ".log"
#define BATCH_MAX ((size_t)256 << 20)	/* bytes of one listing */
#define SINGLE_MAX 32u	/* so many go by themselves, more in a batch */

static const char *const words[] = { "", "record ", "log ", "batch " };

void dv_run_list_release(dv_run_list *l)
{
	free(l->items);
	*l = (dv_run_list)DV_RUN_LIST_INIT;
}

int dv_run_list_add(dv_run_list *l, enum dv_run_item_kind kind, const dv_oid *oid)
{
	int rc = dv_grow(&l->items, &l->cap, l->n + 1, sizeof(*l->items));

	if (rc == 0)
		l->items[l->n++] = (dv_run_item){ *oid, kind };
	return rc;
}

/* -- the file ---------------------------------------------------------------------------------- */

static int parse_line(dv_run_list *l, const char *p, size_t n)
{
	for (size_t k = DV_RUN_ITEM_RECORD; k <= DV_RUN_ITEM_BATCH; k++) {
		size_t head = strlen(words[k]);
		dv_oid oid;

		if (n == head + DV_OID_HEX_SIZE && memcmp(p, words[k], head) == 0 &&
		    dv_oid_parse(&oid, p + head, DV_OID_HEX_SIZE) == 0)
			return dv_run_list_add(l, (enum dv_run_item_kind)k, &oid);
	}
	return 0;
}

int dv_run_list_read(dv_run_list *out, const dv_repo *r, uint64_t from)
{
	dv_autofree char *path = dv_path_join(r->dvdir, DV_RUNS_FILE);
	dv_auto(dv_run_list) l = { .end = from };
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autoclose int fd = -1;
	int rc = 0;

	*out = (dv_run_list){ .end = from };
	if (!path)
		return DV_ERROR;
	fd = dv_fs_openat(AT_FDCWD, path, O_RDONLY, 0);
	if (fd < 0)
		return errno == ENOENT ? 0 : dv_err_sys("cannot open '%s'", path);
	if (from && lseek(fd, (off_t)from, SEEK_SET) < 0)
		return dv_err_sys("cannot read '%s'", path);
	if ((rc = dv_fs_read_fd(&text, fd, path, DV_RUNS_MAX)) < 0)
		return rc;
	for (size_t at = 0; rc == 0 && at < text.n;) {
		const char *nl = memchr(text.p + at, '\n', text.n - at);

		if (!nl)
			break;
		rc = parse_line(&l, text.p + at, (size_t)(nl - text.p) - at);
		at = (size_t)(nl - text.p) + 1;
		l.end = from + at;
	}
	if (rc == 0) {
		*out = l;
		l = (dv_run_list)DV_RUN_LIST_INIT;
	}
	return rc;
}

/* Does the file end within a line, which a crash tore? */
static bool is_torn(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char last = '\n';
	size_t got = 0;

	if (end > 0)
		(void)dv_fs_pread_all(fd, &last, 1, end - 1, &got);
	return last != '\n';
}

int dv_run_list_append(dv_repo *r, const dv_run_item *items, size_t n, bool sync)
{
	dv_autofree char *path = dv_path_join(r->dvdir, DV_RUNS_FILE);
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autoclose int fd = -1;
	char hex[DV_OID_HEX_SIZE + 1];

	if (!path)
		return DV_ERROR;
	if (n == 0)
		return 0;
	fd = dv_fs_openat(AT_FDCWD, path, O_RDWR | O_APPEND | O_CREAT, 0666);
	if (fd < 0 && errno == ENOENT) {
		int rc = dv_fs_mkdirs(r->dvdir);

		if (rc < 0)
			return rc;
		fd = dv_fs_openat(AT_FDCWD, path, O_RDWR | O_APPEND | O_CREAT, 0666);
	}
	if (fd < 0)
		return dv_err_sys("cannot open '%s'", path);
	if (is_torn(fd))
		dv_buf_addc(&text, '\n');
	for (size_t i = 0; i < n; i++) {
		dv_oid_hex(hex, &items[i].oid);
		dv_buf_adds(&text, words[items[i].kind]);
		dv_buf_add(&text, hex, DV_OID_HEX_SIZE);
		dv_buf_addc(&text, '\n');
	}
	if (text.err)
		return text.err;
	if (dv_fs_write_all(fd, text.p, text.n) || (sync && dv_fs_fdatasync(fd)))
		return dv_err_sys("cannot write '%s'", path);
	return 0;
}

/* -- what a remote lacks ----------------------------------------------------------------------- */

/* Does the project own this root, and is it about runs? */
static bool is_ours(const dv_root *root, const char *project)
{
	if (!root->runs || root->is_tree != (root->runs == DV_RUN_ITEM_BATCH))
		return false;
	return project ? root->project && strcmp(root->project, project) == 0 : !root->project;
}

/* Notes what the log of the remote names, with what its batches name that are known here. */
static int note_sent(dv_map *sent, dv_store *s, dv_reader *reader, const dv_log_state *there,
		     const char *project)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < there->nowned; i++) {
		const dv_root *root = &there->owned[i];
		dv_auto(dv_tree) t = DV_TREE_INIT;

		if (!is_ours(root, project))
			continue;
		rc = dv_map_put(sent, &root->oid, 1);
		if (!root->is_tree || !dv_store_has_object(s, &root->oid))
			continue;
		if (rc == 0 && dv_tree_load(&t, reader, &root->oid) < 0)
			dv_error_clear();
		for (size_t k = 0; rc == 0 && k < t.n; k++)
			rc = dv_map_put(sent, &t.e[k].oid, 1);
	}
	return rc;
}

static int add_to_batch(dv_tree *t, dv_reader *reader, const dv_run_item *it)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	char name[DV_OID_HEX_SIZE + sizeof LOG_SUFFIX];
	int rc = dv_recipe_load(&recipe, reader, &it->oid);

	if (rc < 0)
		return rc;
	dv_oid_hex(name, &it->oid);
	if (it->kind == DV_RUN_ITEM_LOG)
		memcpy(name + DV_OID_HEX_SIZE, LOG_SUFFIX, sizeof LOG_SUFFIX);
	return dv_tree_add(t, 'f', &it->oid, recipe.size, 1, name);
}

/* Puts many into one. */
static int make_batch(dv_repo *r, dv_store *s, dv_reader *reader, dv_run_list *l)
{
	dv_autoptr(dv_encoder) enc = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_auto(dv_tree) t = DV_TREE_INIT;
	dv_run_item batch = { .kind = DV_RUN_ITEM_BATCH };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++)
		rc = add_to_batch(&t, reader, &l->items[i]);
	if (rc < 0 || (rc = dv_writer_new(&w, s, dv_repo_compression(r))) < 0 ||
	    (rc = dv_encoder_new(&enc, dv_repo_compression(r))) < 0 ||
	    (rc = dv_tree_store(&t, w, enc, &batch.oid)) < 0 ||
	    (rc = dv_writer_commit(w, NULL, 0)) < 0)
		return rc;
	l->items[0] = batch;
	l->n = 1;
	return dv_run_list_append(r, &batch, 1, false);
}

int dv_runs_unsent(dv_run_list *out, dv_repo *r, dv_store *s, dv_reader *reader,
		   const dv_log_state *there, const char *project)
{
	dv_auto(dv_run_list) l = DV_RUN_LIST_INIT, send = DV_RUN_LIST_INIT;
	dv_auto(dv_map) sent = DV_MAP_INIT;
	int rc = dv_run_list_read(&l, r, 0);

	*out = (dv_run_list)DV_RUN_LIST_INIT;
	if (rc == 0 && l.n)
		rc = note_sent(&sent, s, reader, there, project);
	for (size_t i = 0; rc == 0 && i < l.n; i++) {
		const dv_run_item *it = &l.items[i];
		bool added = false;

		/* What is listed and not in the store any more is passed over. */
		if (it->kind == DV_RUN_ITEM_BATCH || dv_map_has(&sent, &it->oid) ||
		    !dv_store_has_object(s, &it->oid))
			continue;
		rc = dv_map_add(&sent, &it->oid, 1, &added);
		if (rc == 0 && added)
			rc = dv_run_list_add(&send, it->kind, &it->oid);
	}
	if (rc == 0 && send.n > SINGLE_MAX)
		rc = make_batch(r, s, reader, &send);
	if (rc < 0)
		return rc;
	*out = send;
	send = (dv_run_list)DV_RUN_LIST_INIT;
	return 0;
}

/* -- what a remote brought --------------------------------------------------------------------- */

int dv_runs_unknown(dv_run_list *out, dv_repo *r, dv_store *s, const dv_log_state *there,
		    const char *project)
{
	dv_auto(dv_run_list) l = DV_RUN_LIST_INIT, add = DV_RUN_LIST_INIT;
	dv_auto(dv_map) known = DV_MAP_INIT;
	bool whole = true;
	int rc = dv_run_list_read(&l, r, 0);

	*out = (dv_run_list)DV_RUN_LIST_INIT;
	/* The cache may have been deleted since: then all of it comes again. */
	for (size_t i = 0; whole && i < l.n; i++)
		whole = dv_store_has_object(s, &l.items[i].oid);
	for (size_t i = 0; rc == 0 && i < l.n; i++)
		if (whole || (l.items[i].kind != DV_RUN_ITEM_BATCH &&
			      dv_store_has_object(s, &l.items[i].oid)))
			rc = dv_map_put(&known, &l.items[i].oid, 1);
	for (size_t i = 0; rc == 0 && i < there->nowned; i++) {
		const dv_root *root = &there->owned[i];

		if (is_ours(root, project) && !dv_map_has(&known, &root->oid))
			rc = dv_run_list_add(&add, root->runs, &root->oid);
	}
	if (rc < 0)
		return rc;
	*out = add;
	add = (dv_run_list)DV_RUN_LIST_INIT;
	return 0;
}

static int check_entry(const dv_tree_entry *e, enum dv_run_item_kind *kind)
{
	size_t n = strlen(e->name);
	dv_oid named;

	if (e->kind != 'f' || n < DV_OID_HEX_SIZE ||
	    dv_oid_parse(&named, e->name, DV_OID_HEX_SIZE) < 0 || !dv_oid_eq(&named, &e->oid) ||
	    (n > DV_OID_HEX_SIZE && strcmp(e->name + DV_OID_HEX_SIZE, LOG_SUFFIX) != 0))
		return dv_err(DV_ECORRUPT, "a listing of run records has an entry '%.80s'",
			      e->name);
	*kind = n > DV_OID_HEX_SIZE ? DV_RUN_ITEM_LOG : DV_RUN_ITEM_RECORD;
	return 0;
}

/* What a batch names; nothing of one that has a strange entry. */
static int open_batch(dv_run_list *out, dv_reader *reader, const dv_oid *batch)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_auto(dv_tree) t = DV_TREE_INIT;
	size_t before = out->n;
	int rc = dv_object_read(reader, batch, BATCH_MAX, &text);

	if (rc == 0)
		rc = dv_tree_parse(&t, dv_buf_str(&text), text.n);
	for (size_t i = 0; rc == 0 && i < t.n; i++) {
		enum dv_run_item_kind kind = DV_RUN_ITEM_NONE;

		rc = check_entry(&t.e[i], &kind);
		if (rc == 0)
			rc = dv_run_list_add(out, kind, &t.e[i].oid);
	}
	if (rc < 0) {
		dv_warn("run records were left out: %s", dv_error_last()->message);
		dv_error_clear();
		out->n = before;
	}
	return 0;
}

int dv_runs_take(dv_repo *r, dv_reader *reader, const dv_run_item *items, size_t n)
{
	dv_auto(dv_run_list) had = DV_RUN_LIST_INIT, came = DV_RUN_LIST_INIT;
	const dv_store *s = dv_reader_store(reader);
	dv_auto(dv_map) known = DV_MAP_INIT;
	int rc = dv_run_list_read(&had, r, 0);
	size_t kept = 0;

	for (size_t i = 0; rc == 0 && i < had.n; i++)
		rc = dv_map_put(&known, &had.items[i].oid, 1);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (!dv_store_has_object(s, &items[i].oid))
			continue;
		if (items[i].kind == DV_RUN_ITEM_BATCH)
			rc = open_batch(&came, reader, &items[i].oid);
		if (rc == 0)
			rc = dv_run_list_add(&came, items[i].kind, &items[i].oid);
	}
	for (size_t i = 0; rc == 0 && i < came.n; i++) {
		bool added = false;

		rc = dv_map_add(&known, &came.items[i].oid, 1, &added);
		if (rc == 0 && added)
			came.items[kept++] = came.items[i];
	}
	return rc < 0 ? rc : dv_run_list_append(r, came.items, kept, true);
}
