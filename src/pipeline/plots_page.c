/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page that draws plots. It needs nothing beside it: program, style and data are in it, and its
 * policy lets the browser run and load nothing else. The data is one JSON document in an element
 * that browsers do not run; '<', '>' and '&' are escaped in it, so that nothing in it ends the
 * element, and the program puts it on the page as text only.
 */
#include <string.h>

#include "base/base64.h"
#include "base/sha256.h"
#include "pipeline/plots.h"
#include "pipeline/plots_files.h"

static void add_digest(dv_buf *out, const char *before, const void *p, size_t n)
{
	dv_oid sum;

	dv_sha256(&sum, p, n);
	dv_buf_addf(out, "%s 'sha256-", before);
	dv_base64(out, sum.b, sizeof(sum.b));
	dv_buf_addc(out, '\'');
}

static void add_document(dv_buf *out, const dv_buf *json)
{
	const char *p = dv_buf_str(json), *end = p + json->n;

	while (p < end) {
		size_t n = 0;

		while (p + n < end && p[n] != '<' && p[n] != '>' && p[n] != '&')
			n++;
		dv_buf_add(out, p, n);
		p += n;
		if (p < end)
			dv_buf_addf(out, "\\u%04x", (unsigned)*p++);
	}
}

int dv_plot_page(dv_buf *out, const dv_buf *json)
{
	dv_buf_adds(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		    "img-src data:; base-uri 'none'; form-action 'none';");
	add_digest(out, " script-src", dv_plots_js, dv_plots_js_size);
	add_digest(out, "; style-src", dv_plots_css, dv_plots_css_size);
	dv_buf_adds(out, "\">\n<title>Plots</title>\n<style>");
	dv_buf_add(out, dv_plots_css, dv_plots_css_size);
	dv_buf_adds(out, "</style>\n</head>\n<body>\n<noscript>This page draws its plots with "
		    "JavaScript, which is switched off here.</noscript>\n"
		    "<script type=\"application/json\" id=\"dv-plots\">\n");
	add_document(out, json);
	dv_buf_adds(out, "</script>\n<script>");
	dv_buf_add(out, dv_plots_js, dv_plots_js_size);
	dv_buf_adds(out, "</script>\n</body>\n</html>\n");
	return out->err;
}
