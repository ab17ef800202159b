/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the drivers, for the table of them. */
#ifndef DV_REMOTES_DRIVERS_H
#define DV_REMOTES_DRIVERS_H

#include "transfer/remote_driver.h"

extern const dv_driver dv_driver_http, dv_driver_https;
extern const dv_driver dv_driver_local;
extern const dv_driver dv_driver_ssh;
extern const dv_driver dv_driver_program;	/* the last of the table */
extern const dv_driver dv_driver_s3;

#endif
