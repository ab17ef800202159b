/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_textconv: what git diff shows of a file. The same bytes give the same lines, as long as the
 * cache has the listings; nothing is fetched, for git asks for every version in a history.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/path.h"
#include "base/sha256.h"
#include "git/lfs_pointer.h"
#include "repo/lockfile.h"
#include "repo/repo.h"
#include "store/tree.h"

#define SHORT_OID 12	/* digits: for readers, not for programs */
#define FLUSH_AT ((size_t)1 << 16)	/* so much is printed at a time */

typedef struct conv {
	dv_repo *repo;
	dv_data_cb cb;
	void *payload;
	dv_buf out;
} conv;

static int flush(conv *c, size_t at)
{
	int rc = c->out.err;

	if (rc == 0 && c->out.n > at)
		rc = c->cb(c->out.p, c->out.n, c->payload);
	if (c->out.n > at)
		dv_buf_clear(&c->out);
	return rc;
}

/* Names as they are, but for what would look like something else: each is on a line of its own. */
static void add_name(dv_buf *out, const char *name)
{
	for (; *name; name++) {
		unsigned char u = (unsigned char)*name;

		if (u == '\\')
			dv_buf_adds(out, "\\\\");
		else if (u < 0x20 || u == 0x7f)
			dv_buf_addf(out, "\\%03o", u);
		else
			dv_buf_addc(out, *name);
	}
}

static int add_entry(const dv_tree_entry *e, const char *path, void *payload)
{
	char hex[DV_OID_HEX_SIZE + 1];
	conv *c = payload;

	if (e->kind == 'd' && e->nfiles)
		return 0;
	add_name(&c->out, path);
	dv_oid_hex(hex, &e->oid);
	dv_buf_addf(&c->out, "%s  %llu  %.*s\n",
		    e->kind == 'x' ? "*" : e->kind == 'l' ? "@" : e->kind == 'd' ? "/" : "",
		    (unsigned long long)e->size, SHORT_OID, hex);
	return flush(c, FLUSH_AT);
}

static int add_tree(conv *c, const dv_oid *oid)
{
	dv_autoptr(dv_reader) reader = NULL;
	dv_store *s = NULL;
	int rc = c->repo ? dv_repo_store_look(c->repo, &s) : DV_ENOTFOUND;

	if (rc == 0)
		rc = dv_reader_new(&reader, s);
	if (rc == 0)
		rc = dv_store_has_object(s, oid) ? dv_tree_walk(reader, oid, add_entry, c)
						 : DV_ENOTFOUND;
	if (rc >= 0 || rc == DV_ECANCELLED)
		return rc;
	dv_error_clear();
	return dv_buf_adds(&c->out, "# the listing is not in the cache: 'dv fetch' brings it\n");
}

/* 1 where it is no pointer: then it is shown as it is. */
static int conv_pointer(conv *c, const char *path)
{
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_fs_read_file(&text, path, DV_POINTER_MAX);

	if (rc)
		return rc;
	rc = dv_pointer_parse(&p, dv_buf_str(&text), text.n, path);
	dv_error_clear();
	dv_buf_add(&c->out, text.p, text.n);
	if (rc == 0 && p.is_dir) {
		dv_buf_adds(&c->out, "files:\n");
		return add_tree(c, &p.oid);
	}
	return c->out.err;
}

static int conv_any(conv *c, const char *path, bool as_is)
{
	dv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	char hex[DV_OID_HEX_SIZE + 1];
	unsigned char buf[1 << 16];
	dv_lfs_pointer lfs;
	dv_sha256_ctx ctx;
	uint64_t size = 0;
	dv_oid oid;
	ssize_t n;
	int rc = 0;

	if (fd < 0)
		return dv_err_sys("cannot open '%s'", path);
	dv_sha256_init(&ctx);
	while (rc == 0 && (n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dv_err_sys("cannot read '%s'", path);
		if (size == 0 && n <= (ssize_t)DV_LFS_POINTER_MAX &&
		    dv_lfs_pointer_parse(&lfs, buf, (size_t)n)) {
			dv_oid_hex(hex, &lfs.oid);
			return dv_buf_addf(&c->out, "oid sha256:%s\nsize %llu\n", hex,
					   (unsigned long long)lfs.size);
		}
		size += (uint64_t)n;
		dv_sha256_update(&ctx, buf, (size_t)n);
		rc = as_is ? c->cb(buf, (size_t)n, c->payload) : dv_check_cancel();
	}
	if (rc || as_is)
		return rc;
	dv_sha256_final(&ctx, &oid);
	dv_oid_hex(hex, &oid);
	return dv_buf_addf(&c->out, "oid sha256:%s\nsize %llu\n", hex, (unsigned long long)size);
}

int dv_textconv(dv_repo *r, const char *path, dv_data_cb cb, void *payload)
{
	conv c = { .repo = r, .cb = cb, .payload = payload, .out = DV_BUF_INIT };
	const char *name = dv_path_base(path);
	/* git gives a version that is not in the workspace a name such as "Ab12Cd_data.dv". */
	size_t n = strlen(name), lock = strlen(DV_LOCKFILE);
	int rc;

	if (dv_pointer_is_name(name))
		rc = conv_pointer(&c, path);
	else
		rc = conv_any(&c, path, n >= lock && !strcmp(name + n - lock, DV_LOCKFILE));
	if (rc == 0)
		rc = flush(&c, 0);
	dv_buf_release(&c.out);
	return rc;
}
