/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program: signals, one command, its exit code.
 */
#include "cli/dispatch.h"
#include "cli/opt.h"
#include "cli/out.h"

#include <malloc.h>
#include <signal.h>
#include <unistd.h>

/* The first Ctrl-C asks the library to stop and leave everything valid; the second one leaves. */
static void on_interrupt(int sig)
{
	static volatile sig_atomic_t asked;

	(void)sig;
	if (asked) {
		dv_repro_kill();
		_exit(DV_EXIT_INTERRUPTED);
	}
	asked = 1;
	dv_cancel();
}

/* Unlike SIG_IGN, a handler is not inherited by the programs we start. */
static void on_pipe(int sig)
{
	(void)sig;
}

static void set_signals(void)
{
	struct sigaction sa = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sa.sa_handler = on_pipe;
	sigaction(SIGPIPE, &sa, NULL);
	/* Whoever started us may have ignored it; then nobody could be waited for. */
	signal(SIGCHLD, SIG_DFL);
}

/* Large blocks go back to the system when they are freed. glibc would learn from the first ones to
 * keep them, for every thread its own. */
static void set_memory(void)
{
#ifdef M_MMAP_THRESHOLD
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

int main(int argc, char **argv)
{
	dv_cli cli = { .cmd = NULL };
	int code;

	set_signals();
	set_memory();
	code = dv_dispatch(&cli, argc > 0 ? argc - 1 : 0, argv + (argc > 0));
	dv_opt_release(dv_global_opts, &cli);
	return dv_out_finish(code);
}
