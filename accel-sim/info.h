/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_INFO_H
#define ACCEL_SIM_INFO_H

#include "accel-sim/layout.h"

/*
 * The replies of DEVICE_GET_INFO and DEVICE_GET_REGION_INFO, as bytes, capability chains included.
 * Pure: from options and layout, with the deliberate mistakes of --broken.
 */

#define SIM_INFO_MAX 512u

/*
 * sim_info_device() - the reply payload for a request with `argsz`.
 * @out: SIM_INFO_MAX bytes. Returns its length, or -EINVAL when argsz is below 16.
 */
int sim_info_device(const struct sim_options *options, const struct sim_layout *layout,
		    uint32_t argsz, uint8_t *out);

/*
 * sim_info_region() - the same for one region.
 * @with_fd: set when the reply carries the region's file descriptor.
 * -EINVAL: argsz below 32 or no such index.
 */
int sim_info_region(const struct sim_options *options, const struct sim_layout *layout,
		    uint32_t argsz, uint32_t index, uint8_t *out, bool *with_fd);

#endif
