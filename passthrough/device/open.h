/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_DEVICE_OPEN_H
#define PASSTHROUGH_DEVICE_OPEN_H

#include "passthrough/device/passthrough.h"

/*
 * passthrough_open_transport() - from device->options to device->transport, which gets duplicates
 * of their descriptors and closes those. Returns 0 or the errnos of passthrough_connect().
 */
int passthrough_open_transport(struct passthrough_device *device);

#endif
