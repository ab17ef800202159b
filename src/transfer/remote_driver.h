/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a remote driver must do. Drivers classify failures and never decide: no retry, no prompt, no
 * caching; DV_ENOTFOUND, DV_EEXISTS, DV_EAUTH and DV_ETRANSIENT are told apart, the rest is
 * DV_ERROR. Retry, limits, tracing and faults are wrappers with the same table. Names are relative,
 * made of [a-z0-9/._-], chosen by dv, never by a remote. All functions may be called from many
 * threads.
 */
#ifndef DV_TRANSFER_REMOTE_DRIVER_H
#define DV_TRANSFER_REMOTE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <strings.h>

#include "base/buf.h"
#include "base/error.h"
#include "transfer/lfs_api.h"

enum dv_remote_caps {
	DV_REMOTE_WRITE = 1u << 0,
	DV_REMOTE_LIST = 1u << 1,
	DV_REMOTE_PUT_IF_ABSENT = 1u << 2,	/* atomic; the log's commit primitive */
	DV_REMOTE_TELLS = 1u << 3,	/* put calls dv_remote_sending() on the way */
	/* Whether put_if_absent creates only if absent depends on the server, which a probe has to
	 * find out: one may refuse it (DV_ERROR), another say yes and overwrite. */
	DV_REMOTE_DEPENDS = 1u << 4,
	DV_REMOTE_FIND = 1u << 5,	/* answers what its index has; the verb `find` is there */
};

typedef struct dv_remote dv_remote;
/** Receives bytes in order; non-zero stops the transfer and is returned. */
typedef int (*dv_sink_cb)(const void *p, size_t n, void *payload);
typedef int (*dv_list_cb)(const char *name, uint64_t size, void *payload);

/** What is known of a file or folder that others put where a driver reaches. */
typedef struct dv_remote_look {
	bool is_dir, has_size, has_mtime;
	uint64_t size;
	int64_t mtime_ns;	/* since 1970 */
	char etag[200];		/* "": none */
} dv_remote_look;
typedef int (*dv_remote_look_cb)(const char *name, const dv_remote_look *l, void *payload);

/** What a driver is told when it opens a place. Borrowed; the callback is used during open only. */
typedef struct dv_driver_options {
	const char *name;	/* of the remote, for messages that advise */
	bool create;		/* make the place when it is absent */
	/** The URL stands in the user's own settings. Else it may be a stranger's, committed in
	 *  .dv/config, and no secret of the remote's own settings may be sent there. */
	bool url_is_own;
	int jobs;		/* connections wanted at once; 0: the driver's default */
	/** The value of setting remote.NAME.<key>, borrowed until the settings are read again, or
	 *  NULL. Values that only the user may set never come from a committed file. */
	const char *(*setting)(void *ctx, const char *key);
	void *ctx;
} dv_driver_options;

typedef struct dv_driver {
	unsigned version;	/* 2; fields are only ever appended */
	const char *scheme;	/* "file", "ssh" … */
	/** Opens the place behind a URL. Without o->create DV_ENOTFOUND may come from here or from
	 *  the first get. */
	int (*open)(dv_remote **out, const char *url, const dv_driver_options *o);
	void (*close)(dv_remote *r);
	/** Size of a file. */
	int (*stat)(dv_remote *r, const char *name, uint64_t *size);
	/** Bytes [offset, offset + length) clipped to the file; UINT64_MAX: to the end. */
	int (*get)(dv_remote *r, const char *name, uint64_t offset, uint64_t length,
		   dv_sink_cb sink, void *payload);
	/** Stores the whole of `fd` (from 0, `size` bytes) durably; complete or not at all;
	 *  replaces nothing: success when a file of the same name and size is there already. */
	int (*put)(dv_remote *r, const char *name, int fd, uint64_t size);
	/** Creates a small file durably unless it is there (DV_EEXISTS). */
	int (*put_if_absent)(dv_remote *r, const char *name, const void *p, size_t n);
	/** Files directly in folder `dir` whose name sorts after `after` (NULL: all), any order. An
	 *  absent folder is empty. */
	int (*list)(dv_remote *r, const char *dir, const char *after, dv_list_cb cb, void *payload);
	/** DV_ENOTFOUND when it is not there, from servers that tell. */
	int (*remove)(dv_remote *r, const char *name);
	/** Of the driver whose scheme is "*", which stands for those that no other has: is there
	 *  something that reaches the URL? */
	bool (*reaches)(const char *url);
	/** Of places with DV_REMOTE_FIND: carries the body of a request for rows of the index to
	 *  where the store is, and that of the answer back: docs/remote-protocol.md, FIND. `out` is
	 *  replaced. */
	int (*find)(dv_remote *r, const void *request, size_t n, dv_buf *out);
	/** What stands at the name ("": the place itself). NULL: `stat` is all that can be had. */
	int (*look)(dv_remote *r, const char *name, dv_remote_look *out);
	/** Everything directly in a folder ("": the place itself). NULL: that is not to be had. */
	int (*look_in)(dv_remote *r, const char *dir, dv_remote_look_cb cb, void *payload);
	/** About so many bytes are going to be read soon: what takes its time, like a login, can
	 *  begin. Does not wait. May be NULL. */
	void (*expect)(dv_remote *r, uint64_t bytes);
} dv_driver;

#define DV_REMOTE_LITTLE ((uint64_t)256 << 10)	/* so few share a connection */
struct dv_remote {
	const dv_driver *driver;
	unsigned caps;
	int jobs;	/* connections that serve this place best, when the user does not say */
	int many;	/* calls for DV_REMOTE_LITTLE at most, which share connections, that may
			   be under way besides; 0: none */
	/** Set from above once the place is open: what is read there was named by others, so that
	 *  any name will do that is a path and stays inside. */
	bool any_names;
	/** Set from above once the place is open; see dv_remote_sending(). */
	int (*sending)(void *ctx, size_t n);
	void *sending_ctx;
};

/** Called by the put of a driver that has DV_REMOTE_TELLS, in the thread that put was called in or
 *  in those that it starts, before it sends the next `n` bytes (64 KiB to 1 MiB at a time). It may
 *  wait, as a limit of the rate asks for. Non-zero: the put stops and returns that. */
static inline int dv_remote_sending(const dv_remote *r, size_t n)
{
	return r->sending ? r->sending(r->sending_ctx, n) : 0;
}

/** The setting `key` of a remote that is being opened, or NULL. */
static inline const char *dv_driver_setting(const dv_driver_options *o, const char *key)
{
	return o->setting ? o->setting(o->ctx, key) : NULL;
}

/** Whether the setting `key`, one of truth, is there and true. */
static inline bool dv_driver_flag(const dv_driver_options *o, const char *key)
{
	static const char *const yes[] = { "true", "yes", "on", "1" };
	const char *v = dv_driver_setting(o, key);

	for (size_t i = 0; v && i < sizeof yes / sizeof *yes; i++)
		if (strcasecmp(v, yes[i]) == 0)
			return true;
	return false;
}

/** Answers such requests where the store is: for who serves one. One thread. Defined by
 *  transfer/finder.c. */
typedef struct dv_finder dv_finder;
int dv_finder_new(dv_finder **out, const char *store) DV_MUST_CHECK;
void dv_finder_free(dv_finder *f);
/** Appends the answer, of at most `max` bytes (which leave room for one row of each segment).
 *  DV_ENOTFOUND and DV_ECORRUPT when a segment is not there, or not what its name says. */
int dv_finder_answer(dv_finder *f, const uint8_t *p, size_t n, size_t max, dv_buf *out)
	DV_MUST_CHECK;

/** The drivers that this build has; ends with NULL. Defined by remotes/drivers.c. */
extern const dv_driver *const dv_drivers[];

/** Posts a JSON text to an http or https URL: no driver's business, but of the part that speaks
 *  HTTP. `key` (may be NULL) is a bearer token. Not tried again, ended after `ms`. Defined by
 *  remotes/post.c. */
int dv_driver_post(const char *url, const void *text, size_t n, const char *key, unsigned ms);

#endif
