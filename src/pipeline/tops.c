/* SPDX-License-Identifier: Apache-2.0 */
/* What stands beside the stages of a pipeline file: its params, metrics and plots. */
#include <string.h>

#include "pipeline/stage.h"
#include "pipeline/template.h"

/* A list of texts; `dicts`: and of dicts. */
static int check_list(const dv_value *v, const char *what, bool dicts)
{
	if (v->kind != DV_VALUE_LIST)
		return dv_err_at(DV_ERROR, &v->at, "'%s' is %s, and a list is expected", what,
				 dv_value_kind_name(v->kind));
	for (size_t i = 0; i < v->n; i++) {
		const dv_value *item = v->items[i];

		if (item->kind == DV_VALUE_STRING || (dicts && item->kind == DV_VALUE_DICT))
			continue;
		return dv_err_at(DV_ERROR, &item->at, "'%s' holds %s, and %s is expected", what,
				 dv_value_kind_name(item->kind),
				 dicts ? "a path or NAME: OPTIONS" : "a path");
	}
	return 0;
}

/* A dict of plots is a list of dicts with one member each. */
static int as_list(dv_arena *a, dv_value **v)
{
	dv_value *list = dv_value_new(a, DV_VALUE_LIST, &(*v)->at);

	for (size_t i = 0; list && i < (*v)->n; i++) {
		const dv_member *m = &(*v)->members[i];
		dv_value *one = dv_value_new(a, DV_VALUE_DICT, &m->at);

		if (!one || dv_value_set(a, one, m->key, &m->at, m->value) ||
		    dv_value_append(a, list, one))
			return DV_ERROR;
	}
	*v = list;
	return list ? 0 : DV_ERROR;
}

int dv_tops_parse(dv_arena *a, dv_pipeline_file *f)
{
	const struct {
		const char *key;
		dv_value **out;
		bool dicts;
	} tops[] = {
		{ "params", &f->params, false },
		{ "metrics", &f->metrics, false },
		{ "plots", &f->plots, true },
	};
	const dv_scope scope = { .vars = f->vars };

	for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++) {
		dv_value *v = dv_value_get(f->doc, tops[i].key);
		int rc;

		if (!v || v->kind == DV_VALUE_NULL)
			continue;
		if ((rc = dv_template_value(a, &scope, v, true, &v)))
			return rc;
		if (tops[i].dicts && v->kind == DV_VALUE_DICT && (rc = as_list(a, &v)))
			return rc;
		if ((rc = check_list(v, tops[i].key, tops[i].dicts)))
			return rc;
		*tops[i].out = v;
	}
	return 0;
}
