/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SFTP: storing files. The bytes go to a temporary file in the same folder, are synced, and get
 * their name by a hard link, or by a rename that does not replace.
 *
 * A long file whose name is the hash of its bytes is collected under a name made of that hash, so
 * that the next try goes on where this one was cut. All who write there write the same bytes to the
 * same places, so they may even do it at the same time. What may not have reached the server's disk
 * before the cut is read back and compared first.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "remotes/sftp.h"

#define PART_FROM ((uint64_t)4 << 20)	/* shorter files are sent again */
#define SYNC_EVERY ((uint64_t)16 << 20)
#define IN_FLIGHT ((size_t)4 << 20)
#define PIECES_MAX 64
#define PART_AGE (24 * 60 * 60)		/* seconds */
#define PART_PREFIX ".dv-part-"
#define TMP_PREFIX ".dv-tmp-"

/* One file on its way. */
typedef struct sending {
	dv_sftp *s;
	const char *name;
	char *path, *tmp, *folder;
	bool part;		/* tmp stays when this is cut */
	bool named;		/* tmp is not needed any more */
	dv_sftp_handle h;
	int fd;			/* the bytes: a file, or */
	const uint8_t *bytes;	/* these */
	uint64_t size, at, synced;
	uint8_t *block;		/* for what comes from a file */
	dv_answer a[PIECES_MAX];
	size_t first, count;
} sending;

static void sending_release(sending *g)
{
	dv_error kept;

	dv_error_take(&kept);
	for (size_t i = 0; i < PIECES_MAX; i++) {
		dv_mux_forget(g->s->wire.mux, &g->a[i]);
		dv_answer_release(&g->a[i]);
	}
	dv_sftp_drop_handle(g->s, &g->h);
	if (g->tmp && (g->named || !g->part) && !dv_mux_is_lost(g->s->wire.mux))
		(void)!dv_sftp_ask(g->s, NULL, SSH_FXP_REMOVE, g->tmp, NULL);
	dv_error_put(&kept);
	free(g->path);
	free(g->tmp);
	free(g->folder);
	free(g->block);
}

/* The last component of a name. */
static const char *leaf_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static int make_paths(sending *g, bool part)
{
	const char *leaf = leaf_of(g->name);
	dv_auto(dv_buf) b = DV_BUF_INIT;
	uint8_t rnd[8];
	int rc = dv_random(rnd, sizeof rnd);

	free(dv_steal(&g->tmp));
	g->part = part;
	dv_buf_add(&b, g->name, (size_t)(leaf - g->name));
	if (part) {
		dv_buf_addf(&b, PART_PREFIX "%s", leaf);
	} else {
		dv_buf_adds(&b, TMP_PREFIX);
		for (size_t i = 0; i < sizeof rnd; i++)
			dv_buf_addf(&b, "%02x", rnd[i]);
	}
	if (rc || b.err)
		return rc ? rc : b.err;
	if (!g->path)
		g->path = dv_sftp_path(g->s, g->name);
	g->tmp = dv_sftp_path(g->s, b.p);
	if (g->path && !g->folder) {
		const char *slash = strrchr(g->path, '/');

		g->folder = slash ? dv_strndup(g->path, (size_t)(slash - g->path)) : dv_strdup(".");
		if (g->folder && !*g->folder) {
			free(g->folder);
			g->folder = dv_strdup("/");
		}
	}
	return g->path && g->tmp && g->folder ? 0 : DV_ERROR;
}

/* -- the name is taken ------------------------------------------------------------------------- */

/* 1 when the file is there with its size, 0 when it is absent. DV_EEXISTS otherwise. */
static int judge(const sending *g, const dv_sftp_attrs *t, uint32_t code, const dv_answer *a)
{
	if (code == SSH_FX_NO_SUCH_FILE)
		return 0;
	if (code != SSH_FX_OK)
		return dv_sftp_fail(g->s, a, code, "read", g->name);
	if (g->fd >= 0 && t->has_size && t->size == g->size &&
	    (!t->has_mode || S_ISREG(t->mode)))
		return 1;
	return dv_err(DV_EEXISTS, g->fd >= 0 ? "'%s' is there already on %s, with another size" :
		      "'%s' is there already on %s", g->name, g->s->what);
}

static int there_already(const sending *g)
{
	const dv_answer none = { 0 };
	dv_sftp_attrs t;
	uint32_t code;
	int rc = dv_sftp_lstat(g->s, g->path, &t, &code);

	return rc ? rc : judge(g, &t, code, &none);
}

/* -- the temporary file ------------------------------------------------------------------------ */

static int ask_tmp(sending *g, dv_answer *a)
{
	/* A part must be open to the next try; who may read it is the umask's matter. */
	return dv_sftp_ask_open(g->s, a, g->tmp, SSH_FXF_WRITE | SSH_FXF_CREAT |
				(g->part ? SSH_FXF_READ : SSH_FXF_EXCL), g->part ? 0644 : 0444);
}

/* Opens it; makes the folder when that is missing. */
static int open_tmp(sending *g, dv_answer *a)
{
	uint32_t code;

	for (int i = 0;; i++) {
		int rc = dv_sftp_status(g->s, a, SSH_FXP_HANDLE, &code);

		if (rc || code == SSH_FX_OK)
			return rc ? rc : dv_sftp_parse_handle(g->s, a, &g->h);
		if (i == 2 || (code != SSH_FX_NO_SUCH_FILE && !g->part))
			return dv_sftp_fail(g->s, a, code, "write", g->name);
		if (code == SSH_FX_NO_SUCH_FILE)
			rc = dv_sftp_mkdirs(g->s, g->folder, a, &code);
		else	/* somebody else's part */
			rc = make_paths(g, false);
		if (rc == 0)
			rc = ask_tmp(g, a);
		if (rc)
			return rc;
	}
}

/* 1 when the name is taken by what is to be sent; 0 when the temporary file is open. */
static int begin(sending *g)
{
	dv_auto(dv_answer) a = { 0 }, b = { 0 };
	dv_sftp_attrs t = { 0 };
	uint32_t code;
	int there, rc = make_paths(g, g->fd >= 0 && g->size >= PART_FROM &&
					      dv_wire_names_bytes(g->name));

	if (rc == 0)
		rc = dv_sftp_ask(g->s, &a, SSH_FXP_LSTAT, g->path, NULL);
	if (rc == 0 && (rc = ask_tmp(g, &b)))
		dv_mux_forget(g->s->wire.mux, &a);
	if (rc)
		return rc;
	there = dv_sftp_status(g->s, &a, SSH_FXP_ATTRS, &code);
	if (there == 0 && code == SSH_FX_OK)
		there = dv_sftp_parse_attrs(g->s, &a, &t);
	if (there == 0)
		there = judge(g, &t, code, &a);
	if (there == 0)
		return open_tmp(g, &b);
	/* What was opened for nothing goes again. */
	if (dv_sftp_status(g->s, &b, SSH_FXP_HANDLE, &code) == 0 && code == SSH_FX_OK &&
	    dv_sftp_parse_handle(g->s, &b, &g->h) == 0)
		g->named = true;
	else
		free(dv_steal(&g->tmp));
	return there;
}

/* -- going on ---------------------------------------------------------------------------------- */

static int load(sending *g, uint64_t at, size_t n, const uint8_t **out)
{
	size_t got = 0;

	if (g->fd < 0) {
		*out = g->bytes + at;
		return 0;
	}
	if (!g->block && !(g->block = dv_malloc(g->s->write_max + g->s->read_max)))
		return DV_ERROR;
	if (dv_fs_pread_all(g->fd, g->block, n, (off_t)at, &got))
		return dv_err_sys("cannot read what is sent as '%s'", g->name);
	if (got != n)
		return dv_err(DV_ERROR, "what is sent as '%s' became shorter", g->name);
	*out = g->block;
	return 0;
}

/* How far the part is what it should be, from `from` up to `end`, where it ends. */
static int compare(sending *g, uint64_t from, uint64_t end)
{
	size_t step = g->s->read_max;
	uint64_t asked = from;

	g->at = from;
	for (;;) {
		const uint8_t *mine, *theirs;
		uint32_t code;
		size_t n;
		int rc = 0;

		for (; rc == 0 && asked < end && g->count < PIECES_MAX &&
		       g->count * step < IN_FLIGHT; g->count++) {
			n = end - asked < step ? (size_t)(end - asked) : step;
			rc = dv_sftp_ask_read(g->s, &g->a[(g->first + g->count) % PIECES_MAX],
					      &g->h, asked, n);
			asked += n;
		}
		if (rc || g->count == 0)
			return rc;
		dv_answer *a = &g->a[g->first];
		if ((rc = dv_sftp_status(g->s, a, SSH_FXP_DATA, &code)))
			return rc;
		g->first = (g->first + 1) % PIECES_MAX;
		g->count--;
		dv_cursor c = { a->p, a->n, false };
		theirs = code == SSH_FX_OK ? dv_cursor_bytes(&c, &n) : NULL;
		if (!theirs || c.bad || n == 0 || n > end - g->at)
			return 0;
		size_t whole = end - g->at < step ? (size_t)(end - g->at) : step;
		if ((rc = load(g, g->at, n < whole ? n : whole, &mine)))
			return rc;
		if (n > whole || memcmp(mine, theirs, n) != 0)
			return 0;
		g->at += n;
		if (n < whole)
			return 0;
	}
}

/* A part may hold bytes of an earlier try. Syncs stood in order between the writes, so only what
 * came after the last of them can be other than what was sent. */
static int resume(sending *g)
{
	dv_auto(dv_answer) a = { 0 };
	dv_sftp_attrs t;
	int rc = dv_sftp_ask_handle(g->s, &a, SSH_FXP_FSTAT, &g->h);

	if (rc || (rc = dv_sftp_expect(g->s, &a, SSH_FXP_ATTRS, "read", g->name)) ||
	    (rc = dv_sftp_parse_attrs(g->s, &a, &t)))
		return rc;
	if (!t.has_size)
		return dv_mux_nonsense(g->s->wire.mux, "bad attributes");
	if (t.size > g->size || (t.has_mode && !S_ISREG(t.mode))) {
		/* No part of this file: it is left alone. */
		dv_sftp_drop_handle(g->s, &g->h);
		if ((rc = make_paths(g, false)) || (rc = ask_tmp(g, &a)))
			return rc;
		return open_tmp(g, &a);
	}
	if (t.size == 0)
		return 0;
	uint64_t sure = t.size - 1 > IN_FLIGHT ? t.size - 1 - IN_FLIGHT : 0;
	g->synced = sure / SYNC_EVERY * SYNC_EVERY;
	rc = compare(g, g->synced, t.size);
	for (; g->count; g->count--, g->first = (g->first + 1) % PIECES_MAX)
		dv_mux_forget(g->s->wire.mux, &g->a[g->first]);
	return rc;
}

/* -- the bytes --------------------------------------------------------------------------------- */

/* Waits for the oldest request. */
static int settle_one(sending *g)
{
	dv_answer *a = &g->a[g->first];

	g->first = (g->first + 1) % PIECES_MAX;
	g->count--;
	int rc = dv_sftp_expect(g->s, a, SSH_FXP_STATUS, "write", g->name);
	if (rc == DV_ERROR && !dv_mux_is_lost(g->s->wire.mux) && !*dv_error_last()->hint)
		dv_err_hint(rc, "see that there is room on its disk");
	return rc;
}

static int send_block(sending *g, size_t n)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	const uint8_t *p;
	int rc = load(g, g->at, n, &p);

	if (rc || (g->fd >= 0 && (rc = dv_remote_sending(g->s->wire.remote, n))))
		return rc;
	dv_frame_bytes(&b, g->h.b, g->h.n);
	dv_frame_u64(&b, g->at);
	dv_frame_u32(&b, (uint32_t)n);
	rc = dv_mux_send(g->s->wire.mux, &g->a[(g->first + g->count) % PIECES_MAX], SSH_FXP_WRITE,
			 &b, p, n);
	if (rc == 0) {
		g->count++;
		g->at += n;
	}
	return rc;
}

static int send_bytes(sending *g)
{
	size_t most = IN_FLIGHT / g->s->write_max;
	bool sync = g->s->has & DV_SFTP_FSYNC;
	int rc = 0;

	most = most < PIECES_MAX - 1 ? most : PIECES_MAX - 1;
	while (rc == 0 && (g->at < g->size || (sync && g->synced < g->size))) {
		uint64_t left = g->size - g->at;

		if ((rc = dv_check_cancel()))
			break;
		while (rc == 0 && g->count >= most)
			rc = settle_one(g);
		if (rc == 0 && sync && g->at > g->synced &&
		    (left == 0 || (g->part && g->at - g->synced >= SYNC_EVERY))) {
			rc = dv_sftp_ask_fsync(g->s, &g->a[(g->first + g->count) % PIECES_MAX],
					       &g->h);
			g->count += rc == 0;
			g->synced = g->at;
		} else if (rc == 0) {
			uint64_t to = sync && g->part ? g->synced + SYNC_EVERY - g->at : left;

			left = left < to ? left : to;
			rc = send_block(g, left < g->s->write_max ? (size_t)left :
								    g->s->write_max);
		}
	}
	return rc;
}

/* The last answers, and the handle closed: errors of writing may come as late as that. */
static int finish(sending *g)
{
	dv_auto(dv_answer) a = { 0 }, t = { 0 };
	dv_sftp_attrs attrs;
	int rc = dv_sftp_ask_handle(g->s, &t, SSH_FXP_FSTAT, &g->h);

	if (rc == 0 && (rc = dv_sftp_ask_handle(g->s, &a, SSH_FXP_CLOSE, &g->h)))
		dv_mux_forget(g->s->wire.mux, &t);
	if (rc)
		return rc;
	g->h.n = 0;
	while (g->count && rc == 0)
		rc = settle_one(g);
	if (rc == 0)
		rc = dv_sftp_expect(g->s, &t, SSH_FXP_ATTRS, "write", g->name);
	if (rc == 0)
		rc = dv_sftp_expect(g->s, &a, SSH_FXP_STATUS, "write", g->name);
	dv_mux_forget(g->s->wire.mux, &t);
	dv_mux_forget(g->s->wire.mux, &a);
	if (rc || (rc = dv_sftp_parse_attrs(g->s, &t, &attrs)))
		return rc;
	if (!attrs.has_size || attrs.size != g->size)
		return dv_err(DV_ETRANSIENT, "'%s' on %s has another length than was sent",
			      g->name, g->s->what);
	return 0;
}

/* -- the name ---------------------------------------------------------------------------------- */

/* Folders can be synced where the server opens them as files, as OpenSSH does on Linux. */
static void sync_folder(sending *g)
{
	dv_auto(dv_answer) a = { 0 };
	dv_sftp_handle h = { .n = 0 };
	uint32_t code = SSH_FX_OK;

	if (!(g->s->has & DV_SFTP_FSYNC) || g->s->no_folder_sync)
		return;
	if (dv_sftp_ask_open(g->s, &a, g->folder, SSH_FXF_READ, 0) ||
	    dv_sftp_status(g->s, &a, SSH_FXP_HANDLE, &code))
		return;
	if (code != SSH_FX_OK || dv_sftp_parse_handle(g->s, &a, &h)) {
		g->s->no_folder_sync = true;
		return;
	}
	if (dv_sftp_ask_fsync(g->s, &a, &h) == 0 &&
	    dv_sftp_status(g->s, &a, SSH_FXP_STATUS, &code) == 0 && code != SSH_FX_OK)
		g->s->no_folder_sync = true;
	dv_sftp_drop_handle(g->s, &h);
}

/* Asks for the name: by a link where that is to be had, else by a rename, which does not replace on
 * OpenSSH and by the protocol's own words. */
static int ask_name(sending *g, dv_answer *a, bool by_link)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	if (!by_link) {
		dv_frame_str(&b, g->path);
		return dv_sftp_ask(g->s, a, SSH_FXP_RENAME, g->tmp, &b);
	}
	dv_frame_str(&b, g->tmp);
	dv_frame_str(&b, g->path);
	return dv_sftp_ask(g->s, a, SSH_FXP_EXTENDED, "hardlink@openssh.com", &b);
}

/* 0 when it got its name, 1 when a file with the same size has it. */
static int name_it(sending *g)
{
	dv_auto(dv_answer) a = { 0 };
	uint32_t code;
	bool by_link = g->s->has & DV_SFTP_HARDLINK;

	for (;;) {
		int rc = ask_name(g, &a, by_link);

		if (rc == 0)
			rc = dv_sftp_status(g->s, &a, SSH_FXP_STATUS, &code);
		if (rc)
			return rc;
		if (code == SSH_FX_OK) {
			/* With a link the temporary file is one name too many. */
			if (by_link && (rc = dv_sftp_ask(g->s, &a, SSH_FXP_REMOVE, g->tmp, NULL)))
				return rc;
			free(dv_steal(&g->tmp));
			sync_folder(g);
			return by_link ? dv_sftp_status(g->s, &a, SSH_FXP_STATUS, &code) : 0;
		}
		/* "Failure" may mean that the name is taken, and much else. */
		if ((rc = there_already(g)))
			return rc;
		if (!by_link)
			return dv_sftp_fail(g->s, &a, code, "name", g->name);
		by_link = false;	/* a file system without links */
	}
}

/* -- old parts --------------------------------------------------------------------------------- */

static int sweep_entry(const char *name, const dv_sftp_attrs *t, void *payload)
{
	sending *g = payload;
	bool ours = !strncmp(name, PART_PREFIX, strlen(PART_PREFIX)) ||
		    !strncmp(name, TMP_PREFIX, strlen(TMP_PREFIX));

	if (!ours || !t->has_time || (int64_t)t->mtime > (int64_t)time(NULL) - PART_AGE)
		return 0;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_buf_addf(&b, "%s/%s", g->folder, name);
	return b.err ? b.err : dv_sftp_ask(g->s, NULL, SSH_FXP_REMOVE, b.p, NULL);
}

/* A push that was cut and never tried again leaves a part, in a folder where long files are put.
 * What nobody wrote to for a day is nobody's. Best effort. */
static void sweep(sending *g)
{
	dv_error kept;

	dv_error_take(&kept);
	if (g->size >= PART_FROM)
		(void)!dv_sftp_each(g->s, g->folder, sweep_entry, g);
	dv_error_put(&kept);
}

/* -- verbs ------------------------------------------------------------------------------------- */

static int store(sending *g)
{
	int rc = begin(g);

	if (rc)
		return rc < 0 ? rc : 0;
	sweep(g);
	if (g->part)
		rc = resume(g);
	if (rc == 0)
		rc = send_bytes(g);
	if (rc == 0)
		rc = finish(g);
	if (rc == 0)
		rc = name_it(g);
	g->named = g->named || rc > 0;
	return rc < 0 ? rc : 0;
}

int dv_sftp_put(dv_wire *w, const char *name, int fd, uint64_t size)
{
	dv_auto(sending) g = { .s = (dv_sftp *)w, .name = name, .fd = fd, .size = size };
	struct stat st;

	if (fstat(fd, &st))
		return dv_err_sys("cannot look at what is sent as '%s'", name);
	if ((uint64_t)st.st_size != size)
		return dv_err(DV_ERROR, "what is sent as '%s' has %" PRIu64 " bytes, not %" PRIu64,
			      name, (uint64_t)st.st_size, size);
	return store(&g);
}

int dv_sftp_put_if_absent(dv_wire *w, const char *name, const void *p, size_t n)
{
	dv_auto(sending) g = { .s = (dv_sftp *)w, .name = name, .fd = -1, .bytes = p, .size = n };

	return store(&g);
}
