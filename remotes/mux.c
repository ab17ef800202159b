/* SPDX-License-Identifier: Apache-2.0 */
/* Requests over pipes; see mux.h. */
#include "remotes/mux.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

#define HEADER 9u		/* length, type, id */
#define READ_AHEAD (64u << 10)
#define TICK_MS 200		/* how soon a cancellation is noticed */
#define GRACE_MS 3000		/* for the program to end when all is said */

struct dv_mux {
	dv_process proc;
	dv_mux_options o;
	char *what;
	pthread_mutex_t writing;	/* held over a frame */
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t changed;
	dv_answer *due;			/* sent and not answered */
	uint32_t next_id;
	unsigned waiters;
	unsigned forgetting;
	bool leading;			/* somebody reads */
	bool lost;
	dv_error why;
	_Atomic bool up;		/* it answered once */
	_Atomic int64_t last;		/* second in which a byte moved */
	/* Of who leads: */
	uint8_t ahead[READ_AHEAD];
	size_t at, end;
	uint8_t head[HEADER];
	size_t nhead, body, got;
	dv_answer *into;		/* NULL: the body is dropped */
};

/* -- bodies ------------------------------------------------------------------------------------ */

void dv_frame_u32(dv_buf *b, uint32_t v)
{
	const uint8_t s[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
			       (uint8_t)v };

	dv_buf_add(b, s, sizeof s);
}

void dv_frame_u64(dv_buf *b, uint64_t v)
{
	dv_frame_u32(b, (uint32_t)(v >> 32));
	dv_frame_u32(b, (uint32_t)v);
}

void dv_frame_bytes(dv_buf *b, const void *p, size_t n)
{
	dv_frame_u32(b, (uint32_t)n);
	dv_buf_add(b, p, n);
}

void dv_frame_str(dv_buf *b, const char *s)
{
	dv_frame_bytes(b, s, strlen(s));
}

uint32_t dv_cursor_u32(dv_cursor *c)
{
	if (c->n < 4) {
		c->bad = true;
		c->n = 0;
		return 0;
	}
	uint32_t v = (uint32_t)c->p[0] << 24 | (uint32_t)c->p[1] << 16 | (uint32_t)c->p[2] << 8 |
		     c->p[3];
	c->p += 4;
	c->n -= 4;
	return v;
}

uint64_t dv_cursor_u64(dv_cursor *c)
{
	uint64_t high = dv_cursor_u32(c);

	return high << 32 | dv_cursor_u32(c);
}

const uint8_t *dv_cursor_bytes(dv_cursor *c, size_t *n)
{
	size_t len = dv_cursor_u32(c);
	const uint8_t *p = c->p;

	if (len > c->n) {
		c->bad = true;
		c->n = len = 0;
	}
	*n = len;
	c->p += len;
	c->n -= len;
	return c->bad ? (const uint8_t *)"" : p;
}

void dv_answer_release(dv_answer *a)
{
	free(a->p);
	*a = (dv_answer){ 0 };
}

/* -- losing the connection --------------------------------------------------------------------- */

/* Makes the thread's record everybody's reason. With the lock. */
static int lose(dv_mux *m)
{
	if (!m->lost) {
		m->lost = true;
		dv_error_take(&m->why);
	}
	pthread_cond_broadcast(&m->changed);
	return dv_error_put(&m->why);
}

static int lose_unlocked(dv_mux *m)
{
	pthread_mutex_lock(&m->lock);
	int rc = lose(m);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

/* The pipe broke: the program says why, or nobody does. From one thread at a time. */
static int pipe_broke(dv_mux *m)
{
	char words[1000];

	pthread_mutex_lock(&m->lock);
	if (m->lost) {
		pthread_mutex_unlock(&m->lock);
		return dv_error_put(&m->why);
	}
	dv_process_wait(&m->proc, 1000);
	dv_process_words(&m->proc, words, sizeof words);
	if (m->o.lost)
		m->o.lost(m->up, dv_process_code(&m->proc), words, m->o.payload);
	else
		dv_err(DV_ETRANSIENT, "the connection to %s was lost%s%s", m->what,
		       *words ? ": " : "", words);
	int rc = lose(m);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

int dv_mux_nonsense(dv_mux *m, const char *what)
{
	dv_err(DV_ERROR, "%s answered with %s", m->what, what);
	return lose_unlocked(m);
}

bool dv_mux_is_lost(dv_mux *m)
{
	pthread_mutex_lock(&m->lock);
	bool lost = m->lost;
	pthread_mutex_unlock(&m->lock);
	return lost;
}

static int64_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

static void moved(dv_mux *m)
{
	atomic_store_explicit(&m->last, seconds(), memory_order_relaxed);
}

/* Called a few times a second by who waits for bytes to move. */
static int check_time(dv_mux *m)
{
	unsigned limit = m->up ? m->o.stall_seconds : m->o.hello_seconds;
	int64_t quiet = seconds() - atomic_load_explicit(&m->last, memory_order_relaxed);
	int rc = dv_check_cancel();

	if (rc == 0 && !m->up && m->o.stop && *m->o.stop)
		rc = dv_err(DV_ETRANSIENT, "nobody needs the connection to %s any more", m->what);
	if (rc)
		return lose_unlocked(m);
	if (!m->up && quiet > 1) {
		pthread_mutex_lock(&m->lock);
		dv_process_show(&m->proc);
		pthread_mutex_unlock(&m->lock);
	}
	if (limit == 0 || quiet <= (int64_t)limit)
		return 0;
	dv_err(DV_ETRANSIENT, "no answer from %s for %u seconds", m->what, limit);
	return lose_unlocked(m);
}

/* -- reading ----------------------------------------------------------------------------------- */

/* A header is whole: finds who waits for the body. With the lock. */
static int begin_body(dv_mux *m)
{
	dv_cursor c = { m->head, HEADER, false };
	size_t len = dv_cursor_u32(&c);

	c.p++, c.n--;
	uint32_t id = dv_cursor_u32(&c);
	if (len < HEADER - 4 || len > DV_FRAME_MAX) {
		bool text = !m->up && m->head[0] >= ' ' && m->head[0] < 0x7f;

		dv_err(DV_ERROR, "%s answered with %s", m->what,
		       text ? "text, not with the protocol" : "nonsense");
		if (text)
			dv_err_hint(DV_ERROR, "see that the far shell's start-up files print "
				    "nothing when nobody is logged in");
		return lose(m);
	}
	m->body = len - (HEADER - 4);
	m->got = 0;
	m->into = m->due;
	while (m->into && m->into->id != id)
		m->into = m->into->next;
	if (!m->into)
		return 0;
	m->into->type = m->head[4];
	m->into->n = 0;
	if (m->body > m->into->cap) {
		uint8_t *p = dv_realloc(m->into->p, m->body);
		if (!p)
			return lose(m);
		m->into->p = p;
		m->into->cap = m->body;
	}
	return 0;
}

/* A body is whole. With the lock. */
static void end_body(dv_mux *m)
{
	dv_answer *a = m->into;

	m->nhead = 0;
	m->into = NULL;
	m->up = true;
	if (!a)
		return;
	for (dv_answer **p = &m->due; *p; p = &(*p)->next)
		if (*p == a) {
			*p = a->next;
			break;
		}
	a->n = m->body;
	a->done = true;
	a->waiting = false;
	if (m->waiters)
		pthread_cond_broadcast(&m->changed);
}

/* Takes apart what was read ahead. */
static int digest(dv_mux *m)
{
	int rc = 0;

	while (rc == 0) {
		size_t have = m->end - m->at, want = m->nhead < HEADER ? HEADER - m->nhead :
									 m->body - m->got;
		size_t n = have < want ? have : want;
		bool head = m->nhead < HEADER;

		if (n && head)
			memcpy(m->head + m->nhead, m->ahead + m->at, n);
		else if (n && m->into)
			memcpy(m->into->p + m->got, m->ahead + m->at, n);
		m->at += n;
		if (head)
			m->nhead += n;
		else
			m->got += n;
		if (n < want)
			return 0;
		pthread_mutex_lock(&m->lock);
		if (head)
			rc = begin_body(m);
		else
			end_body(m);
		pthread_mutex_unlock(&m->lock);
	}
	return rc;
}

/* Reads once, if there is something: 1 when bytes came, 0 when none are there. */
static int read_some(dv_mux *m)
{
	uint8_t *to = m->ahead;
	size_t room = sizeof m->ahead;
	bool direct = m->nhead == HEADER && m->into && m->body - m->got >= sizeof m->ahead / 4;
	ssize_t n;

	/* A long body goes where it belongs, without a stop. */
	if (direct) {
		to = m->into->p + m->got;
		room = m->body - m->got;
	}
	do
		n = read(m->proc.out, to, room);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return pipe_broke(m);
	moved(m);
	if (direct)
		m->got += (size_t)n;
	m->at = 0;
	m->end = direct ? 0 : (size_t)n;
	int rc = digest(m);
	return rc ? rc : 1;
}

/* Waits until bytes can be read, or written when `write` says so. */
static int wait_for_pipes(dv_mux *m, bool to_read, bool to_write)
{
	struct pollfd fds[3] = { { .fd = to_read ? m->proc.out : -1, .events = POLLIN },
				 { .fd = to_write ? m->proc.in : -1, .events = POLLOUT },
				 { .fd = m->proc.err, .events = POLLIN } };
	int n = poll(fds, 3, TICK_MS);

	if (n > 0 && fds[2].revents) {
		pthread_mutex_lock(&m->lock);
		dv_process_listen(&m->proc);
		pthread_mutex_unlock(&m->lock);
	}
	return n > 0 && (fds[0].revents || fds[1].revents) ? 0 : check_time(m);
}

int dv_mux_wait(dv_mux *m, dv_answer *a)
{
	int rc = 0;

	pthread_mutex_lock(&m->lock);
	while (!a->done && !m->lost) {
		if (m->leading) {
			m->waiters++;
			pthread_cond_wait(&m->changed, &m->lock);
			m->waiters--;
			continue;
		}
		m->leading = true;
		pthread_mutex_unlock(&m->lock);
		rc = read_some(m);
		if (rc == 0)
			rc = wait_for_pipes(m, true, false);
		pthread_mutex_lock(&m->lock);
		m->leading = false;
		if ((a->done || m->lost || m->forgetting) && m->waiters)
			pthread_cond_broadcast(&m->changed);
	}
	rc = a->done ? 0 : dv_error_put(&m->why);
	pthread_mutex_unlock(&m->lock);
	/* Its owner lets go of it now, while others may still look through what is due. */
	if (rc)
		dv_mux_forget(m, a);
	return rc;
}

void dv_mux_forget(dv_mux *m, dv_answer *a)
{
	pthread_mutex_lock(&m->lock);
	m->forgetting++;
	while (a->waiting && m->into == a && m->leading) {
		m->waiters++;
		pthread_cond_wait(&m->changed, &m->lock);
		m->waiters--;
	}
	m->forgetting--;
	if (a->waiting) {
		for (dv_answer **p = &m->due; *p; p = &(*p)->next)
			if (*p == a) {
				*p = a->next;
				break;
			}
		if (m->into == a)
			m->into = NULL;
		a->waiting = false;
	}
	pthread_mutex_unlock(&m->lock);
}

/* -- writing ----------------------------------------------------------------------------------- */

/* The pipe is full. The other side may be waiting for us to read, and nobody else may. */
static int make_way(dv_mux *m)
{
	int rc = 0;

	pthread_mutex_lock(&m->lock);
	bool lead = !m->leading;
	if (m->lost)
		rc = dv_error_put(&m->why);
	else if (lead)
		m->leading = true;
	pthread_mutex_unlock(&m->lock);
	if (rc)
		return rc;
	if (lead)
		rc = read_some(m);
	if (rc == 0)
		rc = wait_for_pipes(m, lead, true);
	if (lead) {
		pthread_mutex_lock(&m->lock);
		m->leading = false;
		if (m->waiters)
			pthread_cond_broadcast(&m->changed);
		pthread_mutex_unlock(&m->lock);
	}
	return rc < 0 ? rc : 0;
}

static int write_all(dv_mux *m, struct iovec *v, int n)
{
	while (n > 0) {
		if (v->iov_len == 0) {
			v++, n--;
			continue;
		}
		ssize_t done = dv_process_writev(&m->proc, v, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno != EAGAIN)
			return pipe_broke(m);
		if (done < 0) {
			int rc = make_way(m);
			if (rc)
				return rc;
			continue;
		}
		moved(m);
		for (size_t left = (size_t)done; left; v++, n--) {
			size_t part = left < v->iov_len ? left : v->iov_len;

			v->iov_base = (char *)v->iov_base + part;
			v->iov_len -= part;
			left -= part;
			if (v->iov_len)
				break;
		}
	}
	return 0;
}

int dv_mux_send(dv_mux *m, dv_answer *a, uint8_t type, const dv_buf *head, const void *tail,
		size_t ntail)
{
	uint8_t h[HEADER];
	size_t len = HEADER - 4 + head->n + ntail;
	struct iovec v[3] = { { h, HEADER }, { head->p, head->n },
			      { (void *)(uintptr_t)tail, ntail } };

	if (head->err)
		return head->err;
	pthread_mutex_lock(&m->lock);
	uint32_t id = m->next_id++;
	if (m->lost) {
		int rc = dv_error_put(&m->why);
		pthread_mutex_unlock(&m->lock);
		return rc;
	}
	if (m->next_id == 0)
		m->next_id = DV_MUX_FIRST_ID + 1;
	if (!m->due)
		moved(m);
	if (a) {
		a->done = false;
		a->waiting = true;
		a->id = id;
		a->next = m->due;
		m->due = a;
	}
	pthread_mutex_unlock(&m->lock);
	for (int i = 0; i < 4; i++) {
		h[i] = (uint8_t)(len >> (24 - 8 * i));
		h[5 + i] = (uint8_t)(id >> (24 - 8 * i));
	}
	h[4] = type;
	pthread_mutex_lock(&m->writing);
	int rc = write_all(m, v, 3);
	pthread_mutex_unlock(&m->writing);
	if (rc && a)
		dv_mux_forget(m, a);
	return rc;
}

/* -- life -------------------------------------------------------------------------------------- */

int dv_mux_new(dv_mux **out, dv_process *p, const dv_mux_options *o)
{
	dv_mux *m = dv_calloc(1, sizeof *m);
	char *what = dv_strdup(o->what);

	if (!m || !what) {
		free(m);
		free(what);
		dv_process_end(p, 0);
		return DV_ERROR;
	}
	m->proc = *p;
	m->o = *o;
	m->what = what;
	m->next_id = DV_MUX_FIRST_ID;
	pthread_mutex_init(&m->writing, NULL);
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	moved(m);
	*out = m;
	return 0;
}

void dv_mux_free(dv_mux *m)
{
	if (!m)
		return;
	dv_process_end(&m->proc, m->lost || dv_cancel_requested() ? 0 : GRACE_MS);
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
	pthread_mutex_destroy(&m->writing);
	free(m->what);
	free(m);
}
