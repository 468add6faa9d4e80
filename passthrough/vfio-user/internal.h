/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_USER_INTERNAL_H
#define PASSTHROUGH_VFIO_USER_INTERNAL_H

#include <stddef.h>
#include <sys/epoll.h>

#include "passthrough/iommu/address_space.h"
#include "passthrough/transport/event.h"
#include "passthrough/transport/info.h"
#include "passthrough/transport/transport.h"
#include "passthrough/vfio-user/channel.h"
#include "passthrough/vfio-user/negotiate.h"

/* What the files of the vfio-user client share. */
#define EVENT_EDGE_INPUT    ((uint32_t)EPOLLIN | (uint32_t)EPOLLET)
#define VFIO_USER_INFO_SIZE 4096u /* most bytes of an information structure with its chain */
#define VFIO_USER_MAX_IRQS  16u

/* Where a field of a region's information is in its image. */
#define VFIO_USER_REGION_INFO(field) offsetof(struct vfio_user_region_info, field)

struct vfio_user_region {
	uint8_t *info; /* struct vfio_region_info and its chain; NULL: the server refused */
	uint32_t length;
	int fd; /* for mmap, -1: none */
};

struct vfio_user_client {
	struct vfio_transport transport; /* first */
	struct vfio_transport_options options;
	char *name;
	struct vfio_user_channel channel;
	struct vfio_user_limits limits;
	struct address_space space;
	struct event_source *source;
	struct log_ratelimit limit;
	uint8_t *scratch; /* answers to the server's DMA reads; belongs to whoever reads */
	/* Constant after get_device_info(), which fetches all of them together. */
	uint32_t region_count;
	struct vfio_user_region regions[VFIO_INFO_MAX_REGIONS];
	uint32_t irq_count;
	struct vfio_user_irq_info irqs[VFIO_USER_MAX_IRQS];
	struct vfio_event error;
	struct vfio_event request;
};

/* call.c: one command, one reply; the server's own error is the result. */
int vfio_user_simple_call(struct vfio_user_client *client, struct vfio_user_call *call);

/* info.c */
int vfio_user_get_device_info(struct vfio_transport *transport, uint8_t **info, uint32_t *length);
int vfio_user_get_region_info(struct vfio_transport *transport, uint32_t index, uint8_t **info,
			      uint32_t *length);
int vfio_user_get_irq_info(struct vfio_transport *transport, uint32_t index, uint32_t *flags,
			   uint32_t *count);

/* events.c: the device's error and request interrupts. */
void vfio_user_watch(struct vfio_user_client *client);
void vfio_user_unwatch(struct vfio_user_client *client);

/* dma.c */
void vfio_user_space_init(struct vfio_user_client *client);
/* "VFIO_USER_DMA_READ", "VFIO_USER_DMA_WRITE"; see struct vfio_user_channel_ops. */
int vfio_user_dma_access(struct vfio_user_client *client, bool write, const uint8_t *payload,
			 uint32_t length, const void **answer, uint32_t *answer_length);

#endif
