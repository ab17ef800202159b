/* SPDX-License-Identifier: Apache-2.0 */
/* Executors: what they share, and the one that runs commands as children of this process. */
#include "pipeline/executor.h"

#include <string.h>

#include "base/alloc.h"

void dv_job_made_release(dv_job_made *m)
{
	dv_arena_release(&m->arena);
	*m = (dv_job_made)DV_JOB_MADE_INIT;
}

void dv_job_end_release(dv_job_end *end)
{
	dv_buf_release(&end->child.log);
	dv_job_made_release(&end->made);
}

bool dv_executor_known(const char *name)
{
	return strcmp(name, "local") == 0 || strcmp(name, "slurm") == 0;
}

bool dv_executor_is_apart(const char *name)
{
	return strcmp(name, "local") != 0;
}

typedef struct local {
	dv_executor x;
	dv_children *children;
} local;

static int local_start(dv_executor *x, const dv_job *job)
{
	return dv_children_start(((local *)x)->children, &job->child);
}

/* Children of an earlier process cannot be taken over. */
static int local_adopt(dv_executor *x, const dv_job *job, dv_job_left *old)
{
	(void)x;
	(void)job;
	(void)old;
	return 0;
}

static bool local_poll(dv_executor *x, int timeout_ms, dv_job_end *end)
{
	end->fate = DV_JOB_ENDED;
	return dv_children_wait(((local *)x)->children, timeout_ms, &end->child);
}

static void local_cancel(dv_executor *x)
{
	dv_children_stop(((local *)x)->children);
}

static int local_forget(dv_executor *x)
{
	(void)x;
	return 0;
}

static const char *local_name_of(dv_executor *x, size_t owner)
{
	(void)x;
	(void)owner;
	return "";
}

static void local_free(dv_executor *x)
{
	dv_children_free(((local *)x)->children);
	free(x);
}

int dv_executor_local(dv_executor **out, dv_child_text_fn text, void *payload)
{
	static const dv_executor_ops ops = {
		.name = "local", .start = local_start, .adopt = local_adopt, .poll = local_poll,
		.cancel = local_cancel, .forget = local_forget, .name_of = local_name_of,
		.free = local_free,
	};
	local *l = dv_calloc(1, sizeof(*l));
	int rc = l ? dv_children_new(&l->children, text, payload) : DV_ERROR;

	*out = NULL;
	if (rc) {
		free(l);
		return rc;
	}
	l->x.ops = &ops;
	*out = &l->x;
	return 0;
}
