/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of command lines. See opt.h for the rules.
 */
#include "cli/opt.h"

#include <dv.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const dv_opt dv_global_opts[] = {
	DV_OPT_STRLIST('C', "directory", dv_cli, dir, "DIR", "run as if started in DIR"),
	DV_OPT_FLAG('q', "quiet", dv_cli, quiet, "no progress and no summary"),
	DV_OPT_FLAG('v', "verbose", dv_cli, verbose, "say more"),
	DV_OPT_FLAG(0, "json", dv_cli, json, "answer as one JSON document"),
	DV_OPT_STR(0, "color", dv_cli, color, "WHEN", "auto, always or never"),
	DV_OPT_FLAG('h', NULL, dv_cli, help, "short help"),
	DV_OPT_FLAG(0, "help", dv_cli, manual, "the manual page"),
	DV_OPT_FLAG(0, "version", dv_cli, version, "print the version"),
	DV_OPT_END,
};

/* One parse: where it is, and what to match against. */
struct parse {
	const dv_opt_set *sets;
	size_t n_sets;
	int argc;
	char **argv;
	int at; /* the word being parsed */
	dv_opt_error *err;
};

__attribute__((format(printf, 2, 3))) static int usage(dv_opt_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return DV_EUSAGE;
}

__attribute__((format(printf, 2, 3))) static void hint(dv_opt_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}

static int parse_digits(uint64_t *out, const char *text, const char **end)
{
	uint64_t v = 0;

	if (*text < '0' || *text > '9')
		return DV_EUSAGE;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
			return DV_EUSAGE;
	*out = v;
	*end = text;
	return DV_OK;
}

int dv_parse_int(int *out, const char *text)
{
	uint64_t v;
	const char *end;

	if (parse_digits(&v, text, &end) || *end || v > INT_MAX)
		return DV_EUSAGE;
	*out = (int)v;
	return DV_OK;
}

int dv_parse_size(uint64_t *out, const char *text)
{
	static const char suffixes[] = "KMGT";
	uint64_t v;
	const char *end;

	if (parse_digits(&v, text, &end))
		return DV_EUSAGE;
	if (*end) {
		const char *s = strchr(suffixes, *end & ~0x20);
		unsigned shift;

		if (!s || !*s || end[1])
			return DV_EUSAGE;
		shift = 10u * (unsigned)(s - suffixes + 1);
		if (v > UINT64_MAX >> shift)
			return DV_EUSAGE;
		v <<= shift;
	}
	*out = v;
	return DV_OK;
}

static int list_add(dv_strlist *list, const char *value)
{
	const char **items = reallocarray(list->items, list->len + 1, sizeof(*items));

	if (!items)
		return DV_ERROR;
	items[list->len++] = value;
	list->items = items;
	return DV_OK;
}

/* Stores a value; `shown` is the option as typed, for messages. */
static int store(struct parse *p, const dv_opt *o, void *args, const char *value,
		 const char *shown)
{
	void *field = (char *)args + o->offset;

	switch (o->kind) {
	case DV_OPT_KIND_INT:
	case DV_OPT_KIND_COUNT:
		if (dv_parse_int(field, value) == DV_OK &&
		    (o->kind == DV_OPT_KIND_INT || *(int *)field > 0))
			return DV_OK;
		hint(p->err, "give a whole number, %d or more", o->kind == DV_OPT_KIND_COUNT);
		return usage(p->err, "'%s' is not a number for option '%s'", value, shown);
	case DV_OPT_KIND_SIZE:
	case DV_OPT_KIND_AMOUNT:
		if (dv_parse_size(field, value) == DV_OK &&
		    (o->kind == DV_OPT_KIND_SIZE || *(uint64_t *)field > 0))
			return DV_OK;
		hint(p->err, "give a number of bytes%s, with K, M, G or T for powers of 1024",
		     o->kind == DV_OPT_KIND_AMOUNT ? " over 0" : "");
		return usage(p->err, "'%s' is not a size for option '%s'", value, shown);
	case DV_OPT_KIND_STR:
		*(const char **)field = value;
		return DV_OK;
	case DV_OPT_KIND_STRLIST:
		if (list_add(field, value) == DV_OK)
			return DV_OK;
		return usage(p->err, "out of memory");
	case DV_OPT_KIND_FLAG:
	case DV_OPT_KIND_END:
		break;
	}
	return DV_OK;
}

/* The value of an option: what is attached, else the next word. */
static const char *take_value(struct parse *p, const char *attached)
{
	if (attached)
		return attached;
	if (p->at + 1 >= p->argc)
		return NULL;
	return p->argv[++p->at];
}

static int missing_value(struct parse *p, const dv_opt *o, const char *shown)
{
	hint(p->err, "give it a value: %s %s", shown, o->argname);
	return usage(p->err, "option '%s' needs a value", shown);
}

static bool name_is(const dv_opt *o, const char *name, size_t len)
{
	return o->name && strlen(o->name) == len && !memcmp(o->name, name, len);
}

/* Finds a long option; *negated says that the word is the opposite of the option found. */
static const dv_opt *find_long(const struct parse *p, const char *name, size_t len, void **args,
			       bool *negated)
{
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < p->n_sets; i++)
			for (const dv_opt *o = p->sets[i].opts; o && o->kind; o++) {
				bool flag = o->kind == DV_OPT_KIND_FLAG;
				bool hit = false;

				*args = p->sets[i].args;
				*negated = pass == 1;
				if (pass == 0)
					hit = name_is(o, name, len);
				else if (flag && len > 3 && !memcmp(name, "no-", 3))
					hit = name_is(o, name + 3, len - 3);
				else if (flag && o->name && !strncmp(o->name, "no-", 3))
					hit = strlen(o->name + 3) == len &&
					      !memcmp(o->name + 3, name, len);
				if (hit)
					return o;
			}
	return NULL;
}

static const dv_opt *find_letter(const struct parse *p, char letter, void **args)
{
	for (size_t i = 0; i < p->n_sets; i++)
		for (const dv_opt *o = p->sets[i].opts; o && o->kind; o++)
			if (o->letter == letter) {
				*args = p->sets[i].args;
				return o;
			}
	return NULL;
}

/* How far a typed word may be from what was meant: a third of it, 1 to 3. */
static size_t tolerance(size_t len)
{
	return len < 3 ? 1 : len < 9 ? (len + 2) / 3 : 3;
}

static int unknown_long(struct parse *p, const char *name, size_t len)
{
	char typed[64];
	const char *best = NULL;
	size_t best_d = SIZE_MAX;

	snprintf(typed, sizeof(typed), "%.*s", (int)(len < 63 ? len : 63), name);
	for (size_t i = 0; i < p->n_sets; i++)
		for (const dv_opt *o = p->sets[i].opts; o && o->kind; o++) {
			size_t d = o->name ? dv_opt_distance(typed, o->name) : SIZE_MAX;

			if (d < best_d) {
				best_d = d;
				best = o->name;
			}
		}
	if (best && best_d <= tolerance(len))
		hint(p->err, "did you mean '--%s'?", best);
	return usage(p->err, "unknown option '--%s'", typed);
}

static int parse_long(struct parse *p)
{
	const char *name = p->argv[p->at] + 2;
	size_t len = strcspn(name, "=");
	const char *attached = name[len] ? name + len + 1 : NULL;
	char shown[72];
	void *args;
	bool negated;
	const dv_opt *o = find_long(p, name, len, &args, &negated);
	const char *value;

	if (!o)
		return unknown_long(p, name, len);
	snprintf(shown, sizeof(shown), "--%.*s", (int)len, name);
	if (o->kind == DV_OPT_KIND_FLAG) {
		if (attached) {
			hint(p->err, "write '%s' alone", shown);
			return usage(p->err, "option '%s' takes no value", shown);
		}
		*(bool *)((char *)args + o->offset) = !negated;
		return DV_OK;
	}
	value = take_value(p, attached);
	return value ? store(p, o, args, value, shown) : missing_value(p, o, shown);
}

/* A cluster of letters: flags, and at most one option with a value, which takes the rest. */
static int parse_letters(struct parse *p)
{
	const char *word = p->argv[p->at];

	for (const char *c = word + 1; *c; c++) {
		void *args;
		const dv_opt *o = find_letter(p, *c, &args);
		char shown[] = { '-', *c, 0 };
		const char *value;

		if (!o && (unsigned char)*c >= 0x80)
			return usage(p->err, "unknown option '%s'", word);
		if (!o)
			return usage(p->err, "unknown option '-%c'", *c);
		if (o->kind == DV_OPT_KIND_FLAG) {
			*(bool *)((char *)args + o->offset) = true;
			continue;
		}
		value = take_value(p, c[1] ? c + 1 : NULL);
		return value ? store(p, o, args, value, shown) : missing_value(p, o, shown);
	}
	return DV_OK;
}

int dv_opt_parse(int *n_operands, int *before_dashes, const dv_opt_set *sets, size_t n_sets,
		 int argc, char **argv, bool stop_at_operand, dv_opt_error *err)
{
	struct parse p = { sets, n_sets, argc, argv, 0, err };
	int n = 0;

	*err = (dv_opt_error){ "", "" };
	*before_dashes = -1;
	for (; p.at < argc; p.at++) {
		char *word = argv[p.at];
		int rc;

		if (!strcmp(word, "--")) {
			*before_dashes = n;
			p.at++;
			break;
		}
		if (word[0] == '-' && word[1]) {
			rc = word[1] == '-' ? parse_long(&p) : parse_letters(&p);
			if (rc)
				return rc;
			continue;
		}
		if (stop_at_operand)
			break;
		argv[n++] = word;
	}
	if (stop_at_operand) {
		*n_operands = p.at;
		return DV_OK;
	}
	for (; p.at < argc; p.at++)
		argv[n++] = argv[p.at];
	if (n < argc)
		argv[n] = NULL;
	*n_operands = n;
	return DV_OK;
}

void dv_opt_release(const dv_opt *opts, void *args)
{
	for (const dv_opt *o = opts; o && o->kind; o++)
		if (o->kind == DV_OPT_KIND_STRLIST) {
			dv_strlist *list = (dv_strlist *)((char *)args + o->offset);

			free(list->items);
			*list = (dv_strlist){ NULL, 0 };
		}
}

size_t dv_opt_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned char rows[3][65] = { { 0 } };
	unsigned char *before = rows[0], *prev = rows[1], *row = rows[2];

	if (la > 63 || lb > 63)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		prev[j] = (unsigned char)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned char *spare = before;

		row[0] = (unsigned char)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = prev[j - 1] + (a[i - 1] != b[j - 1]);

			if (best > prev[j] + 1u)
				best = prev[j] + 1u;
			if (best > row[j - 1] + 1u)
				best = row[j - 1] + 1u;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    best > before[j - 2] + 1u)
				best = before[j - 2] + 1u;
			row[j] = (unsigned char)best;
		}
		before = prev;
		prev = row;
		row = spare;
	}
	return prev[lb];
}

const dv_cmd *dv_cmd_find(const dv_cmd *const *list, const char *name)
{
	for (; *list; list++)
		if (!strcmp((*list)->name, name))
			return *list;
	return NULL;
}

const char *dv_cmd_nearest(const dv_cmd *const *list, const char *typed)
{
	const char *best = NULL;
	size_t best_d = SIZE_MAX;

	for (; *list; list++) {
		size_t d = dv_opt_distance(typed, (*list)->name);

		if (d < best_d) {
			best_d = d;
			best = (*list)->name;
		}
	}
	/* Two letters wrong and the first among them is another word. */
	if (!best || best_d > tolerance(strlen(typed)) || (best_d > 1 && *best != *typed))
		return NULL;
	return best;
}
