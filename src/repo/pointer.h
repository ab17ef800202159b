/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pointer: NAME.dv, a small YAML file that says what an output is.
 *
 *   outs:
 *   - path: data
 *     oid: sha256:…           of the file, or of the tree
 *     size: 123               logical bytes
 *     nfiles: 4               directories only: its presence says that the oid is a tree's
 *     isexec: true            executable files only
 *     desc, remote, push, meta and unknown keys follow, kept as they are
 *   deps:                     of what was taken from elsewhere: see pointer_source.h
 *
 * A path that is not UTF-8, or has control bytes, stands as path_hex. A pointer has one output,
 * beside it. Text from outside is hostile: sizes, depth and aliases are bounded.
 */
#ifndef DV_REPO_POINTER_H
#define DV_REPO_POINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/oid.h"
#include "git/records.h"
#include "repo/pointer_source.h"
#include "repo/scratch.h"

#define DV_POINTER_MAX ((size_t)1 << 20)

typedef struct dv_pointer {
	char *path;		/* one component, relative to the pointer's folder */
	dv_oid oid;
	uint64_t size;
	uint64_t nfiles;	/* directories: files below */
	bool is_dir, isexec;
	char *remote;		/* NULL, or the remote this output prefers */
	bool no_push;		/* push: false */
	bool is_pending;	/* its content was never seen: oid, size and kind are not known */
	dv_source *source;	/* where it was taken from, or NULL */
	char *comment;		/* comment lines at the top, or NULL */
	char *extra_out;	/* kept keys of the output, ready to be written, or NULL */
	char *extra_top;	/* kept keys of the file, likewise */
} dv_pointer;
#define DV_POINTER_INIT { 0 }
void dv_pointer_release(dv_pointer *p);

/** Reads a pointer from text; `name` is for messages. Unknown keys are kept and warned about.
 *  DV_ECORRUPT for what is no pointer, DV_EUNSAFE for a path that leaves its folder, DV_ERROR for a
 *  newer format. `out` is replaced on success and left empty on failure. */
int dv_pointer_parse(dv_pointer *out, const char *text, size_t n, const char *name) DV_MUST_CHECK;
/** Reads the pointer file `path`, which must be a regular file; not a link. */
int dv_pointer_read(dv_pointer *out, const char *path) DV_MUST_CHECK;
/** Appends the text of the pointer: always the same for the same fields. */
int dv_pointer_print(dv_buf *out, const dv_pointer *p) DV_MUST_CHECK;
/** Writes it atomically, by way of `s` (or NULL); not at all when the file holds the same text
 *  already (*changed may be NULL). */
int dv_pointer_write(const dv_pointer *p, const dv_scratch *s, const char *path, bool *changed)
	DV_MUST_CHECK;
/** Appends "KEY: TEXT" and a newline, or "KEY_hex: …" for what YAML cannot show. */
void dv_pointer_print_text(dv_buf *out, const char *key, const char *text);
/** A copy of all fields. */
int dv_pointer_copy(dv_pointer *out, const dv_pointer *p) DV_MUST_CHECK;

#endif
