/* SPDX-License-Identifier: Apache-2.0 */
/* The executor: which stage is next, how many run, when to stop. */
#include "pipeline/run.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "repo/links.h"
#include "repo/record.h"

#define WAIT_MS 100		/* how soon a cancel is noticed */
#define SETTLE_MS 20		/* how long a commit waits for another stage to end */

void dv_runner_release(dv_runner *r)
{
	dv_executor_free(r->local);
	dv_executor_free(r->slurm);
	dv_pathlocks_free(r->paths);
	dv_lockwriter_free(r->lock);
	dv_restore_free(r->restore);
	dv_run_context_free(r->records);
	dv_scan_free(r->scan);
	dv_writer_free(r->writer);
	for (size_t i = 0; r->nodes && i < r->n; i++) {
		dv_aside_return(&r->nodes[i].aside);
		free(r->nodes[i].dir);
		free(r->nodes[i].who);
		if (r->nodes[i].trace)
			dv_fs_unlinkat(AT_FDCWD, r->nodes[i].trace, 0);
		free(r->nodes[i].trace);
	}
	free(r->nodes);
	free(r->node_of);
	free(r->ready);
	free(r->pending);
	free(r->blocker);
	dv_states_release(&r->st);
	dv_plan_release(&r->plan);
	dv_path_list_release(&r->staged);
	dv_path_list_release(&r->unstaged);
	dv_path_list_release(&r->dropped);
	pthread_mutex_destroy(&r->talk);
}

/* -- beginning --------------------------------------------------------------------------------- */

static void on_text(size_t owner, bool is_error, const char *text, size_t n, void *payload)
{
	dv_runner *r = payload;

	if (!r->o->text)
		return;
	pthread_mutex_lock(&r->talk);
	r->o->text(r->nodes[owner].s->name, r->jobs > 1, is_error, text, n, r->payload);
	pthread_mutex_unlock(&r->talk);
}

static int open_all(dv_runner *r)
{
	dv_auto(dv_links) links = { 0 };
	int rc;

	if ((rc = dv_repo_store(r->repo, &r->store)) || (rc = dv_states_open(&r->st, r->repo, 0)) ||
	    (rc = dv_pathlocks_new(&r->paths, r->repo)) ||
	    (rc = dv_executor_local(&r->local, on_text, r)))
		return rc;
	dv_links_init(&links, r->repo, r->store);
	r->links = dv_links_mode(&links) != DV_LINK_COPY;
	if (r->o->no_commit)
		return 0;
	rc = dv_writer_new(&r->writer, r->store, dv_repo_compression(r->repo));
	return rc ? rc : dv_scan_new(&r->scan, r->repo, r->st.pool, r->writer);
}

static int make_nodes(dv_runner *r)
{
	const dv_edges *e = &r->plan.g.producers;

	r->n = r->left = r->plan.n;
	r->nodes = dv_calloc(r->n + 1, sizeof(*r->nodes));
	r->ready = dv_calloc(r->n + 1, sizeof(*r->ready));
	r->pending = dv_calloc(r->n + 1, sizeof(*r->pending));
	r->node_of = dv_calloc(r->plan.p.n + 1, sizeof(*r->node_of));
	if (!r->nodes || !r->ready || !r->pending || !r->node_of)
		return DV_ERROR;
	for (size_t i = 0; i < r->plan.p.n; i++)
		r->node_of[i] = DV_NO_NODE;
	for (size_t i = 0; i < r->n; i++)
		r->node_of[r->plan.order[i]] = i;
	for (size_t i = 0; i < r->n; i++) {
		dv_node *n = &r->nodes[i];

		n->stage = r->plan.order[i];
		n->s = &r->plan.p.stages[n->stage];
		n->forced = r->o->force;
		n->apart = dv_executor_is_apart(r->o->executor ? r->o->executor : n->s->executor);
		r->mixed |= n->apart != r->nodes[0].apart;
		for (size_t k = e->at[n->stage]; k < e->at[n->stage + 1]; k++)
			n->waits += r->node_of[e->to[k]] != DV_NO_NODE;
		if (n->waits == 0) {
			n->state = DV_NODE_READY;
			r->ready[r->nready++] = i;
		}
	}
	return 0;
}

/* All paths at once, in the order that costs least. */
static int learn(dv_runner *r)
{
	dv_autofree const dv_stage **stages = dv_calloc(r->n + 1, sizeof(*stages));

	if (!stages)
		return DV_ERROR;
	for (size_t i = 0; i < r->n; i++)
		stages[i] = r->nodes[i].s;
	return dv_states_learn(&r->st, stages, r->n);
}

/* -- order ------------------------------------------------------------------------------------- */

static void make_ready(dv_runner *r, size_t node)
{
	size_t i;

	if (r->ready_at > 0 && r->nready > r->n) {
		r->nready -= r->ready_at;
		memmove(r->ready, r->ready + r->ready_at, r->nready * sizeof(*r->ready));
		r->ready_at = 0;
	}
	i = r->nready++;
	r->nodes[node].state = DV_NODE_READY;
	for (; i > r->ready_at && r->ready[i - 1] > node; i--)
		r->ready[i] = r->ready[i - 1];
	r->ready[i] = node;
}

/* What needs, also by way of others, a stage that failed. */
static int skip_consumers(dv_runner *r, size_t stage)
{
	const dv_edges *e = &r->plan.g.consumers;
	dv_autofree size_t *todo = dv_calloc(r->n + 1, sizeof(*todo));
	size_t ntodo = 0;
	int rc = 0;

	if (!todo)
		return DV_ERROR;
	for (;;) {
		for (size_t k = e->at[stage]; rc == 0 && k < e->at[stage + 1]; k++) {
			size_t i = r->node_of[e->to[k]];

			if (i == DV_NO_NODE || r->nodes[i].state != DV_NODE_WAITING)
				continue;
			r->nodes[i].state = DV_NODE_FAILED;
			r->left--;
			r->sum->skipped++;
			todo[ntodo++] = e->to[k];
			rc = dv_node_tell(r, &r->nodes[i], DV_STAGE_SKIPPED, NULL, 0, NULL);
		}
		if (rc || ntodo == 0)
			return rc;
		stage = todo[--ntodo];
	}
}

int dv_runner_done(dv_runner *r, dv_node *n, bool failed)
{
	const dv_edges *e = &r->plan.g.consumers;
	bool ran = n->how == DV_STAGE_RAN || n->how == DV_STAGE_CACHED;

	/* Others may look at what is new once its entry is written. */
	if (!n->pending) {
		int rc = dv_node_let_go(r, n);

		if (rc)
			return rc;
	}
	n->state = failed ? DV_NODE_FAILED : DV_NODE_DONE;
	r->left--;
	if (failed && !r->o->ignore_errors) {
		r->stopping |= !r->o->keep_going;
		return r->stopping ? 0 : skip_consumers(r, n->stage);
	}
	for (size_t k = e->at[n->stage]; k < e->at[n->stage + 1]; k++) {
		size_t i = r->node_of[e->to[k]];
		dv_node *c = i == DV_NO_NODE ? NULL : &r->nodes[i];

		if (!c || c->state != DV_NODE_WAITING)
			continue;
		c->forced |= r->o->force_downstream && ran;
		if (--c->waits == 0)
			make_ready(r, i);
	}
	return 0;
}

/* -- the loop ---------------------------------------------------------------------------------- */

/* The first wish to stop ends the commands in time, a second one at once. */
void dv_runner_look_for_cancel(dv_runner *r)
{
	if (!dv_cancel_requested())
		return;
	/* What is finished is still to be written down. */
	dv_cancel_reset();
	if (r->cancelled)
		dv_repro_kill();
	r->cancelled = r->stopping = true;
	r->local->ops->cancel(r->local);
	if (r->slurm)
		r->slurm->ops->cancel(r->slurm);
}

/* Stages that wait for another process are tried again. */
static void unblock(dv_runner *r)
{
	if (r->nblocked && r->running == 0 && !r->waited) {
		dv_warn("waiting for another process here: %s",
			r->blocker ? r->blocker : "it uses the same paths");
		r->waited = true;
	}
	for (size_t i = 0; r->nblocked && i < r->n; i++)
		if (r->nodes[i].state == DV_NODE_BLOCKED) {
			r->nblocked--;
			make_ready(r, i);
		}
}

static bool has_room(const dv_runner *r, const dv_node *n)
{
	if (!n->apart)
		return r->local->running < (size_t)r->jobs;
	return !r->slurm || r->slurm->running < r->slurm->most;
}

/* The first that is ready and for which there is room, or NULL. */
static dv_node *next_ready(dv_runner *r)
{
	for (size_t i = r->ready_at; i < r->nready; i++) {
		dv_node *n = &r->nodes[r->ready[i]];

		if (has_room(r, n)) {
			memmove(r->ready + r->ready_at + 1, r->ready + r->ready_at,
				(i - r->ready_at) * sizeof(*r->ready));
			r->ready_at++;
			return n;
		}
		if (!r->mixed)
			break;
	}
	return NULL;
}

static int start_ready(dv_runner *r)
{
	dv_node *n;
	int rc = 0;

	while (rc == 0 && !r->stopping && (n = next_ready(r))) {
		rc = dv_node_begin(r, n);
		dv_runner_look_for_cancel(r);
		if (rc == 0 && dv_runner_commit_due(r, false))
			rc = dv_runner_commit(r);
	}
	return rc;
}

static bool wait_on_executors(dv_runner *r, int ms, dv_job_end *end)
{
	if (!r->slurm || !r->slurm->running)
		return r->local->ops->poll(r->local, ms, end);
	if (!r->local->running)
		return r->slurm->ops->poll(r->slurm, ms, end);
	return r->slurm->ops->poll(r->slurm, 0, end) || r->local->ops->poll(r->local, ms, end);
}

/* What a job said comes all at once. */
static void tell_log(dv_runner *r, const dv_node *n, const dv_job_end *end)
{
	if (n->apart && end->child.log.n)
		on_text(end->child.owner, false, end->child.log.p, end->child.log.n, r);
}

static void count_end(dv_runner *r, const dv_node *n)
{
	n->executor->running--;
	r->running--;
}

static int wait_for_one(dv_runner *r)
{
	dv_auto(dv_job_end) end = DV_JOB_END_INIT;
	dv_node *n;
	int rc = 0;

	if (!wait_on_executors(r, r->npending ? SETTLE_MS : WAIT_MS, &end)) {
		if (dv_runner_commit_due(r, true))
			rc = dv_runner_commit(r);
		unblock(r);
		return rc;
	}
	n = &r->nodes[end.child.owner];
	count_end(r, n);
	tell_log(r, n, &end);
	rc = dv_node_end(r, n, &end);
	return rc ? rc : dv_runner_commit_due(r, false) ? dv_runner_commit(r) : 0;
}

static int loop(dv_runner *r)
{
	int rc = 0;

	while (rc == 0) {
		dv_runner_look_for_cancel(r);
		if ((rc = start_ready(r)))
			break;
		if (r->running == 0 && (r->stopping || (r->ready_at == r->nready && !r->nblocked)))
			break;
		if (r->running || r->nblocked)
			rc = wait_for_one(r);
	}
	return rc;
}

/* After a failure of our own: nothing runs on behind our back, but for jobs, which the next run
 * finds. */
static void end_children(dv_runner *r)
{
	r->local->ops->cancel(r->local);
	while (r->local->running) {
		dv_auto(dv_job_end) end = DV_JOB_END_INIT;

		if (r->local->ops->poll(r->local, 1000, &end))
			count_end(r, &r->nodes[end.child.owner]);
	}
}

static int verdict(dv_runner *r)
{
	uint64_t failed = r->sum->failed;

	if (r->cancelled)
		return dv_err(DV_ECANCELLED, "interrupted");
	if (!failed || r->o->ignore_errors)
		return 0;
	return dv_err(r->o->keep_going ? DV_EPARTIAL : DV_ERROR, "%llu %s failed",
		      (unsigned long long)failed, failed == 1 ? "stage" : "stages");
}

int dv_runner_run(dv_runner *r)
{
	dv_error first;
	int rc, rc2;

	if ((rc = open_all(r)) || (rc = make_nodes(r)) || (rc = learn(r)))
		return rc;
	if (r->jobs > (int)r->n)
		r->jobs = r->n ? (int)r->n : 1;
	rc = loop(r);
	if (rc == 0 && !r->cancelled)
		rc = dv_runner_end_needless(r);
	if (rc) {
		dv_error_take(&first);
		dv_runner_look_for_cancel(r);
		end_children(r);
		dv_error_put(&first);
	}
	dv_error_take(&first);
	rc2 = dv_runner_commit(r);
	if (rc2 == 0)
		rc2 = dv_runner_finish(r);
	if (rc == 0 && rc2 == 0)
		return verdict(r);
	return rc ? dv_error_put(&first) : rc2;
}
