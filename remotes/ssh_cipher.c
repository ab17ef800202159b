/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSH prefers ChaCha20-Poly1305, which is best for processors without help for AES. With it
 * AES-GCM, of equal strength and in the default list as well, takes half of the time, and on a fast
 * network the cipher is what large transfers spend most of it on. Only the order of the default
 * list is ever changed; any other is somebody's decision.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/process.h"
#include "remotes/ssh_cipher.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define WAIT_MS 2000
#define TEXT_MAX (64u << 10)
#define WORDS_MAX 40

static const char aes_first[] =
	"-oCiphers=aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"
	"aes128-ctr,aes192-ctr,aes256-ctr";
/* Of OpenSSH 7.6 to 9.9, and since 10.0 (ssh_config(5), Ciphers). */
static const char *const defaults[] = {
	"chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,"
	"aes256-gcm@openssh.com",
	"chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,"
	"aes192-ctr,aes256-ctr",
};

static bool has_aes(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
	return (getauxval(AT_HWCAP) & HWCAP_AES) && (getauxval(AT_HWCAP) & HWCAP_PMULL);
#else
	return false;
#endif
}

/* All that it prints, until it ends or the time is over. */
static void listen_to(const dv_process *p, dv_buf *text)
{
	for (int left = WAIT_MS; left > 0 && text->n < TEXT_MAX && !text->err; left -= 100) {
		struct pollfd f = { p->out, POLLIN, 0 };
		char piece[4096];
		ssize_t n;

		if (poll(&f, 1, 100) <= 0)
			continue;
		while ((n = read(p->out, piece, sizeof piece)) > 0)
			dv_buf_add(text, piece, (size_t)n);
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return;
	}
}

static bool is_default(const char *text)
{
	const char *line = strstr(text, "\nciphers ");

	for (size_t i = 0; line && i < sizeof defaults / sizeof *defaults; i++) {
		size_t n = strlen(defaults[i]);

		if (!strncmp(line + 9, defaults[i], n) && line[9 + n] == '\n')
			return true;
	}
	return false;
}

const char *dv_ssh_cipher(const char *command, const char *const *argv, size_t n, const char *host)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_process p = DV_PROCESS_INIT;
	const char *words[WORDS_MAX];

	if (!has_aes() || n + 4 > WORDS_MAX)
		return NULL;
	memcpy(words, argv, n * sizeof *words);
	words[n++] = "-G";
	words[n++] = "--";
	words[n++] = host;
	words[n] = NULL;
	if (dv_process_start(&p, command, words)) {
		/* The connection will tell why. */
		dv_error_clear();
		return NULL;
	}
	listen_to(&p, &text);
	dv_process_end(&p, 100);
	return is_default(dv_buf_str(&text)) ? aes_first : NULL;
}
