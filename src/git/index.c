/* SPDX-License-Identifier: Apache-2.0 */
/* Git's index as a file: gitformat-index(5) has the format. */
#include "git/index.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fs.h"

#define INDEX_MAX ((size_t)4 << 30)	/* offsets in it have 32 bits */
#define HEADER 12	/* signature, version, number of entries */
#define STAT_SIZE 40	/* the stat data at the beginning of an entry */
#define SHA1_SIZE 20
#define SHA256_SIZE 32
#define FLAG_EXTENDED 0x4000
#define FLAG_SKIP_WORKTREE 0x4000	/* of the second flags */
#define SETTLE_NS 20000000L	/* the clock of files may stand still for so long */

void dv_gitindex_release(dv_gitindex *x)
{
	dv_buf_release(&x->bytes);
}

static uint32_t get_be32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | (uint32_t)b[3];
}

static void put_be32(void *p, uint32_t v)
{
	uint8_t *b = p;

	for (int i = 4; i-- > 0; v >>= 8)
		b[i] = (uint8_t)v;
}

static int damaged(void)
{
	return dv_err_hint(dv_err(DV_ECORRUPT, "git's index is damaged"),
			   "run 'git fsck', or 'git status' to see what git says");
}

/* -- digests ----------------------------------------------------------------------------------- */

static const EVP_MD *method(size_t id_size)
{
	return id_size == SHA1_SIZE ? EVP_sha1() : EVP_sha256();
}

static int digest(uint8_t *out, size_t id_size, const void *a, size_t na, const void *b, size_t nb)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestInit_ex(c, method(id_size), NULL) == 1 &&
		  EVP_DigestUpdate(c, a, na) == 1 && (!nb || EVP_DigestUpdate(c, b, nb) == 1) &&
		  EVP_DigestFinal_ex(c, out, NULL) == 1;

	EVP_MD_CTX_free(c);
	return ok ? 0 : dv_err(DV_ERROR, "cannot compute a digest");
}

int dv_gitindex_blob_id(uint8_t out[DV_GITINDEX_ID_MAX], size_t id_size, const void *p, size_t n)
{
	char head[40];
	int len = snprintf(head, sizeof(head), "blob %zu", n) + 1;

	return digest(out, id_size, head, (size_t)len, p, n);
}

/* Which digest ends the file. All zeros stand where git was told to leave it out. */
static int find_digest(dv_gitindex *x)
{
	static const uint8_t none[SHA256_SIZE];
	uint8_t sum[DV_GITINDEX_ID_MAX];

	for (x->id_size = SHA1_SIZE; x->id_size; ) {
		const uint8_t *p = (const uint8_t *)x->bytes.p, *end;

		if (x->bytes.n < HEADER + x->id_size)
			return damaged();
		end = p + x->bytes.n - x->id_size;
		int rc = digest(sum, x->id_size, p, x->bytes.n - x->id_size, NULL, 0);
		if (rc)
			return rc;
		if (!memcmp(sum, end, x->id_size) || !memcmp(none, end, x->id_size))
			return 0;
		x->id_size = x->id_size == SHA1_SIZE ? SHA256_SIZE : 0;
	}
	return damaged();
}

/* -- reading ----------------------------------------------------------------------------------- */

/* Extensions that change what the entries mean. */
static int check_extensions(const dv_gitindex *x, size_t at)
{
	const uint8_t *p = (const uint8_t *)x->bytes.p;
	size_t end = x->bytes.n - x->id_size;

	while (end - at >= 8) {
		uint32_t size = get_be32(p + at + 4);

		/* Names in lower case must be understood. */
		if (p[at] < 'A' || p[at] > 'Z')
			return dv_err(DV_ERROR, "git's index has the extension '%.4s', which dv "
				      "does not read", (const char *)p + at);
		if (size > end - at - 8)
			return damaged();
		at += 8 + size;
	}
	return at == end ? 0 : damaged();
}

struct cursor {
	const dv_gitindex *x;
	size_t at, end;
	dv_buf path;	/* of the entry before, for version 4 */
};

/* How many bytes of the path before are dropped. */
static int strip_length(struct cursor *c, size_t *out)
{
	const uint8_t *p = (const uint8_t *)c->x->bytes.p;
	size_t v;

	if (c->at >= c->end)
		return damaged();
	v = p[c->at] & 127;
	while (p[c->at++] & 128) {
		if (c->at >= c->end || v > SIZE_MAX >> 8)
			return damaged();
		v = ((v + 1) << 7) + (p[c->at] & 127);
	}
	*out = v;
	return 0;
}

static int next_path(struct cursor *c, size_t start)
{
	const uint8_t *p = (const uint8_t *)c->x->bytes.p, *nul;
	size_t strip = 0;
	int rc = c->x->version == 4 ? strip_length(c, &strip) : 0;

	if (rc)
		return rc;
	if (c->x->version != 4)
		strip = c->path.n;
	if (strip > c->path.n || c->at >= c->end ||
	    !(nul = memchr(p + c->at, 0, c->end - c->at)))
		return damaged();
	c->path.n -= strip;
	size_t n = (size_t)(nul - (p + c->at));
	rc = dv_buf_add(&c->path, p + c->at, n);
	if (rc)
		return rc;
	c->at += n + 1;
	if (c->x->version != 4) {
		/* NULs fill the entry up to a multiple of eight. */
		size_t len = (c->at - 1 - start + 8) & ~(size_t)7;

		if (len > c->end - start)
			return damaged();
		c->at = start + len;
	}
	return 0;
}

/* Reads the entry at the cursor; *start is where its stat data lies. */
static int next_entry(struct cursor *c, dv_gitindex_entry *e, size_t *start)
{
	const uint8_t *p = (const uint8_t *)c->x->bytes.p + c->at;
	size_t fixed = STAT_SIZE + c->x->id_size + 2;
	unsigned flags, more = 0;

	*start = c->at;
	if (c->end - c->at < fixed + 2)
		return damaged();
	flags = (unsigned)p[fixed - 2] << 8 | p[fixed - 1];
	if (flags & FLAG_EXTENDED) {
		if (c->x->version < 3)
			return damaged();
		more = (unsigned)p[fixed] << 8 | p[fixed + 1];
		fixed += 2;
	}
	*e = (dv_gitindex_entry){
		.id = p + STAT_SIZE,
		.id_size = c->x->id_size,
		.mode = get_be32(p + 24),
		.merge_stage = flags >> 12 & 3,
		.skip_worktree = more & FLAG_SKIP_WORKTREE,
		.st = { get_be32(p), get_be32(p + 4), get_be32(p + 8), get_be32(p + 12),
			get_be32(p + 16), get_be32(p + 20), get_be32(p + 36) },
	};
	/* Git keeps nanoseconds and compares seconds, unless it was built otherwise. */
	e->racy = e->st.mtime_s >= (uint32_t)c->x->st.st_mtim.tv_sec;
	c->at += fixed;
	int rc = next_path(c, *start);
	e->path = dv_buf_str(&c->path);
	return rc;
}

/* In a split index, what takes an entry's place in the other file has no name. */
static int check_name(const dv_gitindex_entry *e, size_t start, void *payload)
{
	bool *nameless = payload;

	(void)start;
	*nameless |= !*e->path;
	return 0;
}

typedef int (*place_fn)(const dv_gitindex_entry *e, size_t start, void *payload);

static int each_place(const dv_gitindex *x, place_fn fn, void *payload, size_t *after)
{
	struct cursor c = { .x = x, .at = HEADER, .end = x->bytes.n - x->id_size };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < x->nentries; i++) {
		dv_gitindex_entry e;
		size_t start;

		rc = next_entry(&c, &e, &start);
		if (rc == 0 && fn)
			rc = fn(&e, start, payload);
	}
	if (after)
		*after = c.at;
	dv_buf_release(&c.path);
	return rc;
}

static int parse(dv_gitindex *x)
{
	const uint8_t *p = (const uint8_t *)x->bytes.p;
	bool nameless = false;
	size_t after = 0;

	if (x->bytes.n < HEADER + SHA1_SIZE || memcmp(p, "DIRC", 4) != 0)
		return damaged();
	x->version = get_be32(p + 4);
	x->nentries = get_be32(p + 8);
	if (x->version < 2 || x->version > 4)
		return dv_err(DV_ERROR, "git's index has version %u, which dv does not read",
			      x->version);
	int rc = find_digest(x);
	if (rc == 0 && x->nentries > x->bytes.n / (STAT_SIZE + SHA1_SIZE))
		rc = damaged();
	if (rc == 0)
		rc = each_place(x, check_name, &nameless, &after);
	if (rc == 0)
		rc = check_extensions(x, after);
	return rc == 0 && nameless ? damaged() : rc;
}

int dv_gitindex_read(dv_gitindex *x, const char *path)
{
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, path, O_RDONLY, 0);

	dv_gitindex_release(x);
	*x = (dv_gitindex)DV_GITINDEX_INIT;
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &x->st) < 0)
		return dv_err_sys("cannot read git's index '%s'", path);
	int rc = dv_fs_read_fd(&x->bytes, fd, path, INDEX_MAX);
	return rc ? rc : parse(x);
}

struct plain {
	dv_gitindex_cb cb;
	void *payload;
};

static int plain_entry(const dv_gitindex_entry *e, size_t start, void *payload)
{
	const struct plain *p = payload;

	(void)start;
	return p->cb(e, p->payload);
}

int dv_gitindex_each(const dv_gitindex *x, dv_gitindex_cb cb, void *payload)
{
	struct plain p = { cb, payload };

	return x->nentries ? each_place(x, plain_entry, &p, NULL) : 0;
}

/* -- what git lists ---------------------------------------------------------------------------- */

int dv_gitindex_put(dv_gitindex *x, const dv_gitindex_entry *e)
{
	uint8_t head[STAT_SIZE + SHA1_SIZE + 4] = { 0 };
	size_t n = strlen(e->path), len = (sizeof(head) + n + 8) & ~(size_t)7;
	const uint32_t first[] = { e->st.ctime_s, e->st.ctime_ns, e->st.mtime_s, e->st.mtime_ns,
				   e->st.dev, e->st.ino, e->mode };

	if (!x->bytes.n) {
		x->version = 3;
		x->id_size = SHA1_SIZE;
		dv_buf_add(&x->bytes, "DIRC\0\0\0\3\0\0\0\0", HEADER);
	}
	for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++)
		put_be32(head + 4 * i, first[i]);
	put_be32(head + 36, e->st.size);
	memcpy(head + STAT_SIZE, e->id, SHA1_SIZE);
	head[STAT_SIZE + SHA1_SIZE] = (uint8_t)(FLAG_EXTENDED >> 8 | e->merge_stage << 4);
	head[STAT_SIZE + SHA1_SIZE + 2] = e->skip_worktree ? FLAG_SKIP_WORKTREE >> 8 : 0;
	dv_buf_add(&x->bytes, head, sizeof(head));
	dv_buf_add(&x->bytes, e->path, n);
	for (size_t i = sizeof(head) + n; i < len; i++)
		dv_buf_addc(&x->bytes, 0);
	x->nentries++;
	return x->bytes.err;
}

int dv_gitindex_put_end(dv_gitindex *x)
{
	static const uint8_t none[SHA1_SIZE];

	return x->nentries ? dv_buf_add(&x->bytes, none, sizeof(none)) : 0;
}

/* -- stat data --------------------------------------------------------------------------------- */

bool dv_gitindex_stat_is(const dv_gitindex_stat *a, const struct stat *st)
{
	return a->mtime_s == (uint32_t)st->st_mtim.tv_sec &&
	       a->ctime_s == (uint32_t)st->st_ctim.tv_sec &&
	       (!a->mtime_ns || a->mtime_ns == (uint32_t)st->st_mtim.tv_nsec) &&
	       (!a->ctime_ns || a->ctime_ns == (uint32_t)st->st_ctim.tv_nsec) &&
	       a->ino == (uint32_t)st->st_ino && a->size == (uint32_t)st->st_size;
}

static void write_stat(uint8_t *p, const struct stat *st)
{
	put_be32(p, (uint32_t)st->st_ctim.tv_sec);
	put_be32(p + 4, (uint32_t)st->st_ctim.tv_nsec);
	put_be32(p + 8, (uint32_t)st->st_mtim.tv_sec);
	put_be32(p + 12, (uint32_t)st->st_mtim.tv_nsec);
	put_be32(p + 16, (uint32_t)st->st_dev);
	put_be32(p + 20, (uint32_t)st->st_ino);
	put_be32(p + 28, (uint32_t)st->st_uid);
	put_be32(p + 32, (uint32_t)st->st_gid);
	put_be32(p + 36, (uint32_t)st->st_size);
}

struct freshen {
	dv_gitindex *x;
	const dv_gitindex_fresh *f;
	size_t n;
	size_t changed;
	int treefd;
	time_t now;		/* what the new index says of its age */
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const dv_gitindex_fresh *)a)->path, ((const dv_gitindex_fresh *)b)->path);
}

static bool is_before(const struct timespec *a, uint32_t s, uint32_t ns)
{
	return a->tv_sec < (time_t)s || (a->tv_sec == (time_t)s && a->tv_nsec < (long)ns);
}

/* Git looks into files that are as young as its index, since their stat data proves nothing to
 * someone who compares seconds. In the new index they would count as old: so what may have been
 * written to since says there that it is not known, as git itself does it. */
static void smudge(struct freshen *x, const dv_gitindex_entry *e, uint8_t *p)
{
	const struct timespec settled = {
		e->st.mtime_s, (long)e->st.mtime_ns + SETTLE_NS };
	const struct timespec *index = &x->x->st.st_mtim;
	struct stat st;

	if (!e->racy || (time_t)e->st.mtime_s >= x->now)
		return;
	bool sure = e->st.mtime_ns && e->st.ctime_ns &&
		    is_before(&settled, (uint32_t)index->tv_sec, (uint32_t)index->tv_nsec) &&
		    fstatat(x->treefd, e->path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    dv_gitindex_stat_is(&e->st, &st);
	if (!sure)
		put_be32(p + 36, 0);
}

static bool is_still(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int freshen_entry(const dv_gitindex_entry *e, size_t start, void *payload)
{
	struct freshen *x = payload;
	const dv_gitindex_fresh key = { .path = e->path }, *f;
	uint8_t id[DV_GITINDEX_ID_MAX], *p = (uint8_t *)x->x->bytes.p + start;
	struct stat st;

	if (e->merge_stage || (!S_ISREG(e->mode) && !S_ISLNK(e->mode)))
		return 0;
	f = S_ISREG(e->mode) ? bsearch(&key, x->f, x->n, sizeof(*f), by_path) : NULL;
	int rc = f ? dv_gitindex_blob_id(id, e->id_size, f->text, f->n) : 0;
	if (rc)
		return rc;
	if (!f || memcmp(id, e->id, e->id_size) != 0 ||
	    fstatat(x->treefd, e->path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_still(&st, &f->st)) {
		smudge(x, e, p);
		return 0;
	}
	write_stat(p, &st);
	x->changed++;
	return 0;
}

static int seal(dv_gitindex *x)
{
	static const uint8_t none[SHA256_SIZE];
	uint8_t *p = (uint8_t *)x->bytes.p;
	size_t n = x->bytes.n - x->id_size;

	return memcmp(none, p + n, x->id_size) ? digest(p + n, x->id_size, p, n, NULL, 0) : 0;
}

static int take_lock(int *fd, const char *lock, int wait_ms)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	for (;; wait_ms -= 20) {
		*fd = dv_fs_openat(AT_FDCWD, lock, O_WRONLY | O_CREAT | O_EXCL, 0666);
		if (*fd >= 0)
			return 0;
		if (errno != EEXIST)
			return dv_err_sys("cannot create '%s'", lock);
		if (wait_ms <= 0)
			return dv_err_hint(dv_err(DV_ELOCKED, "git's index is locked: '%s'", lock),
					   "wait for the other git command");
		nanosleep(&pause, NULL);
	}
}

/* The index is as old as what was looked at: what changes from then on is younger. */
static int write_index(const struct freshen *x, int fd, const char *lock, const char *path)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = x->now } };

	if (dv_fs_write_all(fd, x->x->bytes.p, x->x->bytes.n) < 0 ||
	    dv_fs_fchmod(fd, x->x->st.st_mode & 0777) < 0 || dv_fs_futimens(fd, times) < 0 ||
	    dv_fs_renameat(AT_FDCWD, lock, AT_FDCWD, path) < 0)
		return dv_err_sys("cannot write git's index '%s'", path);
	return 0;
}

int dv_gitindex_freshen(const char *path, const char *tree, dv_gitindex_fresh *f, size_t n,
			int wait_ms)
{
	dv_auto(dv_gitindex) x = DV_GITINDEX_INIT;
	dv_auto(dv_buf) lock = DV_BUF_INIT;
	dv_autoclose int fd = -1, treefd = dv_fs_openat(AT_FDCWD, tree, O_RDONLY | O_DIRECTORY, 0);
	struct freshen w = { .x = &x, .f = f, .n = n, .treefd = treefd };

	if (n == 0)
		return 0;
	if (treefd < 0)
		return dv_err_sys("cannot open the work tree '%s'", tree);
	qsort(f, n, sizeof(*f), by_path);
	int rc = dv_buf_addf(&lock, "%s.lock", path);
	if (!rc)
		rc = take_lock(&fd, dv_buf_str(&lock), wait_ms);
	if (rc)
		return rc;
	/* From here on nobody else changes it. */
	w.now = time(NULL);
	rc = dv_gitindex_read(&x, path);
	if (!rc && x.nentries)
		rc = each_place(&x, freshen_entry, &w, NULL);
	if (!rc && w.changed)
		rc = seal(&x);
	if (!rc && w.changed)
		rc = write_index(&w, fd, dv_buf_str(&lock), path);
	if (rc || !w.changed)
		dv_fs_unlinkat(AT_FDCWD, dv_buf_str(&lock), 0);
	return rc;
}
