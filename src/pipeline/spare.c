/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outputs make room for new ones. What stands there and was not made by the stage, such as a file
 * that its user changed by hand, is moved to the folder `saved` first, unless the store has it.
 * What a failed command left is nobody's work: its content is noted in the file `left`, and may go.
 */
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "pipeline/run.h"
#include "repo/sync.h"

#define LEFT_MAX ((size_t)1 << 20)	/* begun anew then: more is saved than has to be */

static char *left_path(const dv_runner *r)
{
	return dv_path_join(r->repo->dvdir, "left");
}

/* "HEX PATH" and a line feed. */
static int left_line(dv_buf *out, const dv_content *now, const char *path)
{
	char hex[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(hex, &now->oid);
	return dv_buf_addf(out, "%s %s\n", hex, path);
}

int dv_node_note_left(dv_runner *r, const dv_node *n)
{
	dv_auto(dv_buf) lines = DV_BUF_INIT;
	dv_autofree char *path = left_path(r);
	dv_autoclose int fd = -1;
	struct stat st;
	int rc = path ? 0 : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < n->s->nouts; i++) {
		const dv_stage_out *o = &n->s->outs[i];
		dv_content now;

		if (o->persist || strchr(o->path, '\n'))
			continue;
		dv_contents_forget(r->st.contents, o->path);
		rc = dv_contents_get(r->st.contents, o->path, &now);
		if (rc == 0 && now.kind)
			rc = left_line(&lines, &now, o->path);
	}
	if (rc || !lines.n)
		return rc;
	fd = dv_fs_openat(AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || fstat(fd, &st) < 0)
		return dv_err_sys("cannot open '%s'", path);
	if ((size_t)st.st_size > LEFT_MAX - lines.n && dv_fs_ftruncate(fd, 0) < 0)
		return dv_err_sys("cannot write '%s'", path);
	return dv_fs_write_all(fd, lines.p, lines.n) ? dv_err_sys("cannot write '%s'", path) : 0;
}

static int was_left(const dv_runner *r, const dv_content *now, const char *path, bool *yes)
{
	dv_auto(dv_buf) all = DV_BUF_INIT, line = DV_BUF_INIT;
	dv_autofree char *file = left_path(r);
	int rc = file ? dv_fs_read_file(&all, file, LEFT_MAX) : DV_ERROR;

	*yes = false;
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (rc == 0)
		rc = left_line(&line, now, path);
	/* Hex digits hold no line feed, so that a line can be found only as one. */
	if (rc == 0)
		*yes = strstr(dv_buf_str(&all), dv_buf_str(&line)) != NULL;
	return rc;
}

int dv_node_spare(dv_runner *r, const dv_node *n, const dv_stage_out *o)
{
	dv_autofree char *saved = NULL;
	dv_locked_stage *locked;
	const dv_locked_path *was;
	bool safe = false;
	dv_content now;

	dv_contents_forget(r->st.contents, o->path);
	int rc = dv_contents_get(r->st.contents, o->path, &now);
	if (rc || !now.kind || (rc = dv_plan_locked(&r->plan, n->stage, &locked)))
		return rc;
	was = locked ? dv_locked_out(locked, o->written) : NULL;
	if (was && was->is_dir == (now.kind == 'd') && dv_oid_eq(&was->oid, &now.oid))
		return 0;
	if ((rc = dv_sync_is_cached(r->st.reader, &now.oid, now.kind == 'd', &safe)) || safe ||
	    (rc = was_left(r, &now, o->path, &safe)) || safe)
		return rc;
	if ((rc = dv_restore_put_aside(r->restore, o->path, &saved)))
		return dv_err_hint(rc, "'%s' was not made by the stage '%s' and is nowhere else: "
				   "move it away", o->path, n->s->name);
	dv_contents_forget(r->st.contents, o->path);
	dv_warn("'%s' was not made by the stage '%s' and is nowhere else: it is saved as '%s'",
		o->path, n->s->name, saved);
	return 0;
}
