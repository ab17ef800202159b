/* SPDX-License-Identifier: Apache-2.0 */
/* XML that a hostile S3 server sends: read without a crash, within its bounds. */
#include <string.h>

#include "remotes/s3_xml.h"

static int on_element(const char *path, const char *text, void *payload)
{
	size_t *left = payload;

	if (strlen(path) > DV_XML_DEPTH_MAX * (DV_XML_NAME_MAX + 1) ||
	    strlen(text) > DV_XML_TEXT_MAX)
		__builtin_trap();
	return --*left == 0 ? 1 : 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	size_t left = 1 << 16;

	if (dv_xml_scan((const char *)p, n, on_element, &left) < 0)
		dv_error_clear();
	return 0;
}
