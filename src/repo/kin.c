/* SPDX-License-Identifier: Apache-2.0 */
/* What a file with a new name may have been before. */
#include "repo/kin.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define NEAR 4u		/* looked at on either side, in each order */
#define SORTED_MAX 1024u /* more that are gone are only looked through by name */
#define GONE 64u	/* points of what has no name any more, */
#define NAMED 64u	/* of the same name but for the extension, */
#define SIZED 16u	/* of about the same length, and twice that of nearly the same; */
#define ENOUGH 24u	/* fewer of these alone are none */

/* -- names --------------------------------------------------------------------------------- */

/* The extension without its dot, or the end of the name. One of digits alone counts versions. */
static const char *extension(const char *name)
{
	const char *end = name + strlen(name), *dot = strrchr(name, '.');
	const char *p = dot ? dot + 1 : end;

	if (!dot || dot == name)
		return end;
	while (isdigit((unsigned char)*p))
		p++;
	return *p ? dot + 1 : end;
}

static bool same(char a, char b, bool digits)
{
	return a == b || (!digits && isdigit((unsigned char)a) && isdigit((unsigned char)b));
}

/* Bytes that two stems have in common at the begin and at the end; without `digits` all digits are
 * the same. */
static size_t common(const char *a, size_t na, const char *b, size_t nb, bool digits)
{
	size_t least = na < nb ? na : nb, first = 0, last = 0;

	while (first < least && same(a[first], b[first], digits))
		first++;
	while (last < least - first && same(a[na - 1 - last], b[nb - 1 - last], digits))
		last++;
	return first + last;
}

static unsigned size_points(uint64_t a, uint64_t b)
{
	uint64_t most = a > b ? a : b, apart = a > b ? a - b : b - a;

	if (!a || !b || apart > most / 8)
		return 0;
	return apart > most / 64 ? SIZED : 2 * SIZED;
}

static unsigned points_of(const dv_kin *old, const char *name, uint64_t size)
{
	const char *ext = extension(name), *old_ext = extension(old->name);
	size_t n = (size_t)(ext - name), m = (size_t)(old_ext - old->name);
	size_t most = n > m ? n : m;
	unsigned points;

	if (!most || strcmp(ext, old_ext) != 0)
		return 0;
	/* Numbers count versions; but a file that was renamed may have kept its own. */
	points = (unsigned)(NAMED * common(name, n, old->name, m, old->gone) / most);
	if (!old->gone && points < ENOUGH)
		return 0;
	return points + (old->gone ? GONE : 0) + size_points(size, old->size);
}

void dv_kin_offer(dv_kin_search *s, const dv_kin *old)
{
	unsigned points = points_of(old, s->name, s->size);

	if (points > s->points ||
	    (s->found && points == s->points && strverscmp(old->name, s->name) < 0 &&
	     strverscmp(old->name, s->best.name) > 0)) {
		s->points = points;
		s->best = *old;
		s->found = true;
	}
}

/* -- lists --------------------------------------------------------------------------------- */

typedef int (*compare_fn)(const void *a, const void *b);

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const dv_kin *const *)a)->name, (*(const dv_kin *const *)b)->name);
}

/* By the names read from the ends of their stems. */
static int by_end(const void *pa, const void *pb)
{
	const char *a = (*(const dv_kin *const *)pa)->name, *b = (*(const dv_kin *const *)pb)->name;
	size_t n = (size_t)(extension(a) - a), m = (size_t)(extension(b) - b);

	while (n && m && a[n - 1] == b[m - 1])
		n--, m--;
	if (!n || !m)
		return (n > 0) - (m > 0);
	return (unsigned char)a[n - 1] - (unsigned char)b[m - 1];
}

static int by_size(const void *pa, const void *pb)
{
	uint64_t a = (*(const dv_kin *const *)pa)->size, b = (*(const dv_kin *const *)pb)->size;

	return (a > b) - (a < b);
}

void dv_kin_list_release(dv_kin_list *l)
{
	free(l->k);
	free(l->gone);
	free(l->end);
	free(l->size);
	*l = (dv_kin_list)DV_KIN_LIST_INIT;
}

int dv_kin_list_add(dv_kin_list *l, const dv_kin *k)
{
	int rc = dv_grow(&l->k, &l->cap, l->n + 1, sizeof(*l->k));

	if (!rc) {
		l->k[l->n++] = *k;
		l->ngone += k->gone;
	}
	return rc;
}

static int sorted_copy(const dv_kin_list *l, const dv_kin ***out, compare_fn compare)
{
	*out = dv_calloc(l->ngone + 1, sizeof(**out));
	if (!*out)
		return DV_ERROR;
	memcpy(*out, l->gone, l->ngone * sizeof(**out));
	qsort(*out, l->ngone, sizeof(**out), compare);
	return 0;
}

int dv_kin_list_finish(dv_kin_list *l)
{
	size_t n = 0;
	int rc;

	l->gone = dv_calloc(l->ngone + 1, sizeof(*l->gone));
	if (!l->gone)
		return DV_ERROR;
	for (size_t i = 0; i < l->n; i++)
		if (l->k[i].gone)
			l->gone[n++] = &l->k[i];
	if (n > SORTED_MAX)
		return 0;
	rc = sorted_copy(l, &l->end, by_end);
	return rc ? rc : sorted_copy(l, &l->size, by_size);
}

/* Offers those around the place in `of` where `like` would be. */
static void offer_near(dv_kin_search *s, const dv_kin *like, const dv_kin *const *of, size_t n,
		       compare_fn compare)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare(&of[mid], &like) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = lo > NEAR ? lo - NEAR : 0; i < n && i < lo + NEAR; i++)
		dv_kin_offer(s, of[i]);
}

static void offer_near_name(const dv_kin_list *l, dv_kin_search *s)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(l->k[mid].name, s->name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = lo > NEAR ? lo - NEAR : 0; i < l->n && i < lo + NEAR; i++)
		dv_kin_offer(s, &l->k[i]);
}

void dv_kin_list_search(const dv_kin_list *l, dv_kin_search *s, bool few)
{
	const dv_kin like = { .name = s->name, .size = s->size };

	for (size_t i = 0; few && i < l->n; i++)
		dv_kin_offer(s, &l->k[i]);
	if (few)
		return;
	offer_near_name(l, s);
	offer_near(s, &like, l->gone, l->ngone, by_name);
	if (l->end)
		offer_near(s, &like, l->end, l->ngone, by_end);
	if (l->size)
		offer_near(s, &like, l->size, l->ngone, by_size);
}
