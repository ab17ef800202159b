/* SPDX-License-Identifier: Apache-2.0 */
/* DVC's remote, reached with dv's drivers; see dvc_take.h. */
#include <stdio.h>
#include <string.h>

#include "takeover/dvc_take.h"

/* A setting of dv's for the remote, as the driver asks for it. */
static const char *setting(void *ctx, const char *key)
{
	const dv_dvc_remote *r = ctx;
	size_t n = strlen(r->section);

	for (size_t i = r->settings.n; i-- > 0;) {
		const char *full = r->settings.m[i].key;

		if (full && !strncmp(full, r->section, n) && full[n] == '.' &&
		    !strcmp(full + n + 1, key))
			return r->settings.m[i].value;
	}
	return NULL;
}

int dv_dvc_remote_open(dv_foreign **out, dv_dvc_remote *r, dv_dvc_settings *s, const dv_repo *repo,
		       const char *name)
{
	const bool asked = name != NULL;
	dv_remote_options o = { .setting = setting, .ctx = r };
	bool own = false;
	int rc;

	*out = NULL;
	*r = (dv_dvc_remote){ 0 };
	if (!name)
		name = dv_dvc_setting_get(s, "core", "remote", NULL);
	if (!name || (size_t)snprintf(r->section, sizeof r->section, "remote.%s", name) >=
			     sizeof r->section)
		return 0;
	if ((rc = dv_dvc_settings_map(s, repo, false, &r->settings)) < 0)
		return rc;
	o.name = name;
	o.url = setting(r, "url");
	dv_dvc_setting_get(s, r->section, "url", &own);
	o.url_is_own = own;
	if (!o.url && asked)
		return dv_err(DV_ENOTFOUND, "DVC has no remote '%s' that dv can reach", name);
	if (!o.url)
		return 0;
	rc = dv_foreign_open(out, &o);
	if (rc < 0 && rc != DV_ECANCELLED) {
		dv_warn("nothing can be fetched from DVC's remote: %s", dv_error_last()->message);
		dv_error_clear();
		rc = 0;
	}
	return rc;
}
