/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile SFTP server: whatever it answers, the driver neither crashes nor hands on more than was
 * asked for. The first byte says which verbs are tried, the rest is what the server sends.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "remotes/sftp.h"
#include "remotes/stdio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ASKED ((uint64_t)70000)

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

	if (fd < 0 || (n && dv_fs_pwrite_all(fd, p, n, 0)))
		abort();
	return fd;
}

static void verbs(dv_wire *w, uint8_t which)
{
	static const uint8_t bytes[40000];
	uint64_t left = ASKED, n = 0;
	dv_autoclose int fd = file_with(bytes, sizeof bytes);
	int rc = 0;

	if (which & 1)
		rc |= w->ops->stat(w, "log/1", &n);
	if (which & 2)
		rc |= w->ops->get(w, "log/1", 5, ASKED, count, &left);
	if (which & 4)
		rc |= w->ops->list(w, "log", NULL, look, NULL);
	if (which & 8)
		rc |= w->ops->put_if_absent(w, "log/1", "hello", 5);
	if (which & 16)
		rc |= w->ops->put(w, "packs/ab/x", fd, sizeof bytes);
	if (which & 32)
		rc |= w->ops->remove(w, "log/1");
	if (rc)
		dv_error_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const dv_remote remote = { 0 };
	dv_process p = DV_PROCESS_INIT;
	const dv_mux_options o = { .what = "'h'" };
	dv_auto(dv_answer) hello = { 0 };
	dv_mux *m = NULL;
	dv_wire *w = NULL;

	if (size < 1)
		return 0;
	p.in = open("/dev/null", O_WRONLY | O_CLOEXEC);
	p.out = file_with(data + 1, size - 1);
	if (lseek(p.out, 0, SEEK_SET) || dv_mux_new(&m, &p, &o))
		abort();
	if (dv_stdio_hello(m, &hello, data[0] & 64) || hello.type != SSH_FXP_VERSION) {
		dv_mux_free(m);
		return 0;
	}
	if (dv_sftp_new(&w, m, &hello, "root", "'h'", data[0] & 64))
		return 0;
	w->remote = &remote;
	verbs(w, data[0]);
	w->ops->free(w);
	return 0;
}
