/* SPDX-License-Identifier: Apache-2.0 */
/* An output of DVC's as a pointer of dv's; see dvc.h. */
#include "takeover/dvc.h"

#include "base/alloc.h"
#include "base/path.h"
#include "base/url.h"
#include "transfer/transfer.h"

/* An import by URL is one of dv's, too. */
static bool is_url(const dv_dvc_out *o)
{
	bool yes = o->source && strstr(o->source, "://") && !dv_url_check(o->source) &&
		   dv_remote_has_driver(o->source);

	dv_error_clear();
	return yes;
}

static int set_source(dv_pointer *p, const dv_dvc_out *o)
{
	p->source = dv_calloc(1, sizeof(*p->source));
	if (!p->source || !(p->source->url = dv_strdup(o->source)) ||
	    (o->source_etag && !(p->source->etag = dv_strdup(o->source_etag))))
		return DV_ERROR;
	p->source->has_size = true;
	p->source->size = p->size;
	p->source->is_dir = p->is_dir;
	p->source->nfiles = p->nfiles;
	return 0;
}

/* Notes where another import came from, for the reader: the repository there is one of DVC's. */
static int add_source(dv_buf *extra, const dv_dvc_out *o)
{
	const struct { const char *key, *value; } notes[] = {
		{ "dvc_repo", o->repo_url }, { "dvc_path", o->repo_path },
		{ "dvc_rev", o->repo_rev }, { "dvc_rev_lock", o->repo_lock },
		{ "dvc_url", o->source },
	};

	for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
		if (notes[i].value) {
			int rc = dv_buf_addf(extra, "%s: ", notes[i].key);

			if (rc || (rc = dv_yaml_quote(extra, notes[i].value)) ||
			    (rc = dv_buf_addc(extra, '\n')))
				return rc;
		}
	return 0;
}

int dv_dvc_pointer(dv_pointer *p, const dv_dvc_out *o)
{
	dv_auto(dv_buf) extra = DV_BUF_INIT;
	int rc = dv_buf_adds(&extra, o->extra ? o->extra : "");

	*p = (dv_pointer){ .path = dv_strdup(dv_path_base(o->path)), .oid = o->oid,
			   .size = o->size, .is_dir = o->kind == 'd', .isexec = o->kind == 'x',
			   .nfiles = o->kind == 'd' ? o->nfiles : 0, .no_push = o->no_push };
	if (rc == 0)
		rc = is_url(o) ? set_source(p, o) : add_source(&extra, o);
	if (o->remote && !(p->remote = dv_strdup(o->remote)))
		return DV_ERROR;
	if (extra.n && !(p->extra_out = dv_buf_detach(&extra)))
		return DV_ERROR;
	return p->path ? rc : DV_ERROR;
}
