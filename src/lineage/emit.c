/* SPDX-License-Identifier: Apache-2.0 */
/* Events of runs, sent as they are recorded. Nothing here fails a run. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path.h"
#include "lineage/exchange.h"
#include "repo/tell.h"

#define EVENT_MS 2000	/* for one event */
#define ALL_MS 8000	/* for all events of a command */

struct dv_emit {
	char *ns, *file, *url;	/* owned; file or url */
	const char *key;	/* of the environment, or NULL */
	dv_buf due;		/* lines */
	bool failed;
};

static bool is_url(const char *s)
{
	return strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0;
}

/* The address that events go to: OPENLINEAGE_URL names a server, the setting may name all of it. */
static int make_url(char **out, const char *base)
{
	const char *end = getenv("OPENLINEAGE_ENDPOINT");
	dv_auto(dv_buf) b = DV_BUF_INIT;
	size_t n = strlen(base);

	while (n && base[n - 1] == '/')
		n--;
	dv_buf_add(&b, base, n);
	if (!memmem(base, n, "/api/", 5))
		dv_buf_addf(&b, "/%s", end && *end ? end : "api/v1/lineage");
	*out = b.err ? NULL : dv_buf_detach(&b);
	return *out ? 0 : DV_ERROR;
}

int dv_emit_open(dv_emit **out, dv_repo *r)
{
	const char *off = getenv("OPENLINEAGE_DISABLED"), *url = getenv("OPENLINEAGE_URL");
	const char *set = dv_config_string(&r->config, "lineage.openlineage", NULL);
	dv_emit *e;
	int rc;

	*out = NULL;
	if (off && (strcasecmp(off, "true") == 0 || strcmp(off, "1") == 0))
		return 0;
	if (set && strcmp(set, "off") == 0)
		return 0;
	if (!(set && *set) && !(url && is_url(url)))
		return 0;
	if (!(e = dv_calloc(1, sizeof(*e))))
		return DV_ERROR;
	rc = dv_openlineage_namespace(&e->ns, r);
	if (rc == 0 && set && *set && !is_url(set))
		rc = (e->file = dv_path_join(r->root, set)) ? 0 : DV_ERROR;
	else if (rc == 0)
		rc = make_url(&e->url, set && *set ? set : url);
	e->key = getenv("OPENLINEAGE_API_KEY");
	if (rc < 0) {
		dv_emit_free(e);
		return rc;
	}
	*out = e;
	return 0;
}

static void give_up(dv_emit *e)
{
	if (!e->failed)
		dv_warn("OpenLineage events were not sent: %s", dv_error_last()->message);
	e->failed = true;
	dv_error_clear();
}

void dv_emit_add(dv_emit *e, const dv_buf *record, const dv_oid *oid)
{
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;

	if (e->failed)
		return;
	if (dv_run_doc_parse(&d, record->p, record->n) < 0 ||
	    dv_openlineage_events(&e->due, e->ns, &d, oid) < 0)
		give_up(e);
}

void dv_emit_flush(dv_emit *e)
{
	dv_autoclose int fd = -1;

	if (!e->file || e->due.n == 0 || e->failed)
		return;
	fd = dv_fs_openat(AT_FDCWD, e->file, O_WRONLY | O_APPEND | O_CREAT, 0666);
	if (fd < 0 || dv_fs_write_all(fd, e->due.p, e->due.n)) {
		dv_err_sys("cannot write '%s'", e->file);
		give_up(e);
	}
	dv_buf_clear(&e->due);
}

static void post_all(dv_emit *e)
{
	int64_t until = dv_clock_wall_us() + (int64_t)ALL_MS * 1000;

	for (const char *p = e->due.p, *nl; p && *p && !e->failed; p = nl + 1) {
		nl = strchr(p, '\n');
		if (!nl)
			break;
		if (dv_clock_wall_us() > until) {
			dv_err(DV_ETRANSIENT, "the server is too slow");
			give_up(e);
			break;
		}
		if (dv_repo_post(e->url, p, (size_t)(nl - p), e->key, EVENT_MS) < 0)
			give_up(e);
	}
}

void dv_emit_free(dv_emit *e)
{
	if (!e)
		return;
	dv_emit_flush(e);
	if (e->url && !e->failed)
		post_all(e);
	dv_buf_release(&e->due);
	free(e->ns);
	free(e->file);
	free(e->url);
	free(e);
}
