/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_doctor: looks at the machine, the workspace, the cache and the remotes, and says what is
 * wrong. It changes nothing: what a file system can do is tried out in a temporary folder that is
 * removed again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/words.h"
#include "repo/doctor.h"
#include "repo/hooks.h"
#include "repo/sync.h"
#include "repo/workdir.h"

#define FREE_MIN ((uint64_t)1 << 30)

typedef struct doctor {
	dv_repo *repo;
	dv_finding_cb cb;
	void *payload;
} doctor;

static int tell(const doctor *d, const char *topic, const char *value, const char *problem,
		const char *hint)
{
	dv_finding f = { topic, value, problem, hint };

	return d->cb(&f, d->payload);
}

/* The failure on record, as a problem. */
static int tell_failure(const doctor *d, const char *topic, const char *value)
{
	dv_error e;

	dv_error_take(&e);
	dv_error_clear();
	return tell(d, topic, value, e.message, *e.hint ? e.hint : NULL);
}

/* -- the machine ------------------------------------------------------------------------------- */

static int on_version(const char *key, const char *value, void *payload)
{
	return tell(payload, key, value, NULL, NULL);
}

static int check_machine(doctor *d)
{
	char cpus[32];
	int rc = dv_version_info(on_version, d);

	if (rc != 0)
		return rc;
	snprintf(cpus, sizeof(cpus), "%d", dv_cpu_count());
	rc = tell(d, "processors", cpus, NULL, NULL);
	return rc ? rc : tell(d, "hashing", dv_sha256_backend(), NULL, NULL);
}

static const char *fs_name(long type)
{
	static const struct {
		unsigned long type;
		const char *name;
	} names[] = {
		{ 0xef53, "ext4" }, { 0x58465342, "xfs" }, { 0x9123683e, "btrfs" },
		{ 0x01021994, "tmpfs" }, { 0x6969, "nfs" }, { 0xff534d42, "cifs" },
		{ 0xfe534d42, "smb2" }, { 0x65735546, "fuse" }, { 0x794c7630, "overlayfs" },
		{ 0x2fc12fc1, "zfs" }, { 0xca451a4e, "bcachefs" }, { 0xf2f52010, "f2fs" },
		{ 0x01021997, "9p" }, { 0x4d44, "vfat" }, { 0x2011bab0, "exfat" },
		{ 0x0bd00bd0, "lustre" }, { 0x00c36400, "ceph" }, { 0x47504653, "gpfs" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].type == ((unsigned long)type & 0xffffffff))
			return names[i].name;
	return "unknown file system";
}

/* -- a folder ---------------------------------------------------------------------------------- */

/* Makes files below `dir` to see what is possible; *links is what is. */
static int probe_links(const char *dir, dv_buf *links)
{
	dv_autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dv_autoclose int a = -1, b = -1;

	if (fd < 0)
		return dv_err_sys("cannot open '%s'", dir);
	a = dv_fs_openat(fd, "a", O_RDWR | O_CREAT | O_EXCL, 0600);
	b = dv_fs_openat(fd, "b", O_RDWR | O_CREAT | O_EXCL, 0600);
	if (a < 0 || b < 0 || dv_fs_write_all(a, "dv", 2) < 0)
		return dv_err_sys("cannot write in '%s'", dir);
	if (dv_fs_clone(a, b) == 0)
		dv_buf_adds(links, ", reflinks");
	if (dv_fs_linkat(fd, "a", fd, "h") == 0)
		dv_buf_adds(links, ", hard links");
	if (dv_fs_symlinkat("a", fd, "s") == 0)
		dv_buf_adds(links, ", symbolic links");
	return links->err;
}

static int probe(const char *dir, dv_buf *links)
{
	dv_autofree char *tmp = NULL;
	char name[40];
	uint64_t id;
	int rc = dv_random(&id, sizeof(id)), gone;
	dv_error first;

	if (rc < 0)
		return rc;
	snprintf(name, sizeof(name), DV_TMP_PREFIX "%016llx", (unsigned long long)id);
	if (!(tmp = dv_path_join(dir, name)))
		return dv_err_nomem();
	if (dv_fs_mkdirat(AT_FDCWD, tmp, 0700) < 0)
		return dv_err_sys("cannot write in '%s'", dir);
	rc = probe_links(tmp, links);
	dv_error_take(&first);
	gone = dv_fs_remove_tree(tmp);
	return rc < 0 ? dv_error_put(&first) : gone;
}

static int check_folder(const doctor *d, const char *topic, const char *dir)
{
	dv_auto(dv_buf) value = DV_BUF_INIT;
	struct statvfs space;
	struct statfs fs;

	if (access(dir, F_OK) != 0 && errno == ENOENT)
		return tell(d, topic, "not made yet", NULL, NULL);
	if (statfs(dir, &fs) < 0 || statvfs(dir, &space) < 0) {
		dv_err_sys("cannot look at '%s'", dir);
		return tell_failure(d, topic, dir);
	}
	dv_buf_addf(&value, "%s (%s", dir, fs_name((long)fs.f_type));
	if (probe(dir, &value) < 0)
		return tell_failure(d, topic, dir);
	dv_buf_adds(&value, ")");
	if (value.err)
		return value.err;
	if ((uint64_t)space.f_bavail * space.f_frsize < FREE_MIN)
		return tell(d, topic, dv_buf_str(&value), "less than 1 GiB of space is free",
			    "make room, or run 'dv gc -A'");
	return tell(d, topic, dv_buf_str(&value), NULL, NULL);
}

int dv_doctor_folder(dv_finding_cb cb, void *payload, const char *topic, const char *dir)
{
	const doctor d = { .cb = cb, .payload = payload };

	return check_folder(&d, topic, dir);
}

/* -- the repository ---------------------------------------------------------------------------- */

static int has_identity(doctor *d)
{
	dv_autofree char *home = NULL, *xdg = NULL, *own = NULL;
	const char *files[4] = { NULL }, *env = getenv("GIT_AUTHOR_NAME");
	const char *h = getenv("HOME"), *x = getenv("XDG_CONFIG_HOME");

	if (env && *env)
		return 1;
	if (h && !(home = dv_path_join(h, ".gitconfig")))
		return dv_err_nomem();
	xdg = x && *x ? dv_path_join(x, "git/config") : h ? dv_path_join(h, ".config/git/config")
							  : NULL;
	own = dv_path_join(d->repo->dirs.commondir, "config");
	files[0] = own, files[1] = home, files[2] = xdg, files[3] = "/etc/gitconfig";
	for (size_t i = 0; i < 4; i++) {
		dv_auto(dv_buf) text = DV_BUF_INIT;

		if (!files[i] || dv_fs_read_file(&text, files[i], DV_CONFIG_FILE_MAX) < 0)
			continue;
		/* An include may hold it; then nothing can be said. */
		if (strcasestr(dv_buf_str(&text), "[user]") ||
		    strcasestr(dv_buf_str(&text), "[include"))
			return 1;
	}
	dv_error_clear();
	return 0;
}

static int check_git(doctor *d)
{
	dv_git *g = NULL;
	int rc;

	if (!d->repo->has_git)
		return tell(d, "git", "none; the workspace has no revisions", NULL, NULL);
	if (dv_repo_git(d->repo, &g) < 0)
		return tell_failure(d, "git", d->repo->dirs.gitdir);
	rc = tell(d, "git", d->repo->dirs.gitdir, NULL, NULL);
	if (rc != 0)
		return rc;
	rc = has_identity(d);
	if (rc < 0)
		return rc;
	if (!rc)
		return tell(d, "git identity", "none", "git does not know your name",
			    "run 'git config --global user.name NAME' and the same for user.email");
	return tell(d, "git identity", "set", NULL, NULL);
}

static int check_cache(doctor *d)
{
	const dv_log_state *st;
	dv_store *s = NULL;
	uint64_t bytes = 0;
	char text[96], size[DV_SIZE_WORDS];
	int rc = check_folder(d, "cache", d->repo->cache_dir);

	if (rc != 0 || access(d->repo->cache_dir, F_OK) != 0)
		return rc;
	if (dv_repo_store_look(d->repo, &s) < 0)
		return tell_failure(d, "cache content", d->repo->cache_dir);
	st = dv_store_state(s);
	for (size_t i = 0; i < st->ncontainers; i++)
		bytes += st->containers[i].size;
	snprintf(text, sizeof(text), "%zu %s, %zu index %s, %s", st->ncontainers,
		 st->ncontainers == 1 ? "pack" : "packs", st->nsegments,
		 st->nsegments == 1 ? "segment" : "segments", dv_size_words(size, bytes));
	return tell(d, "cache content", text, NULL, NULL);
}

/* What commands that were cut short kept for their user. */
static int check_saved(doctor *d)
{
	dv_autofree char *path = dv_path_join(d->repo->dvdir, "saved");
	struct dirent *e;
	char text[64];
	size_t n = 0;
	DIR *dir;

	if (!path)
		return dv_err_nomem();
	if (!(dir = opendir(path)))
		return 0;
	while ((e = readdir(dir)) != NULL)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(dir);
	if (!n)
		return 0;
	snprintf(text, sizeof(text), "%zu left by commands that were cut short", n);
	return tell(d, "saved data", path, text, "look at them, copy what you miss, then remove "
		    "them; in 'filter-…' each file is what 'git add' was given");
}

static int check_outputs(doctor *d)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	char text[32];

	if (dv_repo_outputs(d->repo, &l) < 0)
		return tell_failure(d, "outputs", "");
	snprintf(text, sizeof(text), "%zu", l.n);
	return tell(d, "outputs", text, NULL, NULL);
}

static int on_remote(const dv_remote_info *i, void *payload)
{
	doctor *d = payload;
	dv_auto(dv_buf) topic = DV_BUF_INIT, value = DV_BUF_INIT;
	dv_autoptr(dv_remote_store) r = NULL;
	int rc;

	dv_buf_addf(&topic, "remote '%s'", i->name);
	rc = dv_repo_remote_open(d->repo, i->name, false, &r, NULL);
	if (rc == DV_ECANCELLED)
		return rc;
	if (rc < 0)
		return tell_failure(d, dv_buf_str(&topic), i->url);
	dv_buf_addf(&value, "%s%s", i->url, i->is_default ? " (default)" : "");
	if (dv_remote_store_state(r)->head == 0)
		dv_buf_adds(&value, ", empty or not made yet");
	return tell(d, dv_buf_str(&topic), dv_buf_str(&value), NULL, NULL);
}

int dv_doctor(dv_repo *r, dv_finding_cb cb, void *payload)
{
	doctor d = { r, cb, payload };
	int rc = check_machine(&d);

	if (rc != 0)
		return rc;
	if (!r)
		return tell(&d, "workspace", "not inside a dv repository", NULL, NULL);
	if ((rc = check_folder(&d, "workspace", r->root)) != 0 || (rc = check_git(&d)) != 0 ||
	    (r->has_git && (rc = dv_hooks_check(r, cb, payload)) != 0) ||
	    (rc = check_outputs(&d)) != 0 || (rc = check_cache(&d)) != 0 ||
	    (rc = check_saved(&d)) != 0)
		return rc;
	return dv_remote_list(r, on_remote, &d);
}
