/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of all commands: declared here, and named once in the table, beside the others of
 * its group and in the order of help.
 */
#include "cli/commands.h"

const dv_cmd *const dv_commands[] = {
	/* start */
	&dv_cmd_init,
	&dv_cmd_install,
	&dv_cmd_uninstall,
	/* track data */
	&dv_cmd_add,
	&dv_cmd_commit,
	&dv_cmd_checkout,
	&dv_cmd_remove,
	&dv_cmd_move,
	&dv_cmd_track,
	&dv_cmd_untrack,
	&dv_cmd_filter_process,
	&dv_cmd_resolve,
	&dv_cmd_merge_driver,
	&dv_cmd_textconv,
	/* see what there is */
	&dv_cmd_status,
	&dv_cmd_diff,
	&dv_cmd_ls,
	&dv_cmd_ls_files,
	&dv_cmd_cat,
	&dv_cmd_du,
	&dv_cmd_show,
	/* run pipelines */
	&dv_cmd_stage,
	&dv_cmd_repro,
	&dv_cmd_run,
	&dv_cmd_freeze,
	&dv_cmd_unfreeze,
	&dv_cmd_dag,
	&dv_cmd_exec,
	&dv_cmd_params,
	&dv_cmd_metrics,
	&dv_cmd_plots,
	&dv_cmd_lineage,
	&dv_cmd_runs,
	&dv_cmd_artifacts,
	&dv_cmd_ctx,
	/* share data */
	&dv_cmd_remote,
	&dv_cmd_push,
	&dv_cmd_fetch,
	&dv_cmd_pull,
	&dv_cmd_get,
	&dv_cmd_import,
	&dv_cmd_import_url,
	&dv_cmd_update,
	&dv_cmd_serve,
	&dv_cmd_import_dvc,
	&dv_cmd_import_lfs,
	&dv_cmd_lfs_agent,
	/* keep it healthy */
	&dv_cmd_fsck,
	&dv_cmd_gc,
	&dv_cmd_doctor,
	&dv_cmd_cache,
	&dv_cmd_db,
	/* settings and help */
	&dv_cmd_config,
	&dv_cmd_check_ignore,
	&dv_cmd_root,
	&dv_cmd_hook,
	&dv_cmd_version,
	&dv_cmd_help,
	&dv_cmd_completion,
	NULL,
};
