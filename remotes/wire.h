/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the drivers share that work through a program: verbs spoken on a connection (SFTP's or dv's
 * own), and a driver that makes connections as they are needed, spreads the work over them and
 * makes new ones when they break. Nothing is tried twice here.
 */
#ifndef DV_REMOTES_WIRE_H
#define DV_REMOTES_WIRE_H

#include <pthread.h>

#include "remotes/mux.h"
#include "transfer/remote_driver.h"

#define DV_LINES_MAX 8

typedef struct dv_wire dv_wire;

/** As the verbs of dv_driver. Names were checked. */
typedef struct dv_wire_ops {
	int (*stat)(dv_wire *w, const char *name, uint64_t *size);
	int (*get)(dv_wire *w, const char *name, uint64_t offset, uint64_t length, dv_sink_cb sink,
		   void *payload);
	int (*put)(dv_wire *w, const char *name, int fd, uint64_t size);
	int (*put_if_absent)(dv_wire *w, const char *name, const void *p, size_t n);
	int (*list)(dv_wire *w, const char *dir, const char *after, dv_list_cb cb, void *payload);
	int (*remove)(dv_wire *w, const char *name);
	int (*find)(dv_wire *w, const void *request, size_t n, dv_buf *out);	/* may be NULL */
	void (*free)(dv_wire *w);
	/* Of SFTP alone: */
	int (*look)(dv_wire *w, const char *name, dv_remote_look *out);
	int (*look_in)(dv_wire *w, const char *dir, dv_remote_look_cb cb, void *payload);
} dv_wire_ops;

/** One connection with somebody who understands. */
struct dv_wire {
	const dv_wire_ops *ops;
	dv_mux *mux;
	unsigned caps;
	const dv_remote *remote;	/* to be told of the bytes that puts send */
};

typedef struct dv_wired dv_wired;
typedef struct dv_line {
	dv_wire *wire;		/* NULL: none, or being made */
	int users, heavy;	/* calls under way; puts and long gets among them */
	bool taken;
} dv_line;

/** The base of such a driver's object: its first member. */
struct dv_wired {
	dv_remote base;
	char *what;		/* where it is, for messages */
	/** Makes a connection; `extra` when others live, so that nobody needs be asked. */
	int (*connect)(dv_wired *d, bool extra, dv_wire **out);
	/** Frees what is the driver's own, not the object. */
	void (*release)(dv_wired *d);
	pthread_mutex_t lock;
	pthread_cond_t changed;
	dv_line line[DV_LINES_MAX];
	int max;		/* connections, near by */
	bool fixed;		/* the user said how many, or the server */
	pthread_t makers[DV_LINES_MAX];	/* of connections before they are needed */
	int nmakers;
	_Atomic bool closing;
	_Atomic int64_t round_us;	/* the quickest answer so far; 0: none */
	int64_t busy_since;	/* ms: since then there were always long calls; 0: there are none */
};

/** Sets up the base: everything but base.driver, what, connect and release. */
void dv_wired_init(dv_wired *d, int jobs);
/** Makes the first connection and learns from it what the place can do. */
int dv_wired_open(dv_wired *d) DV_MUST_CHECK;

/* The verbs of the vtable. */
void dv_wired_close(dv_remote *r);
int dv_wired_stat(dv_remote *r, const char *name, uint64_t *size);
int dv_wired_get(dv_remote *r, const char *name, uint64_t offset, uint64_t length, dv_sink_cb sink,
		 void *payload);
int dv_wired_put(dv_remote *r, const char *name, int fd, uint64_t size);
int dv_wired_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n);
int dv_wired_list(dv_remote *r, const char *dir, const char *after, dv_list_cb cb, void *payload);
int dv_wired_remove(dv_remote *r, const char *name);
int dv_wired_find(dv_remote *r, const void *request, size_t n, dv_buf *out);
void dv_wired_expect(dv_remote *r, uint64_t bytes);
int dv_wired_look(dv_remote *r, const char *name, dv_remote_look *out);
int dv_wired_look_in(dv_remote *r, const char *dir, dv_remote_look_cb cb, void *payload);

/** Names are dv's own; anything else is a mistake above and must not reach the other side. */
int dv_wire_check_name(const char *name) DV_MUST_CHECK;
/** Is the file named by the hash of its bytes? Then all who put it send the same, and may go on
 *  with what another began. */
bool dv_wire_names_bytes(const char *name);

#endif
