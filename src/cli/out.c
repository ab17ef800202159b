/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything the program prints, but for progress (term.c).
 */
#include "cli/out.h"

#include "cli/term.h"
#include "cli/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static struct {
	bool color;    /* on stdout */
	bool color_err; /* on stderr */
	bool quiet;
	int error; /* errno of the first failed write to stdout */
	const dv_cli *cli;
} out;

const dv_exit_meaning dv_exit_meanings[] = {
	{ DV_EXIT_OK, "done, or the answer is yes" },
	{ DV_EXIT_NO, "the answer is no: differences or problems were found" },
	{ DV_EXIT_FAILED, "failed" },
	{ DV_EXIT_PARTLY, "partly done; what is left was listed" },
	{ DV_EXIT_AUTH, "credentials are needed or were refused" },
	{ DV_EXIT_NOREPO, "not in a dv repository" },
	{ DV_EXIT_LOCKED, "the repository is locked by another process" },
	{ DV_EXIT_DAMAGED, "stored data is damaged" },
	{ DV_EXIT_USAGE, "the command line is wrong" },
	{ DV_EXIT_INTERRUPTED, "interrupted" },
	{ 0, NULL },
};

int dv_exit_code(int rc)
{
	switch (rc) {
	case DV_OK:
		return DV_EXIT_OK;
	case DV_EAUTH:
		return DV_EXIT_AUTH;
	case DV_ENOREPO:
		return DV_EXIT_NOREPO;
	case DV_ELOCKED:
		return DV_EXIT_LOCKED;
	case DV_ECORRUPT:
		return DV_EXIT_DAMAGED;
	case DV_ECANCELLED:
		return DV_EXIT_INTERRUPTED;
	case DV_EUSAGE:
		return DV_EXIT_USAGE;
	case DV_EPARTIAL:
		return DV_EXIT_PARTLY;
	default:
		return DV_EXIT_FAILED;
	}
}

static bool want_color(const char *when, FILE *stream)
{
	const char *force = getenv("CLICOLOR_FORCE"), *no = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	if (when && strcmp(when, "auto") != 0)
		return !strcmp(when, "always");
	if (no && *no)
		return false;
	if (force && *force && strcmp(force, "0") != 0)
		return true;
	return isatty(fileno(stream)) && terminal && strcmp(terminal, "dumb") != 0;
}

void dv_out_start(const dv_cli *cli)
{
	out.cli = cli;
	out.quiet = cli->quiet;
	out.color = !cli->json && want_color(cli->color, stdout);
	out.color_err = want_color(cli->color, stderr);
}

static int check_stdout(void)
{
	if (!out.error && ferror(stdout))
		out.error = errno ? errno : EIO;
	return out.error ? -1 : 0;
}

void dv_out(const char *fmt, ...)
{
	va_list ap;

	if (out.error)
		return;
	dv_term_clear();
	errno = 0;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	check_stdout();
}

int dv_out_bytes(const void *p, size_t n)
{
	if (out.error)
		return -1;
	dv_term_clear();
	errno = 0;
	fwrite(p, 1, n, stdout);
	return check_stdout();
}

bool dv_out_broken(void)
{
	return out.error == EPIPE;
}

int dv_out_finish(int code)
{
	if (!out.error) {
		errno = 0;
		fflush(stdout);
		check_stdout();
	}
	if (out.error == EPIPE)
		return code == DV_EXIT_INTERRUPTED ? DV_EXIT_OK : code;
	if (out.error) {
		dv_out_error("cannot write to standard output: %s", strerror(out.error));
		return code == DV_EXIT_OK || code == DV_EXIT_INTERRUPTED ? DV_EXIT_FAILED : code;
	}
	return code;
}

/* -- names ------------------------------------------------------------------------------------- */

/* Appends one escaped byte; `to` has room for 5. Returns the length. */
static size_t escape_byte(char *to, unsigned char c)
{
	static const char plain[] = "\a\b\t\n\v\f\r\"\\", letters[] = "abtnvfr\"\\";
	const char *p = c ? strchr(plain, c) : NULL;

	if (p) {
		to[0] = '\\';
		to[1] = letters[p - plain];
		to[2] = 0;
		return 2;
	}
	snprintf(to, 5, "\\%03o", c);
	return 4;
}

char *dv_out_quote(const char *name)
{
	size_t n = strlen(name), o = 0;
	bool special = n == 0;
	char *q = n < SIZE_MAX / 8 ? malloc(n * 4 + 8) : NULL;

	if (!q) {
		dv_out_error("out of memory");
		_exit(DV_EXIT_FAILED);
	}
	q[o++] = '"';
	for (size_t i = 0; i < n;) {
		size_t len = dv_utf8_printable(name + i, n - i);

		if (len == 0 || name[i] == '"' || name[i] == '\\') {
			special = true;
			o += escape_byte(q + o, (unsigned char)name[i]);
			i++;
			continue;
		}
		memcpy(q + o, name + i, len);
		o += len;
		i += len;
	}
	if (special) {
		q[o++] = '"';
		q[o] = 0;
	} else {
		memcpy(q, name, n + 1);
	}
	return q;
}

void dv_out_name(const char *name)
{
	dv_cli_autofree char *q = dv_out_quote(name);

	dv_out("%s", q);
}

/* -- JSON -------------------------------------------------------------------------------------- */

static int json_sink(const char *p, size_t n, void *payload)
{
	(void)payload;
	return dv_out_bytes(p, n);
}

int dv_out_json(json_t *doc)
{
	if (!doc) {
		dv_out_error("out of memory");
		return DV_EXIT_FAILED;
	}
	json_dump_callback(doc, json_sink, NULL, JSON_INDENT(2) | JSON_ENCODE_ANY);
	dv_out("\n");
	json_decref(doc);
	return DV_EXIT_OK;
}

void dv_out_json_bytes(json_t *object, const char *key, const char *bytes)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = bytes ? strlen(bytes) : 0, o = 0;
	dv_cli_autofree char *text = NULL, *hex = NULL;
	char hex_key[64];
	bool valid = true;

	if (!bytes) {
		json_object_set_new(object, key, json_null());
		return;
	}
	text = calloc(n + 1, 3);
	hex = calloc(n + 1, 2);
	if (!text || !hex) {
		dv_out_error("out of memory");
		_exit(DV_EXIT_FAILED);
	}
	for (size_t i = 0; i < n;) {
		size_t len = dv_utf8_valid(bytes + i, n - i);

		memcpy(text + o, len ? bytes + i : "\xef\xbf\xbd", len ? len : 3);
		o += len ? len : 3;
		i += len ? len : 1;
		valid &= len != 0;
	}
	json_object_set_new(object, key, json_stringn(text, o));
	if (valid)
		return;
	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = digits[(unsigned char)bytes[i] >> 4];
		hex[2 * i + 1] = digits[(unsigned char)bytes[i] & 15];
	}
	snprintf(hex_key, sizeof(hex_key), "%s_hex", key);
	json_object_set_new(object, hex_key, json_stringn(hex, 2 * n));
}

/* -- numbers and colour ------------------------------------------------------------------------ */

const char *dv_out_size(char buf[DV_OUT_SIZE_MAX], uint64_t bytes)
{
	static const char units[] = "kMGTPE";
	double v = (double)bytes;
	int u = -1;

	if (bytes < 1000) {
		snprintf(buf, DV_OUT_SIZE_MAX, "%u B", (unsigned)bytes);
		return buf;
	}
	/* 999.95 would be shown as 1000.0 */
	while (v >= 999.95 || u < 0) {
		v /= 1000;
		u++;
	}
	snprintf(buf, DV_OUT_SIZE_MAX, "%.1f %cB", v, units[u]);
	return buf;
}

const char *dv_out_plural(uint64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

const char *dv_out_color(enum dv_color c)
{
	static const char *const starts[] = { "\033[31m", "\033[32m", "\033[33m", "\033[36m",
					      "\033[1m" };

	return out.color ? starts[c] : "";
}

const char *dv_out_color_end(void)
{
	return out.color ? "\033[m" : "";
}

/* -- talk -------------------------------------------------------------------------------------- */

/* One line on stderr in one write. Messages can carry names that others chose: what is not
 * printable is escaped. */
static void __attribute__((format(printf, 3, 0))) say(const char *color, const char *label,
						      const char *fmt, va_list ap)
{
	char text[4096], line[sizeof(text) + 512];
	size_t o = 0;

	vsnprintf(text, sizeof(text), fmt, ap);
	o += (size_t)snprintf(line, 64, "%s%s%s", out.color_err ? color : "", label,
			      out.color_err && *color ? "\033[m" : "");
	for (const char *p = text, *end = text + strlen(text);
	     p < end && o + 8 < sizeof(line);) {
		size_t len = dv_utf8_printable(p, (size_t)(end - p));

		if (len)
			memcpy(line + o, p, len);
		o += len ? len : escape_byte(line + o, (unsigned char)*p);
		p += len ? len : 1;
	}
	line[o++] = '\n';
	dv_term_clear();
	fflush(stdout);
	fwrite(line, 1, o, stderr);
}

#define SAY(color, label)                                                                          \
	do {                                                                                       \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		say(color, label, fmt, ap);                                                        \
		va_end(ap);                                                                        \
	} while (0)

void dv_out_error(const char *fmt, ...)
{
	SAY("\033[31m", "error: ");
}

void dv_out_hint(const char *fmt, ...)
{
	SAY("\033[36m", "hint: ");
}

void dv_out_warn(const char *fmt, ...)
{
	SAY("\033[33m", "warning: ");
}

void dv_out_note(const char *fmt, ...)
{
	if (!out.quiet)
		SAY("", "");
}

void dv_out_warning_cb(const char *message, void *payload)
{
	(void)payload;
	dv_out_warn("%s", message);
}

int dv_out_fail(int rc)
{
	const dv_error *e = dv_error_last();

	/* A command that stopped because its reader left has nothing to complain about. */
	if (rc == DV_ECANCELLED || dv_out_broken()) {
		if (!dv_out_broken())
			dv_out_error("interrupted");
		return DV_EXIT_INTERRUPTED;
	}
	dv_out_error("%s", e && e->message[0] ? e->message : "failed for an unknown reason");
	if (e && e->hint[0])
		dv_out_hint("%s", e->hint);
	return dv_exit_code(rc);
}

static void hint_at_help(void)
{
	const dv_cli *cli = out.cli;

	if (cli && cli->cmd && cli->parent)
		dv_out_hint("see 'dv %s %s -h'", cli->parent->name, cli->cmd->name);
	else if (cli && cli->cmd)
		dv_out_hint("see 'dv %s -h'", cli->cmd->name);
	else
		dv_out_hint("see 'dv help'");
}

int dv_out_usage(const char *fmt, ...)
{
	SAY("\033[31m", "error: ");
	hint_at_help();
	return DV_EXIT_USAGE;
}

int dv_out_operands(const dv_cli *cli, int argc, int min, int max)
{
	const char *outer = cli->parent ? cli->parent->name : "";
	const char *space = cli->parent ? " " : "";

	if (argc < min)
		return dv_out_usage("'dv %s%s%s' needs %d argument%s%s", outer, space,
				    cli->cmd->name, min, min == 1 ? "" : "s",
				    max == min ? "" : " at least");
	if (max >= 0 && argc > max)
		return dv_out_usage("too many arguments for 'dv %s%s%s'", outer, space,
				    cli->cmd->name);
	return 0;
}
