/* SPDX-License-Identifier: Apache-2.0 */
/* Files of places that are none of dv's. */
#include "transfer/foreign.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "transfer/internal.h"

struct dv_foreign {
	dv_remote *r;
	char *name;
	dv_traffic traffic;
};

void dv_foreign_free(dv_foreign *f)
{
	if (!f)
		return;
	if (f->r)
		f->r->driver->close(f->r);
	free(f->name);
	free(f);
}

int dv_foreign_open(dv_foreign **out, const dv_remote_options *o)
{
	dv_autoptr(dv_foreign) f = dv_calloc(1, sizeof(*f));
	const dv_driver *d = dv_driver_for(o->url);

	*out = NULL;
	if (!f || !(f->name = dv_strdup(o->name)))
		return DV_ERROR;
	if (!d)
		return dv_err(DV_ERROR, "remote '%s': this dv cannot reach its place", o->name);
	const dv_driver_options to = { .name = f->name, .jobs = o->jobs, .setting = o->setting,
				       .url_is_own = o->url_is_own, .ctx = o->ctx };
	const dv_wrap_options wrap = { .name = f->name, .rate = o->rate, .jobs = o->jobs,
				       .tries = o->tries, .traffic = &f->traffic };
	int rc = dv_wrap_open(&f->r, d, o->url, &to, &wrap);

	if (rc < 0)
		return dv_err_ctx(rc, "remote '%s'", o->name);
	*out = dv_steal(&f);
	return 0;
}

int dv_foreign_jobs(const dv_foreign *f)
{
	return dv_wrap_jobs(f->r, 0);
}

typedef struct taking {
	int fd;
	uint64_t left;
	const char *name;
} taking;

static int take(const void *p, size_t n, void *payload)
{
	taking *t = payload;

	if (n > t->left)
		return dv_err(DV_ECORRUPT, "'%s' is longer than it may be", t->name);
	t->left -= n;
	return dv_fs_write_all(t->fd, p, n) ? dv_err_sys("cannot write a copy of '%s'", t->name)
					    : 0;
}

int dv_foreign_get(dv_foreign *f, const char *name, int fd, uint64_t max)
{
	taking t = { fd, max, name };
	int rc = f->r->driver->get(f->r, name, 0, UINT64_MAX, take, &t);

	return rc < 0 ? dv_err_ctx(rc, "remote '%s'", f->name) : 0;
}
