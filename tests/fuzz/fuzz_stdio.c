/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both sides of dv's own protocol against hostile bytes. The first byte chooses the side and what is
 * tried, the rest is what comes from the other one.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "remotes/stdio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ASKED ((uint64_t)600000)

static int count(const void *p, size_t n, void *payload)
{
	uint64_t *left = payload;
	volatile uint8_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + ((const uint8_t *)p)[i]);
	if (n > *left)
		abort();
	*left -= n;
	return 0;
}

static int look(const char *name, uint64_t n, void *payload)
{
	(void)n, (void)payload;
	if (!*name || *name == '.' || strchr(name, '/'))
		abort();
	return 0;
}

static int file_with(const void *p, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || (n && dv_fs_pwrite_all(fd, p, n, 0)) || lseek(fd, 0, SEEK_SET))
		abort();
	return fd;
}

static void ask(const uint8_t *data, size_t size)
{
	const dv_remote remote = { 0 };
	dv_process p = DV_PROCESS_INIT;
	const dv_mux_options o = { .what = "'h'" };
	dv_auto(dv_answer) hello = { 0 };
	dv_mux *m = NULL;
	dv_wire *w = NULL;
	uint64_t left = ASKED, n = 0;
	dv_autoclose int fd = file_with(data, size);
	int rc = 0;

	p.in = open("/dev/null", O_WRONLY | O_CLOEXEC);
	p.out = file_with(data + 1, size - 1);
	if (dv_mux_new(&m, &p, &o))
		abort();
	if (dv_stdio_hello(m, &hello, true)) {
		dv_mux_free(m);
		return;
	}
	if (dv_stdio_new(&w, m, &hello, "'h'"))
		return;
	w->remote = &remote;
	if (data[0] & 2)
		rc |= w->ops->get(w, "log/1", 5, ASKED, count, &left);
	if (data[0] & 4)
		rc |= w->ops->list(w, "log", NULL, look, NULL);
	if (data[0] & 8)
		rc |= w->ops->put_if_absent(w, "log/1", "hello", 5);
	if (data[0] & 16)
		rc |= w->ops->put(w, "packs/ab/x", fd, size);
	if (data[0] & 32)
		rc |= w->ops->stat(w, "log/1", &n);
	if (rc)
		dv_error_clear();
	w->ops->free(w);
}

static void serve(const uint8_t *data, size_t size)
{
	static char dir[] = "/tmp/dv-fuzz-XXXXXX";
	static bool made;
	dv_autoclose int in = file_with(data + 1, size - 1);
	dv_autoclose int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	const dv_serve_options o = { .in = in, .out = out, .read_only = data[0] & 2 };

	if (!made && !mkdtemp(dir))
		abort();
	made = true;
	if (dv_fs_mkdirs(dir) || dv_serve(dir, &o))
		dv_error_clear();
	if (dv_fs_remove_tree(dir))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > ASKED)
		return 0;
	if (data[0] & 1)
		serve(data, size);
	else
		ask(data, size);
	return 0;
}
