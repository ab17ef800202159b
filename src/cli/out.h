/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program says: answers on stdout, talk (errors, hints, warnings) on stderr.
 *
 * Text for people: names go through dv_out_name() or dv_out_quote(), so that no file name can
 * break a line or drive the terminal. Text for programs: one JSON document through dv_out_json().
 * Everything that goes to stderr through this module is cleaned of control bytes as well.
 */
#ifndef DV_CLI_OUT_H
#define DV_CLI_OUT_H

#include "cli/cmd.h"

#include <dv.h>
#include <jansson.h>
#include <stdio.h>

/* Decides about colour, from --color, NO_COLOR, CLICOLOR_FORCE, TERM and the streams. */
void dv_out_start(const dv_cli *cli);

/* Formats to stdout. */
__attribute__((format(printf, 1, 2))) void dv_out(const char *fmt, ...);

/* Writes bytes as they are. Returns 0, or -1 when nobody reads stdout any more: a command that
 * only answers may stop then. */
int dv_out_bytes(const void *p, size_t n);

/* True once a write to stdout has failed because the reader went away. */
bool dv_out_broken(void);

/*
 * Flushes stdout at the end. Turns `code` into DV_EXIT_FAILED with an error when stdout could not
 * be written, and into DV_EXIT_OK when the reader merely went away and the command ended
 * well or stopped because of that.
 */
int dv_out_finish(int code);

/* -- names ------------------------------------------------------------------------------------- */

/*
 * A name for people. Plain names come back as they are; a name with control bytes, a quote, a
 * backslash or bytes that are not UTF-8 comes back in double quotes with C escapes ("a\nb",
 * "\377"). The caller frees it. Never NULL (runs out of memory: exits with an error).
 */
char *dv_out_quote(const char *name);

/* dv_out_quote() printed to stdout. */
void dv_out_name(const char *name);

/* -- JSON -------------------------------------------------------------------------------------- */

/* Prints a document, indented by 2, keys in the order of insertion, and a newline. Takes over the
 * reference. Returns DV_EXIT_OK, so that a command can end in `return dv_out_json(doc);`. */
int dv_out_json(json_t *doc);

/*
 * Sets object[key] to a string of bytes that may not be UTF-8 (a file name). JSON cannot hold such
 * bytes: then object[key] has U+FFFD in their place and object[KEY_hex] the exact bytes in
 * hexadecimal. NULL becomes null.
 */
void dv_out_json_bytes(json_t *object, const char *key, const char *bytes);

/* -- numbers ----------------------------------------------------------------------------------- */

#define DV_OUT_SIZE_MAX 16
/* "0 B", "999 B", "1.2 MB" (powers of 1000). Returns buf. */
const char *dv_out_size(char buf[DV_OUT_SIZE_MAX], uint64_t bytes);

/* "file" or "files", as n asks. */
const char *dv_out_plural(uint64_t n, const char *one, const char *many);

/* -- colour ------------------------------------------------------------------------------------ */

enum dv_color { DV_COLOR_RED, DV_COLOR_GREEN, DV_COLOR_YELLOW, DV_COLOR_CYAN, DV_COLOR_BOLD };
/* The escape sequences that start and end a colour on stdout; "" when there is no colour. */
const char *dv_out_color(enum dv_color c);
const char *dv_out_color_end(void);

/* -- talk -------------------------------------------------------------------------------------- */

/* "error: …" and "hint: …" on stderr, one line each. */
__attribute__((format(printf, 1, 2))) void dv_out_error(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void dv_out_hint(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void dv_out_warn(const char *fmt, ...);

/* A line of talk on stderr ("wrote 'data.dv'"), silent with -q. */
__attribute__((format(printf, 1, 2))) void dv_out_note(const char *fmt, ...);

/* The dv_warning_cb of the program. */
void dv_out_warning_cb(const char *message, void *payload);

/* Prints the library's last error with its hint; returns the exit code for it:
 * `if (rc) return dv_out_fail(rc);` */
int dv_out_fail(int rc);

/* The two errors that commands find by themselves. Both return DV_EXIT_USAGE. */
__attribute__((format(printf, 1, 2))) int dv_out_usage(const char *fmt, ...);
/* Checks the number of operands; max < 0: no limit. 0 when right, else prints and returns 129. */
int dv_out_operands(const dv_cli *cli, int argc, int min, int max);

/* The exit code for a dv_errcode. */
int dv_exit_code(int rc);

/* The table of exit codes, ending in a NULL meaning. */
typedef struct dv_exit_meaning {
	int code;
	const char *meaning;
} dv_exit_meaning;
extern const dv_exit_meaning dv_exit_meanings[];

#endif
