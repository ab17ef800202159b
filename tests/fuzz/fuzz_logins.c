/* SPDX-License-Identifier: Apache-2.0 */
/* Files and answers that hold credentials, and addresses: any bytes are read without a crash. */
#include <string.h>

#include "base/alloc.h"
#include "base/url.h"
#include "remotes/aws_config.h"
#include "remotes/command.h"
#include "remotes/credentials_impl.h"
#include "remotes/netrc.h"
#include "remotes/web.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	dv_autofree char *text = dv_strndup((const char *)p, n);
	dv_auto(dv_aws_config) config = DV_AWS_CONFIG_INIT;
	dv_auto(dv_web_place) place = DV_WEB_PLACE_INIT;
	dv_auto(dv_words) words = DV_WORDS_INIT;
	dv_auto(dv_login) login = DV_LOGIN_INIT;
	dv_auto(dv_lease) lease = { 0 };
	time_t when;

	if (!text)
		return 0;
	if (dv_aws_config_parse(&config, (const char *)p, n, n & 1) == 0)
		dv_aws_profile_get(&config, "default", "region");
	dv_netrc_find(text, "h", NULL, n & 1, &login);
	dv_aws_time(text, &when);
	dv_autofree char *shown = dv_url_redact(text);
	if (dv_lease_from_json(&lease, (const char *)p, n, "it") ||
	    dv_command_split(&words, text, "it") || dv_web_place_read(&place, text) ||
	    dv_url_check(text))
		dv_error_clear();
	return 0;
}
