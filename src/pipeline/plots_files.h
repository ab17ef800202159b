/* SPDX-License-Identifier: Apache-2.0 */
/* plots.js and plots.css, made part of the program by embed.cmake. */
#ifndef DV_PIPELINE_PLOTS_FILES_H
#define DV_PIPELINE_PLOTS_FILES_H

#include <stddef.h>

extern const unsigned char dv_plots_js[], dv_plots_css[];
extern const size_t dv_plots_js_size, dv_plots_css_size;

#endif
