/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SFTP, version 3 with OpenSSH's extensions, as far as a store needs it. Reads and writes go out
 * many at a time. A file appears under its name complete, and durable where the server can make it
 * so: hard links and, on OpenSSH, renames do not replace.
 */
#ifndef DV_REMOTES_SFTP_H
#define DV_REMOTES_SFTP_H

#include "remotes/wire.h"

/** Takes over a mux whose other side answered the hello of SFTP with `version` (the body of that
 *  answer). `root` is the folder in the server's words, `what` names it in messages; both are
 *  copied. With `create` the folder is made; else DV_ENOTFOUND when it is not there. */
int dv_sftp_new(dv_wire **out, dv_mux *m, const dv_answer *version, const char *root,
		const char *what, bool create) DV_MUST_CHECK;

/* -- for sftp_put.c ---------------------------------------------------------------------------- */

enum {
	SSH_FXP_INIT = 1, SSH_FXP_VERSION, SSH_FXP_OPEN, SSH_FXP_CLOSE, SSH_FXP_READ, SSH_FXP_WRITE,
	SSH_FXP_LSTAT, SSH_FXP_FSTAT, SSH_FXP_SETSTAT, SSH_FXP_FSETSTAT, SSH_FXP_OPENDIR,
	SSH_FXP_READDIR, SSH_FXP_REMOVE, SSH_FXP_MKDIR, SSH_FXP_RMDIR, SSH_FXP_REALPATH,
	SSH_FXP_STAT, SSH_FXP_RENAME,
	SSH_FXP_STATUS = 101, SSH_FXP_HANDLE, SSH_FXP_DATA, SSH_FXP_NAME, SSH_FXP_ATTRS,
	SSH_FXP_EXTENDED = 200, SSH_FXP_EXTENDED_REPLY,
};
enum {
	SSH_FX_OK, SSH_FX_EOF, SSH_FX_NO_SUCH_FILE, SSH_FX_PERMISSION_DENIED, SSH_FX_FAILURE,
	SSH_FX_BAD_MESSAGE, SSH_FX_NO_CONNECTION, SSH_FX_CONNECTION_LOST, SSH_FX_OP_UNSUPPORTED,
};
enum { SSH_FXF_READ = 1, SSH_FXF_WRITE = 2, SSH_FXF_CREAT = 8, SSH_FXF_EXCL = 32 };
enum { DV_SFTP_FSYNC = 1, DV_SFTP_HARDLINK = 2, DV_SFTP_OPENSSH = 4, DV_SFTP_LIMITS = 8 };

typedef struct dv_sftp {
	dv_wire wire;
	char *root, *what;
	unsigned has;			/* DV_SFTP_… */
	size_t read_max, write_max;	/* bytes in one request */
	_Atomic bool no_folder_sync;	/* the server cannot sync folders */
	_Atomic bool unheard;		/* something was asked whose answer nobody waits for */
} dv_sftp;

typedef struct dv_sftp_handle {
	uint8_t b[256];
	size_t n;	/* 0: none */
} dv_sftp_handle;

typedef struct dv_sftp_attrs {
	bool has_size, has_mode, has_time;
	uint64_t size;
	uint32_t mode, mtime;
} dv_sftp_attrs;

/** The path of a name; owned. */
char *dv_sftp_path(const dv_sftp *s, const char *name);
/** Sends a request about one path, or `extra` bytes behind it. */
int dv_sftp_ask(dv_sftp *s, dv_answer *a, uint8_t type, const char *path, const dv_buf *extra)
	DV_MUST_CHECK;
int dv_sftp_ask_open(dv_sftp *s, dv_answer *a, const char *path, uint32_t flags, uint32_t mode)
	DV_MUST_CHECK;
int dv_sftp_ask_handle(dv_sftp *s, dv_answer *a, uint8_t type, const dv_sftp_handle *h)
	DV_MUST_CHECK;
int dv_sftp_ask_read(dv_sftp *s, dv_answer *a, const dv_sftp_handle *h, uint64_t at, size_t n)
	DV_MUST_CHECK;
int dv_sftp_ask_fsync(dv_sftp *s, dv_answer *a, const dv_sftp_handle *h) DV_MUST_CHECK;
/** Closes a handle without waiting for it. */
void dv_sftp_drop_handle(dv_sftp *s, dv_sftp_handle *h);

/** Waits; *code is the status that was answered (SSH_FX_OK for an answer of type `want`, which is
 *  then in `a`). Fails only when the connection does, or talks nonsense. */
int dv_sftp_status(dv_sftp *s, dv_answer *a, uint8_t want, uint32_t *code) DV_MUST_CHECK;
/** Waits for an answer of type `want`; a status that is none is a failure: "cannot <verb> <name>",
 *  in the server's words. */
int dv_sftp_expect(dv_sftp *s, dv_answer *a, uint8_t want, const char *verb, const char *name)
	DV_MUST_CHECK;
/** Records the failure that a status means, with the server's words from `a`. */
int dv_sftp_fail(const dv_sftp *s, const dv_answer *a, uint32_t code, const char *verb,
		 const char *name);
/** The handle that an answer of type SSH_FXP_HANDLE is. */
int dv_sftp_parse_handle(dv_sftp *s, const dv_answer *a, dv_sftp_handle *h) DV_MUST_CHECK;
/** The attributes that an answer of type SSH_FXP_ATTRS is. */
int dv_sftp_parse_attrs(dv_sftp *s, const dv_answer *a, dv_sftp_attrs *out) DV_MUST_CHECK;
/** LSTAT and its answer: *code as dv_sftp_status. */
int dv_sftp_lstat(dv_sftp *s, const char *path, dv_sftp_attrs *out, uint32_t *code) DV_MUST_CHECK;
/** Gives every entry of a folder; absent is empty. */
typedef int (*dv_sftp_entry_cb)(const char *name, const dv_sftp_attrs *attrs, void *payload);
int dv_sftp_each(dv_sftp *s, const char *path, dv_sftp_entry_cb cb, void *payload) DV_MUST_CHECK;
/** Makes a folder with its parents; what is there already is fine, and so is what turns out
 *  later. *code and `a` are the server's last word, for a caller who finds that it is not there. */
int dv_sftp_mkdirs(dv_sftp *s, const char *path, dv_answer *a, uint32_t *code) DV_MUST_CHECK;

/** As in the table of drivers: by a temporary file, which is durable before it gets the name. */
int dv_sftp_put(dv_wire *w, const char *name, int fd, uint64_t size);
int dv_sftp_put_if_absent(dv_wire *w, const char *name, const void *p, size_t n);

#endif
