/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places for those who compute. There may be many more connections than CPUs; what a connection
 * brought is taken apart, and what it sends is put together, by a few at a time, who alone need
 * the memory for it.
 */
#include "base/pool.h"
#include "transfer/internal.h"

#define MORE_THAN_CPUS 2	/* some wait for the disk */

void dv_slots_init(dv_slots *s, int connections)
{
	int n = dv_cpu_count() + MORE_THAN_CPUS;

	*s = (dv_slots){ .n = n < connections ? n : connections };
	if (s->n > DV_MOVE_JOBS_MAX)
		s->n = DV_MOVE_JOBS_MAX;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->freed, NULL);
}

void dv_slots_release(dv_slots *s)
{
	if (s->n == 0)
		return;
	pthread_cond_destroy(&s->freed);
	pthread_mutex_destroy(&s->lock);
	s->n = 0;
}

int dv_slots_take(dv_slots *s)
{
	int i = 0;

	pthread_mutex_lock(&s->lock);
	for (;; i = 0) {
		while (i < s->n && s->busy >> i & 1)
			i++;
		if (i < s->n)
			break;
		pthread_cond_wait(&s->freed, &s->lock);
	}
	s->busy |= (uint64_t)1 << i;
	pthread_mutex_unlock(&s->lock);
	return i;
}

void dv_slots_give(dv_slots *s, int i)
{
	pthread_mutex_lock(&s->lock);
	s->busy &= ~((uint64_t)1 << i);
	pthread_cond_signal(&s->freed);
	pthread_mutex_unlock(&s->lock);
}
