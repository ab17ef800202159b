/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "executor" and "resources": what a stage, or a file for all its stages, says about where commands
 * run. What comes out of it are options for sbatch, each one element of its command line.
 */
#include <ctype.h>
#include <string.h>

#include "pipeline/executor.h"
#include "pipeline/template.h"

#define NUMBER_MAX 1000000	/* of CPUs, GPUs */
#define TEXT_MAX 4096	/* of an option of sbatch's */

static int wrong(const dv_value *v, const char *key, const char *expected)
{
	return dv_err_at(DV_ERROR, &v->at, "'%s' of 'resources' is %s, and %s is expected", key,
			 dv_value_kind_name(v->kind), expected);
}

static bool is_number(const dv_value *v, int64_t least)
{
	return v->kind == DV_VALUE_INT && !v->s && v->i >= least && v->i <= NUMBER_MAX;
}

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* "500M", "4G". */
static bool is_size(const char *s)
{
	size_t n = digits(s);

	return n > 0 && n <= 9 && s[n] && strchr("KMGT", s[n]) && !s[n + 1];
}

/* "a100:2", "2". */
static bool is_gpus(const char *s)
{
	const char *colon = strrchr(s, ':'), *count = colon ? colon + 1 : s;
	size_t name = colon ? (size_t)(colon - s) : 0;

	if (colon && (name == 0 || strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					     "0123456789_.-") != name))
		return false;
	return digits(count) > 0 && digits(count) <= 6 && !count[digits(count)];
}

/* "90", "1:30", "2:00:00", "1-12", "1-12:30", "1-12:30:00": as sbatch reads it. */
static bool is_time(const char *s)
{
	size_t n = digits(s), colons = 0;

	if (n == 0 || n > 6)
		return false;
	s += n;
	if (*s == '-') {
		n = digits(++s);
		if (n == 0 || n > 6)
			return false;
		s += n;
	}
	while (*s == ':') {
		n = digits(++s);
		if (n == 0 || n > 2)
			return false;
		s += n;
		colons++;
	}
	return !*s && colons <= 2;
}

static bool is_names(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n < 256 && *s != '-' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,-") == n;
}

typedef struct options {
	dv_arena *a;
	const char **v;
	size_t n;
} options;

static int add(options *o, const char *option, const char *value)
{
	o->v[o->n] = dv_arena_printf(o->a, "--%s=%s", option, value);
	return o->v[o->n++] ? 0 : DV_ERROR;
}

static int add_number(options *o, const char *option, int64_t value)
{
	o->v[o->n] = dv_arena_printf(o->a, "--%s=%lld", option, (long long)value);
	return o->v[o->n++] ? 0 : DV_ERROR;
}

static int add_cpus(options *o, const dv_value *v)
{
	if (!is_number(v, 1))
		return wrong(v, "cpus", "a number from 1");
	return add_number(o, "cpus-per-task", v->i);
}

static int add_mem(options *o, const dv_value *v)
{
	if (v->kind != DV_VALUE_STRING || !is_size(v->s))
		return wrong(v, "mem", "a size such as 500M or 4G");
	return add(o, "mem", v->s);
}

static int add_gpus(options *o, const dv_value *v)
{
	if (is_number(v, 0))
		return add_number(o, "gpus", v->i);
	if (v->kind != DV_VALUE_STRING || !is_gpus(v->s))
		return wrong(v, "gpus", "a number, or TYPE:NUMBER,");
	return add(o, "gpus", v->s);
}

static int add_time(options *o, const dv_value *v)
{
	if (is_number(v, 1))
		return add_number(o, "time", v->i);
	if (v->kind != DV_VALUE_STRING || !is_time(v->s))
		return wrong(v, "time", "minutes, HOURS:MINUTES:SECONDS or DAYS-HOURS");
	return add(o, "time", v->s);
}

static int add_partition(options *o, const dv_value *v)
{
	if (v->kind != DV_VALUE_STRING || !is_names(v->s))
		return wrong(v, "partition", "the name of a partition");
	return add(o, "partition", v->s);
}

/* What dv says itself, or relies on; sbatch takes the beginning of a name for the name. */
static const char *own_option(const char *text)
{
	static const char *const own[] = {
		"array", "chdir", "clusters", "error", "help", "input", "job-name", "output",
		"parsable", "requeue", "no-requeue", "test-only", "usage", "version", "wait",
		"wrap", NULL,
	};
	size_t n = strcspn(text, "=");

	for (const char *const *o = own; *o; o++)
		if (strncmp(*o, text, n) == 0)
			return *o;
	return NULL;
}

static int add_extra(options *o, const dv_value *v)
{
	const char *own, *s = v->s;

	if (v->kind != DV_VALUE_STRING)
		return wrong(v, "sbatch", "a list of options");
	if (strncmp(s, "--", 2) != 0 || !islower((unsigned char)s[2]) || strlen(s) > TEXT_MAX)
		return dv_err_hint(dv_err_at(DV_ERROR, &v->at, "'%s' is no option of sbatch as it "
					     "is expected here", s),
				   "write it as '--NAME' or '--NAME=VALUE', one item each");
	if ((own = own_option(s + 2)))
		return dv_err_at(DV_ERROR, &v->at, "'%s' cannot be used: '--%s' is for dv to say",
				 s, own);
	o->v[o->n] = s;
	o->n++;
	return 0;
}

int dv_resources_options(dv_arena *a, dv_value *own, dv_value *file, const char ***out, size_t *n)
{
	static const char *const known[] = { "cpus", "mem", "gpus", "time", "partition", "sbatch",
					     NULL };
	static int (*const adders[])(options *, const dv_value *) = {
		add_cpus, add_mem, add_gpus, add_time, add_partition,
	};
	dv_value *both[] = { own, file }, *extra = NULL;
	options o = { .a = a };
	int rc;

	*n = 0;
	for (int i = 0; i < 2; i++) {
		if (!both[i])
			continue;
		if (both[i]->kind != DV_VALUE_DICT)
			return dv_err_at(DV_ERROR, &both[i]->at, "'resources' is %s, and a dict is "
					 "expected", dv_value_kind_name(both[i]->kind));
		if ((rc = dv_stage_check_keys(both[i], known, "'resources'")))
			return rc;
		if (!extra)
			extra = dv_value_get(both[i], "sbatch");
	}
	if (extra && extra->kind == DV_VALUE_NULL)
		extra = NULL;
	if (extra && extra->kind != DV_VALUE_LIST)
		return wrong(extra, "sbatch", "a list of options");
	if (!(o.v = dv_arena_alloc(a, (6 + (extra ? extra->n : 0)) * sizeof(*o.v))))
		return DV_ERROR;
	for (size_t i = 0; i < 5; i++) {
		const dv_value *v = own ? dv_value_get(own, known[i]) : NULL;

		if (!v && file)
			v = dv_value_get(file, known[i]);
		if (v && v->kind != DV_VALUE_NULL && (rc = adders[i](&o, v)))
			return rc;
	}
	for (size_t i = 0; extra && i < extra->n; i++)
		if ((rc = add_extra(&o, extra->items[i])))
			return rc;
	*out = o.v;
	*n = o.n;
	return 0;
}

int dv_executor_check(const dv_value *v)
{
	if (v->kind != DV_VALUE_STRING)
		return dv_err_at(DV_ERROR, &v->at, "'executor' is %s, and 'local' or 'slurm' is "
				 "expected", dv_value_kind_name(v->kind));
	return dv_executor_known(v->s) ? 0 :
	       dv_err_hint(dv_err_at(DV_ERROR, &v->at, "there is no executor '%s'", v->s),
			   "say 'local' or 'slurm'");
}

int dv_running_tops(dv_arena *a, dv_pipeline_file *f)
{
	const dv_scope scope = { .vars = f->vars };
	dv_value *v = dv_value_get(f->doc, "executor");
	const char **ignored;
	size_t n;
	int rc = 0;

	if (v && v->kind != DV_VALUE_NULL) {
		if ((rc = dv_template_value(a, &scope, v, true, &v)) || (rc = dv_executor_check(v)))
			return rc;
		f->executor = v->s;
	}
	v = dv_value_get(f->doc, "resources");
	if (!v || v->kind == DV_VALUE_NULL)
		return 0;
	if ((rc = dv_template_value(a, &scope, v, true, &f->resources)))
		return rc;
	return dv_resources_options(a, f->resources, NULL, &ignored, &n);
}
