/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers that work through connections of a program; see wire.h. */
#include "remotes/wire.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/path.h"

#define NAME_MAX_LEN 200
#define HASH_LEN 64
#define LINES_DEFAULT 2
#define JOBS_DEFAULT 16		/* calls at once: they share the connections, and most are short */
/* A channel of OpenSSH has 2 MiB under way (channels.h, CHAN_SES_WINDOW_DEFAULT) and is idle for
 * the rest of a round trip, so that far away one connection moves little. */
#define LINES_FAR 4
#define FAR_US 10000
/* Near by a second connection helps when one does not get along with encryption. A login takes a
 * quarter of a second of processor time at both ends together, so it has to last. */
#define LONG_MS 2000
#define MANY 64		/* short gets at once */
#define MUCH ((uint64_t)8 << 20)	/* is worth more connections */
#define HEAVY ((uint64_t)1 << 20)

int dv_wire_check_name(const char *name)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz0123456789/._-";
	size_t n = strlen(name);

	if (n == 0 || n > NAME_MAX_LEN || strspn(name, ok) != n || !dv_path_is_safe(name))
		return dv_err(DV_EUNSAFE, "refused to use '%s' as a name in a remote", name);
	return 0;
}

bool dv_wire_names_bytes(const char *name)
{
	const char *slash = strrchr(name, '/'), *leaf = slash ? slash + 1 : name;

	return strlen(leaf) == HASH_LEN && strspn(leaf, "0123456789abcdef") == HASH_LEN;
}

void dv_wired_init(dv_wired *d, int jobs)
{
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	d->fixed = jobs > 0;
	d->max = jobs <= 0 ? LINES_DEFAULT : jobs < DV_LINES_MAX ? jobs : DV_LINES_MAX;
	d->base.jobs = jobs > 0 ? jobs : JOBS_DEFAULT;
	d->base.many = jobs > 0 ? 0 : MANY;
}

static void free_wire(dv_wire *w)
{
	if (w)
		w->ops->free(w);
}

void dv_wired_close(dv_remote *r)
{
	dv_wired *d = (dv_wired *)r;

	if (!d)
		return;
	d->closing = true;
	for (int i = 0; i < d->nmakers; i++)
		pthread_join(d->makers[i], NULL);
	for (int i = 0; i < DV_LINES_MAX; i++)
		free_wire(d->line[i].wire);
	if (d->release)
		d->release(d);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	free(d->what);
	free(d);
}

/* Drops connections that broke and nobody uses. With the lock. */
static void sweep(dv_wired *d)
{
	for (int i = 0; i < DV_LINES_MAX; i++) {
		dv_line *l = &d->line[i];

		if (l->wire && l->users == 0 && dv_mux_is_lost(l->wire->mux)) {
			free_wire(l->wire);
			*l = (dv_line){ 0 };
		}
	}
}

/* The living connection with the least to do, how many there are or are being made, and a free
 * place. With the lock. */
static dv_line *look(dv_wired *d, int *n, dv_line **vacant, bool *making)
{
	dv_line *best = NULL;

	*n = 0;
	*vacant = NULL;
	*making = false;
	for (int i = 0; i < DV_LINES_MAX; i++) {
		dv_line *l = &d->line[i];

		if (!l->taken) {
			*vacant = *vacant ? *vacant : l;
			continue;
		}
		++*n;
		if (!l->wire)
			*making = true;
		else if (!dv_mux_is_lost(l->wire->mux) &&
			 (!best || l->heavy < best->heavy ||
			  (l->heavy == best->heavy && l->users < best->users)))
			best = l;
	}
	return best;
}

/* Fills a vacant place. With the lock, which is let go meanwhile. */
static int make(dv_wired *d, dv_line *l, bool extra)
{
	dv_wire *w = NULL;

	l->taken = true;
	pthread_mutex_unlock(&d->lock);
	int rc = d->connect(d, extra, &w);
	if (rc == 0)
		w->remote = &d->base;
	pthread_mutex_lock(&d->lock);
	l->wire = w;
	l->taken = rc == 0;
	pthread_cond_broadcast(&d->changed);
	return rc;
}

/* With the lock. */
static int most_lines(const dv_wired *d)
{
	bool far = atomic_load(&d->round_us) >= FAR_US;

	if (d->fixed || d->max != LINES_DEFAULT)
		return d->max;
	if (far)
		return LINES_FAR;
	return d->busy_since && dv_clock_ms() - d->busy_since >= LONG_MS ? LINES_DEFAULT : 1;
}

/* Counts calls that are long. With the lock. */
static void count_heavy(dv_wired *d, dv_line *l, int n)
{
	int sum = 0;

	l->heavy += n;
	for (int i = 0; i < DV_LINES_MAX; i++)
		sum += d->line[i].heavy;
	if (sum == 0)
		d->busy_since = 0;
	else if (!d->busy_since)
		d->busy_since = dv_clock_ms();
}

/* One more is made, if it may be; one is enough. With the lock. */
static void make_more(dv_wired *d, dv_line *vacant, int n)
{
	if (make(d, vacant, true) == 0)
		return;
	dv_error_clear();
	d->max = n;
	d->fixed = true;
}

static void *maker(void *arg)
{
	dv_wired *d = arg;
	dv_line *vacant;
	bool making;
	int n;

	pthread_mutex_lock(&d->lock);
	(void)look(d, &n, &vacant, &making);
	if (vacant && n < most_lines(d) && !d->closing)
		make_more(d, vacant, n);
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* Far away a login takes many round trips, in which others can go on. */
void dv_wired_expect(dv_remote *r, uint64_t bytes)
{
	dv_wired *d = (dv_wired *)r;
	sigset_t all, old;

	if (bytes < MUCH || atomic_load(&d->round_us) < FAR_US)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_mutex_lock(&d->lock);
	while (d->nmakers < most_lines(d) - 1 &&
	       pthread_create(&d->makers[d->nmakers], NULL, maker, d) == 0)
		d->nmakers++;
	pthread_mutex_unlock(&d->lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* A connection to use, heavily or not. */
static int acquire(dv_wired *d, bool heavy, dv_line **out)
{
	dv_line *best, *vacant;
	bool making;
	int n, rc = 0;

	pthread_mutex_lock(&d->lock);
	for (;;) {
		sweep(d);
		best = look(d, &n, &vacant, &making);
		if (best && heavy && best->heavy > 0 && n < most_lines(d) && vacant) {
			make_more(d, vacant, n);
			continue;
		}
		if (best || (rc = dv_check_cancel()))
			break;
		if (making || !vacant) {
			pthread_cond_wait(&d->changed, &d->lock);
			continue;
		}
		if ((rc = make(d, vacant, false)))
			break;
	}
	if (rc == 0) {
		best->users++;
		count_heavy(d, best, heavy);
		*out = best;
	}
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static void give_back(dv_wired *d, dv_line *l, bool heavy)
{
	pthread_mutex_lock(&d->lock);
	l->users--;
	count_heavy(d, l, -(int)heavy);
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

int dv_wired_open(dv_wired *d)
{
	dv_line *l;
	int rc = acquire(d, false, &l);

	if (rc)
		return rc;
	d->base.caps = l->wire->caps | DV_REMOTE_TELLS;
	give_back(d, l, false);
	return 0;
}

static void note_round(dv_wired *d, int64_t us)
{
	int64_t before = atomic_load(&d->round_us);

	us = us ? us : 1;
	while ((!before || us < before) &&
	       !atomic_compare_exchange_weak(&d->round_us, &before, us))
		;
}

/* Runs a verb on some connection. */
#define WITH_WIRE(r, heavy_, call) do { \
	dv_wired *d_ = (dv_wired *)(r); \
	bool h_ = (heavy_); \
	dv_line *l_; \
	int rc_ = acquire(d_, h_, &l_); \
	if (rc_) \
		return rc_; \
	dv_wire *w = l_->wire; \
	int64_t begun_ = dv_clock_us(); \
	rc_ = (call); \
	if (!h_) \
		note_round(d_, dv_clock_us() - begun_); \
	give_back(d_, l_, h_); \
	return rc_; \
} while (0)

int dv_wired_stat(dv_remote *r, const char *name, uint64_t *size)
{
	int rc = dv_wire_check_name(name);

	if (rc)
		return rc;
	WITH_WIRE(r, false, w->ops->stat(w, name, size));
}

/* The names of others go to SFTP alone. */
static int check_others(const char *name)
{
	if (!*name || dv_path_is_safe(name))
		return 0;
	return dv_err(DV_EUNSAFE, "refused to use '%s' as a name", name);
}

int dv_wired_get(dv_remote *r, const char *name, uint64_t offset, uint64_t length, dv_sink_cb sink,
		 void *payload)
{
	int rc = r->any_names ? check_others(name) : dv_wire_check_name(name);

	if (rc)
		return rc;
	WITH_WIRE(r, length > HEAVY, w->ops->get(w, name, offset, length, sink, payload));
}

int dv_wired_put(dv_remote *r, const char *name, int fd, uint64_t size)
{
	int rc = dv_wire_check_name(name);

	if (rc)
		return rc;
	WITH_WIRE(r, size > HEAVY, w->ops->put(w, name, fd, size));
}

int dv_wired_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n)
{
	int rc = dv_wire_check_name(name);

	if (rc)
		return rc;
	WITH_WIRE(r, false, w->ops->put_if_absent(w, name, p, n));
}

int dv_wired_list(dv_remote *r, const char *dir, const char *after, dv_list_cb cb, void *payload)
{
	int rc = dir[0] ? dv_wire_check_name(dir) : 0;

	if (rc)
		return rc;
	WITH_WIRE(r, false, w->ops->list(w, dir, after, cb, payload));
}

int dv_wired_remove(dv_remote *r, const char *name)
{
	int rc = dv_wire_check_name(name);

	if (rc)
		return rc;
	WITH_WIRE(r, false, w->ops->remove(w, name));
}

static int find(dv_wire *w, const void *request, size_t n, dv_buf *out)
{
	if (w->ops->find)
		return w->ops->find(w, request, n, out);
	return dv_err(DV_ERROR, "the other side does not look into its index any more");
}

int dv_wired_find(dv_remote *r, const void *request, size_t n, dv_buf *out)
{
	WITH_WIRE(r, false, find(w, request, n, out));
}

static int no_looks(void)
{
	return dv_err(DV_ERROR, "what is not a store can be read by SFTP alone");
}

int dv_wired_look(dv_remote *r, const char *name, dv_remote_look *out)
{
	int rc = check_others(name);

	if (rc)
		return rc;
	WITH_WIRE(r, false, w->ops->look ? w->ops->look(w, name, out) : no_looks());
}

int dv_wired_look_in(dv_remote *r, const char *dir, dv_remote_look_cb cb, void *payload)
{
	int rc = check_others(dir);

	if (rc)
		return rc;
	WITH_WIRE(r, false, w->ops->look_in ? w->ops->look_in(w, dir, cb, payload) : no_looks());
}
