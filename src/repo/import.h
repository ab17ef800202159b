/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs that come from elsewhere: recording where from, and bringing them again. */
#ifndef DV_REPO_IMPORT_H
#define DV_REPO_IMPORT_H

#include "repo/guest.h"
#include "repo/record.h"

/** dv_import, dv_import_url and dv_update with an accountant, who may be NULL. */
int dv_repo_import(dv_repo *r, const char *url, const char *path, const dv_import_options *o,
		   const dv_accountant *a, dv_output_cb cb, void *payload) DV_MUST_CHECK;
int dv_repo_import_url(dv_repo *r, const char *url, const dv_import_options *o,
		       const dv_accountant *a, dv_output_cb cb, void *payload) DV_MUST_CHECK;
int dv_repo_update(dv_repo *r, const char *const *targets, size_t n, const dv_update_options *o,
		   const dv_accountant *a, dv_output_cb cb, void *payload,
		   dv_update_summary *out) DV_MUST_CHECK;

/** Brings the content of an output that was imported from a repository into the local store, at the
 *  commit that its pointer has. DV_ECORRUPT when it is not there what the pointer says. */
int dv_import_bring(dv_repo *r, const dv_output *o, int jobs, dv_move_stats *moved) DV_MUST_CHECK;
/** Is it one that a pull has to bring from where it was imported? */
bool dv_import_is_foreign(const dv_pointer *p);

/* For import.c, update.c and importurl.c. */

/** What an import makes. */
typedef struct dv_importing {
	dv_repo *repo;
	dv_record rec;
	const dv_accountant *accountant;
	char *path, *pointer_path;	/* relative to the root */
	bool force, no_stage;
	int jobs;
} dv_importing;
void dv_importing_release(dv_importing *im);
/** Finds where it goes: `out` as cp takes it, NULL: `usual` in the working folder. */
int dv_importing_place(dv_importing *im, const char *out, const char *usual) DV_MUST_CHECK;
/** Opens the record, and refuses a place that is taken. */
int dv_importing_open(dv_importing *im, dv_output_cb cb, void *payload) DV_MUST_CHECK;
/** Refuses a place where something came meanwhile, as a download takes long. */
int dv_importing_check_free(const dv_importing *im) DV_MUST_CHECK;
/** The same; refuses only if it is to `check`. */
int dv_importing_open_at(dv_importing *im, dv_output_cb cb, void *payload, bool check)
	DV_MUST_CHECK;
/** Publishes the pointer, whose content the store has unless `absent`, and puts it into the
 *  workspace. `old`: of the output so far, or NULL. */
int dv_importing_publish(dv_importing *im, const dv_pointer *p, const dv_pointer *old,
			 bool absent) DV_MUST_CHECK;
/** DV_EDIRTY when something stands at the output's path that is neither what its pointer says nor
 *  `fresh` (may be NULL). */
int dv_importing_check_clean(dv_importing *im, const dv_pointer *old, const dv_oid *fresh)
	DV_MUST_CHECK;

/** Opens the repository that a source names, at `rev` (NULL: its HEAD). */
int dv_import_open(dv_repo *r, const dv_source *s, const char *rev, dv_guest **out) DV_MUST_CHECK;
/** Makes the pointer of what `e` is. */
int dv_import_pointer(dv_pointer *out, const char *path, const dv_tree_entry *e,
		      const dv_source *s) DV_MUST_CHECK;

#endif
