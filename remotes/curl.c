/* SPDX-License-Identifier: Apache-2.0 */
/* Loads libcurl once for the process; it stays loaded: its threads and tables outlive objects. */
#include "remotes/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static dv_curl curl;
static bool loaded;
static char why[256];	/* it could not be loaded */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool find_functions(void *lib)
{
#define FIND(name)                                                                                 \
	/* POSIX lets a data pointer hold a function's address. */                                 \
	*(void **)&curl.name = dlsym(lib, "curl_" #name);                                          \
	if (!curl.name) {                                                                          \
		snprintf(why, sizeof why, "it is older than 7.66");                                \
		return false;                                                                      \
	}
	DV_CURL_FUNCTIONS(FIND)
#undef FIND
	return true;
}

static void load(void)
{
	static const char *const names[] = { "libcurl.so.4", "libcurl-gnutls.so.4" };
	void *lib = NULL;

	for (size_t i = 0; i < sizeof names / sizeof *names && !lib; i++)
		lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!lib) {
		/* dlerror() speaks of the name tried last; the first is what is missing. */
		snprintf(why, sizeof why, "%s is not installed", names[0]);
		return;
	}
	if (!find_functions(lib))
		return;
	CURLcode rc = curl.global_init(CURL_GLOBAL_DEFAULT);
	if (rc)
		snprintf(why, sizeof why, "%s", curl.easy_strerror(rc));
	else
		loaded = true;
}

const dv_curl *dv_curl_load(void)
{
	pthread_once(&once, load);
	if (loaded)
		return &curl;
	dv_err_hint(dv_err(DV_ERROR, "cannot use libcurl: %s", why),
		    "install libcurl (Debian: libcurl4)");
	return NULL;
}
