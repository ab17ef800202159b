/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every command that there is; each is defined at the end of its cmd_NAME.c.
 */
#ifndef DV_CLI_COMMANDS_H
#define DV_CLI_COMMANDS_H

#include "cli/cmd.h"

/* start */
extern const dv_cmd dv_cmd_init, dv_cmd_install, dv_cmd_uninstall;
/* track data */
extern const dv_cmd dv_cmd_add, dv_cmd_commit, dv_cmd_checkout, dv_cmd_remove, dv_cmd_move;
extern const dv_cmd dv_cmd_filter_process;
extern const dv_cmd dv_cmd_resolve, dv_cmd_merge_driver, dv_cmd_textconv;
extern const dv_cmd dv_cmd_track, dv_cmd_untrack, dv_cmd_filter_process, dv_cmd_ls_files;
/* see what there is */
extern const dv_cmd dv_cmd_stage, dv_cmd_repro, dv_cmd_run, dv_cmd_freeze, dv_cmd_unfreeze;
extern const dv_cmd dv_cmd_dag, dv_cmd_exec;
extern const dv_cmd dv_cmd_params, dv_cmd_metrics, dv_cmd_plots;
extern const dv_cmd dv_cmd_status, dv_cmd_diff, dv_cmd_ls, dv_cmd_cat, dv_cmd_du, dv_cmd_show;
/* share data */
extern const dv_cmd dv_cmd_remote, dv_cmd_push, dv_cmd_fetch, dv_cmd_pull, dv_cmd_serve;
extern const dv_cmd dv_cmd_import_dvc;
extern const dv_cmd dv_cmd_get, dv_cmd_import, dv_cmd_import_url, dv_cmd_update;
/* what was made from what */
extern const dv_cmd dv_cmd_lineage, dv_cmd_runs, dv_cmd_artifacts, dv_cmd_ctx, dv_cmd_db;
/* from other tools */
extern const dv_cmd dv_cmd_import_lfs, dv_cmd_lfs_agent;
/* keep it healthy */
extern const dv_cmd dv_cmd_fsck, dv_cmd_gc, dv_cmd_doctor, dv_cmd_cache;
/* settings and help */
extern const dv_cmd dv_cmd_config, dv_cmd_check_ignore, dv_cmd_root, dv_cmd_hook;
extern const dv_cmd dv_cmd_version, dv_cmd_help, dv_cmd_completion;

#endif
