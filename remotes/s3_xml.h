/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the small XML documents that S3 servers send. Not a general parser: elements and text,
 * attributes skipped, no document types, bounded depth and sizes; nothing is read twice.
 */
#ifndef DV_REMOTES_S3_XML_H
#define DV_REMOTES_S3_XML_H

#include <stddef.h>

#include "base/error.h"

#define DV_XML_DEPTH_MAX 8
#define DV_XML_NAME_MAX 64
#define DV_XML_TEXT_MAX (16u << 10)

/** An element ended. `path` is "Root/…/Name" without prefixes of name spaces, `text` what stood in
 *  it, decoded, "" when it held elements. Both are borrowed. Not zero stops and is returned. */
typedef int (*dv_xml_cb)(const char *path, const char *text, void *payload);

/** Calls `cb` for each element, inner ones before outer ones. DV_ERROR when it is not such a
 *  document. */
int dv_xml_scan(const char *p, size_t n, dv_xml_cb cb, void *payload) DV_MUST_CHECK;

#endif
