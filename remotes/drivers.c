/* SPDX-License-Identifier: Apache-2.0 */
/* The table of drivers in this build. */
#include "remotes/drivers.h"

const dv_driver *const dv_drivers[] = {
	&dv_driver_local,
	&dv_driver_ssh,
	&dv_driver_s3,
	&dv_driver_http,
	&dv_driver_https,
	&dv_driver_program,
	NULL,
};
