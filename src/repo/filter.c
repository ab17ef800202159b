/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_filter_process: git's long-running filter, version 2 of its protocol. One request after the
 * other; the answer comes after the last packet of the content, never before, or both sides would
 * wait for ever.
 */
#include "repo/filter_impl.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"

#define KEYS_MAX 1000	/* in one request */
#define IDLE_MS 25	/* git has other things to do: time to make things durable */

static void filter_release(dv_filter *f)
{
	dv_filter_clean_release(f);
	dv_filter_files_release(&f->delayed);
	dv_filter_files_release(&f->late);
	dv_filter_files_release(&f->left);
	dv_map_release(&f->delayed_at);
	dv_reader_free(f->reader);
	dv_repo_free(f->repo);
	dv_pkt_reader_release(&f->in);
	dv_buf_release(&f->reply);
	dv_buf_release(&f->line);
	dv_buf_release(&f->command);
	dv_buf_release(&f->path);
	dv_buf_release(&f->content);
	dv_buf_release(&f->why);
}

/* -- the workspace ----------------------------------------------------------------------------- */

/* Git runs the filter at the root of the work tree; the workspace may lie below it. */
static int open_repo(dv_filter *f)
{
	dv_autofree char *dir = dv_path_dir(dv_buf_str(&f->path));
	int rc = dv_repo_open(&f->repo, NULL);

	if (rc != DV_ENOREPO || !dir)
		return rc;
	while (rc == DV_ENOREPO && strcmp(dir, ".") != 0) {
		if (access(dir, F_OK) == 0)
			rc = dv_repo_open(&f->repo, dir);
		char *up = dv_path_dir(dir);
		free(dir);
		dir = up;
		if (!dir)
			return dv_err_nomem();
	}
	return rc;
}

int dv_filter_open(dv_filter *f)
{
	int rc = f->repo ? 0 : open_repo(f);

	if (!rc && !f->store)
		rc = dv_repo_store(f->repo, &f->store);
	if (!rc && !f->reader)
		rc = dv_reader_new(&f->reader, f->store);
	return rc;
}

/* -- content and answers ----------------------------------------------------------------------- */

static int took(dv_filter *f, enum dv_pkt_kind kind)
{
	if (kind == DV_PKT_EOF)
		return dv_err(DV_ECORRUPT, "git stopped in the middle of a file");
	f->whole = kind == DV_PKT_FLUSH;
	return 0;
}

int dv_filter_next(dv_filter *f, const uint8_t **p, size_t *n)
{
	enum dv_pkt_kind kind;
	int rc = dv_pkt_read(&f->in, &kind, p, n);

	return rc ? rc : took(f, kind);
}

int dv_filter_next_into(dv_filter *f, void *p, size_t room, size_t *n)
{
	enum dv_pkt_kind kind;
	int rc = dv_pkt_read_into(&f->in, &kind, p, room, n);

	return rc ? rc : took(f, kind);
}

int dv_filter_read(dv_filter *f)
{
	int rc = 0;

	while (!rc && !f->whole && f->content.n < DV_FILTER_HOLD) {
		const uint8_t *p;
		size_t n;

		rc = dv_filter_next(f, &p, &n);
		if (!rc)
			rc = dv_buf_add(&f->content, p, n);
	}
	return rc;
}

int dv_filter_drain(dv_filter *f)
{
	int rc = 0;

	while (!rc && !f->whole) {
		const uint8_t *p;
		size_t n;

		rc = dv_filter_next(f, &p, &n);
	}
	return rc;
}

int dv_filter_answer(dv_filter *f, const void *p, size_t n)
{
	dv_pkt_line(&f->reply, "status=success");
	dv_pkt_flush(&f->reply);
	dv_pkt_bytes(&f->reply, p, n);
	dv_pkt_flush(&f->reply);
	dv_pkt_flush(&f->reply);
	return dv_pkt_send(f->out, &f->reply);
}

int dv_filter_refuse(dv_filter *f)
{
	const dv_error *e = dv_error_last();
	int rc;

	if (e->code == DV_ECANCELLED)
		return e->code;
	if (*e->hint)
		dv_warn("'%s': %s (%s)", dv_buf_str(&f->path), e->message, e->hint);
	else
		dv_warn("'%s': %s", dv_buf_str(&f->path), e->message);
	dv_error_clear();
	rc = dv_filter_drain(f);
	dv_pkt_line(&f->reply, "status=error");
	dv_pkt_flush(&f->reply);
	return rc ? rc : dv_pkt_send(f->out, &f->reply);
}

/* A file without a name, for what is too long for memory. */
static int open_spool(dv_filter *f, int *fd)
{
	dv_autofree char *name = NULL;
	int rc = f->repo ? 0 : dv_filter_open(f);

	if (!rc)
		rc = dv_fs_mkdirs(f->repo->dvdir);
	if (rc)
		return rc;
	*fd = dv_fs_openat(AT_FDCWD, f->repo->dvdir, O_TMPFILE | O_RDWR, 0600);
	if (*fd >= 0)
		return 0;
	name = dv_path_join(f->repo->dvdir, "filter.tmp");
	if (!name)
		return DV_ERROR;
	(void)dv_fs_unlinkat(AT_FDCWD, name, 0);
	*fd = dv_fs_openat(AT_FDCWD, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return dv_err_sys("cannot create a temporary file in '%s'", f->repo->dvdir);
	(void)dv_fs_unlinkat(AT_FDCWD, name, 0);
	return 0;
}

static int keep(int fd, const void *p, size_t n)
{
	return dv_fs_write_all(fd, p, n) < 0 ? dv_err_sys("cannot keep what git sends") : 0;
}

static int fill_spool(dv_filter *f, int fd)
{
	int rc = keep(fd, f->content.p, f->content.n);

	while (!rc && !f->whole) {
		const uint8_t *p;
		size_t n;

		rc = dv_filter_next(f, &p, &n);
		if (!rc)
			rc = keep(fd, p, n);
	}
	return rc;
}

static int send_spool(dv_filter *f, int fd)
{
	dv_autofree uint8_t *buf = dv_malloc(DV_PKT_DATA_MAX);
	size_t got = 0;
	int rc = buf ? 0 : DV_ERROR;

	dv_pkt_line(&f->reply, "status=success");
	dv_pkt_flush(&f->reply);
	for (off_t at = 0; !rc; at += (off_t)got) {
		if (dv_fs_pread_all(fd, buf, DV_PKT_DATA_MAX, at, &got) < 0)
			return dv_err_sys("cannot read what git sent");
		if (!got)
			break;
		dv_pkt_bytes(&f->reply, buf, got);
		rc = dv_pkt_send(f->out, &f->reply);
	}
	dv_pkt_flush(&f->reply);
	dv_pkt_flush(&f->reply);
	return rc ? rc : dv_pkt_send(f->out, &f->reply);
}

int dv_filter_pass(dv_filter *f)
{
	dv_autoclose int fd = -1;
	int rc;

	if (f->whole)
		return dv_filter_answer(f, f->content.p, f->content.n);
	if (open_spool(f, &fd))
		return dv_filter_refuse(f);
	rc = fill_spool(f, fd);
	return rc ? rc : send_spool(f, fd);
}

/* -- the conversation -------------------------------------------------------------------------- */

/* Reads a list of lines to its end; false in *any for the end of the pipe. */
static int read_list(dv_filter *f, int (*line)(dv_filter *f, const char *text), bool *any)
{
	*any = false;
	for (int i = 0; i < KEYS_MAX; i++) {
		enum dv_pkt_kind kind;
		int rc = dv_pkt_read_text(&f->in, &kind, &f->line);

		if (rc)
			return rc;
		if (kind == DV_PKT_EOF && i == 0)
			return 0;
		if (kind == DV_PKT_EOF)
			return dv_err(DV_ECORRUPT, "git stopped in the middle of a request");
		*any = true;
		if (kind == DV_PKT_FLUSH)
			return 0;
		rc = line(f, dv_buf_str(&f->line));
		if (rc)
			return rc;
	}
	return dv_err(DV_ECORRUPT, "git's request is too long");
}

#define HELLO_CLIENT 1u
#define HELLO_VERSION 2u
#define CAN_CLEAN 4u
#define CAN_SMUDGE 8u
#define CAN_DELAY 16u

/* What git said goes to `told`, which only the greeting uses. */
static int greet_line(dv_filter *f, const char *text)
{
	static const struct {
		const char *text;
		char bit;
	} known[] = {
		{ "git-filter-client", HELLO_CLIENT }, { "version=2", HELLO_VERSION },
		{ "capability=clean", CAN_CLEAN }, { "capability=smudge", CAN_SMUDGE },
		{ "capability=delay", CAN_DELAY },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(text, known[i].text) == 0)
			return dv_buf_addc(&f->command, known[i].bit);
	return 0;
}

static unsigned greeted(const dv_filter *f)
{
	unsigned bits = 0;

	for (size_t i = 0; i < f->command.n; i++)
		bits |= (unsigned char)f->command.p[i];
	return bits;
}

static int greet(dv_filter *f, bool *any)
{
	int rc = read_list(f, greet_line, any);

	if (rc || !*any)
		return rc;
	if ((greeted(f) & (HELLO_CLIENT | HELLO_VERSION)) != (HELLO_CLIENT | HELLO_VERSION))
		return dv_err_hint(dv_err(DV_ECORRUPT, "this is not git with version 2 of its "
					  "filter protocol"), "let git start 'dv filter-process'");
	dv_pkt_line(&f->reply, "git-filter-server");
	dv_pkt_line(&f->reply, "version=2");
	dv_pkt_flush(&f->reply);
	rc = dv_pkt_send(f->out, &f->reply);
	dv_buf_clear(&f->command);
	if (!rc)
		rc = read_list(f, greet_line, any);
	if (rc || !*any)
		return rc;
	if (greeted(f) & CAN_CLEAN)
		dv_pkt_line(&f->reply, "capability=clean");
	if (greeted(f) & CAN_SMUDGE)
		dv_pkt_line(&f->reply, "capability=smudge");
	if (greeted(f) & CAN_DELAY)
		dv_pkt_line(&f->reply, "capability=delay");
	dv_pkt_flush(&f->reply);
	return dv_pkt_send(f->out, &f->reply);
}

static int request_line(dv_filter *f, const char *text)
{
	if (strncmp(text, "command=", 8) == 0) {
		dv_buf_clear(&f->command);
		return dv_buf_adds(&f->command, text + 8);
	}
	if (strncmp(text, "pathname=", 9) == 0) {
		dv_buf_clear(&f->path);
		return dv_buf_adds(&f->path, text + 9);
	}
	if (strcmp(text, "can-delay=1") == 0)
		f->can_delay = true;
	f->of_tree |= !strncmp(text, "treeish=", 8) || !strncmp(text, "ref=", 4);
	return 0;
}

static int answer(dv_filter *f)
{
	const char *command = dv_buf_str(&f->command);
	bool clean = strcmp(command, "clean") == 0, smudge = strcmp(command, "smudge") == 0;

	if (strcmp(command, "list_available_blobs") == 0)
		return dv_filter_list(f);
	if (!clean && !smudge)
		return dv_err(DV_ECORRUPT, "git asks for what dv does not know: '%.100s'", command);
	if (!f->path.n)
		return dv_err(DV_ECORRUPT, "git names no file");
	return clean ? dv_filter_clean(f) : dv_filter_smudge(f);
}

/* Requests until the pipe ends. */
static int converse(dv_filter *f)
{
	bool any;

	for (;;) {
		while (f->dirty && !dv_pkt_wait(&f->in, IDLE_MS)) {
			int rc = dv_filter_commit(f);
			if (rc)
				return rc;
		}
		dv_buf_clear(&f->command);
		dv_buf_clear(&f->path);
		dv_buf_clear(&f->content);
		f->can_delay = f->of_tree = f->whole = false;
		int rc = read_list(f, request_line, &any);
		if (!rc && any)
			rc = answer(f);
		if (rc || !any)
			return rc;
	}
}

int dv_filter_process(const dv_filter_options *o)
{
	__attribute__((cleanup(filter_release))) dv_filter f = { .out = o->out,
								  .in = DV_PKT_READER_INIT };
	const char *skip = getenv("DV_SKIP_SMUDGE");
	dv_error first;
	bool any = false;

	f.skip = skip && *skip && strcmp(skip, "0") != 0;
	int rc = dv_pkt_reader_open(&f.in, o->in);
	if (!rc)
		rc = greet(&f, &any);
	if (!rc && any)
		rc = converse(&f);
	/* Git may be gone, killed perhaps: what it got answers for is kept all the same. */
	if (rc == DV_ENOTFOUND)
		rc = 0;
	dv_error_take(&first);
	int e = dv_filter_commit(&f);
	if (!e && !rc)
		e = dv_filter_finish(&f);
	return rc ? dv_error_put(&first) : e;
}
