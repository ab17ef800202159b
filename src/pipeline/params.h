/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of parameters, metrics and other data, read by their suffix.
 */
#ifndef DV_PIPELINE_PARAMS_H
#define DV_PIPELINE_PARAMS_H

#include "pipeline/stage.h"

#define DV_PARAMS_MAX ((size_t)64 << 20)

/** Data as the suffix of `name` says: .json, .toml, else YAML. Any kind of value.
 *  `name` is copied. */
int dv_data_parse(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
	DV_MUST_CHECK;
/** A file of parameters: a dict, empty for an empty file. DV_ERROR with its place for others. */
int dv_params_parse(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
	DV_MUST_CHECK;

/** As dv_params_read, from a view. */
int dv_params_read_view(dv_arena *a, dv_view *v, const char *path, dv_value **out) DV_MUST_CHECK;

#endif
