/* SPDX-License-Identifier: Apache-2.0 */
/* Writing pointers: the same fields always give the same bytes. */
#include "repo/pointer.h"

#include <string.h>

#include "base/fs.h"
#include "base/value.h"

static bool is_plain(const char *s)
{
	static const char *const words[] = { "true", "false", "null", "yes", "no", "on", "off",
					     "y", "n", NULL };

	for (const char *const *w = words; *w; w++)
		if (!strcasecmp(s, *w))
			return false;
	if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z')))
		return false;
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+")] ==
	       0;
}

void dv_pointer_print_text(dv_buf *out, const char *key, const char *s)
{
	size_t k;

	for (k = 0; s[k] && dv_yaml_printable(s + k);)
		k += dv_yaml_printable(s + k);
	if (s[k]) {
		dv_buf_addf(out, "%s_hex: ", key);
		for (k = 0; s[k]; k++)
			dv_buf_addf(out, "%02x", (unsigned char)s[k]);
	} else if (is_plain(s)) {
		dv_buf_addf(out, "%s: %s", key, s);
	} else {
		dv_buf_addf(out, "%s: \"", key);
		for (; *s; s++) {
			if (*s == '"' || *s == '\\')
				dv_buf_addc(out, '\\');
			dv_buf_addc(out, *s);
		}
		dv_buf_addc(out, '"');
	}
	dv_buf_addc(out, '\n');
}

/* Kept lines, each behind `indent`. */
static void print_lines(dv_buf *out, const char *lines, const char *indent)
{
	while (lines && *lines) {
		size_t n = strcspn(lines, "\n");
		dv_buf_adds(out, indent);
		dv_buf_add(out, lines, n);
		dv_buf_addc(out, '\n');
		lines += n + (lines[n] == '\n');
	}
}

int dv_pointer_print(dv_buf *out, const dv_pointer *p)
{
	char hex[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(hex, &p->oid);
	print_lines(out, p->comment, "");
	dv_buf_adds(out, "outs:\n- ");
	dv_pointer_print_text(out, "path", p->path);
	if (!p->is_pending)
		dv_buf_addf(out, "  oid: sha256:%s\n  size: %llu\n", hex,
			    (unsigned long long)p->size);
	if (p->is_dir)
		dv_buf_addf(out, "  nfiles: %llu\n", (unsigned long long)p->nfiles);
	if (p->isexec && !p->is_dir)
		dv_buf_adds(out, "  isexec: true\n");
	if (p->remote) {
		dv_buf_adds(out, "  ");
		dv_pointer_print_text(out, "remote", p->remote);
	}
	if (p->no_push)
		dv_buf_adds(out, "  push: false\n");
	print_lines(out, p->extra_out, "  ");
	if (p->source)
		dv_source_print(out, p->source);
	print_lines(out, p->extra_top, "");
	return out->err;
}

int dv_pointer_write(const dv_pointer *p, const dv_scratch *s, const char *path, bool *changed)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_auto(dv_buf) old = DV_BUF_INIT;
	int rc = dv_pointer_print(&text, p);

	if (changed)
		*changed = false;
	if (rc)
		return rc;
	rc = dv_fs_read_file(&old, path, DV_POINTER_MAX);
	if (!rc && old.n == text.n && !memcmp(dv_buf_str(&old), dv_buf_str(&text), text.n))
		return 0;
	if (changed)
		*changed = true;
	return dv_scratch_write(s, path, dv_buf_str(&text), text.n, DV_ATOMIC_SYNC);
}
