/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for rooms that are still being built, so that the others can link and test; goes away
 * as they land. */
#include <errno.h>

#include "devices/virtio/virtio_balloon.h"
#include "devices/virtio/virtio_vsock.h"
#include "passthrough/passthrough.h"

#define MISSING(type, name, ...) __attribute__((weak)) type name(__VA_ARGS__)

MISSING(int, virtio_balloon_create, const struct virtio_balloon_options *options,
	struct virtio_device **device)
{
	(void)options;
	(void)device;
	return -ENOSYS;
}
MISSING(int, virtio_vsock_create, const struct virtio_vsock_options *options,
	struct virtio_device **device)
{
	(void)options;
	(void)device;
	return -ENOSYS;
}
MISSING(int, passthrough_connect, const struct passthrough_options *options,
	const struct passthrough_environment *environment, struct passthrough_device **device)
{
	(void)options;
	(void)environment;
	(void)device;
	return -ENOSYS;
}
MISSING(void, passthrough_detach, struct passthrough_device *device)
{
	(void)device;
}
MISSING(const struct passthrough_facts *, passthrough_get_facts,
	const struct passthrough_device *device)
{
	(void)device;
	return NULL;
}
MISSING(int, passthrough_handle_fault, struct passthrough_device *device, uint64_t gpa)
{
	(void)device;
	(void)gpa;
	return -ENOENT;
}
MISSING(const char *, passthrough_id, const struct passthrough_device *device)
{
	(void)device;
	return "";
}
MISSING(int, passthrough_plug, struct passthrough_device *device,
	const struct passthrough_place *place)
{
	(void)device;
	(void)place;
	return -ENOSYS;
}
MISSING(struct pci_device *, passthrough_pci_device, struct passthrough_device *device)
{
	(void)device;
	return NULL;
}
MISSING(void, passthrough_visit_segments, struct passthrough_device *device,
	void (*visit)(void *opaque, const struct passthrough_segment *segment), void *opaque)
{
	(void)device;
	(void)visit;
	(void)opaque;
}
MISSING(const char *, passthrough_segment_name, enum passthrough_segment_kind kind)
{
	(void)kind;
	return "";
}
MISSING(const struct passthrough_timeline *, passthrough_get_timeline,
	const struct passthrough_device *device)
{
	(void)device;
	return NULL;
}
