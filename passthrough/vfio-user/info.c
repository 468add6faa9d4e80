/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "passthrough/vfio-user/file.h"
#include "passthrough/vfio-user/internal.h"

/*
 * "VFIO_USER_DEVICE_GET_INFO" and its relatives. Everything is fetched in two round trips: the
 * device's, then all regions' and interrupts' together.
 */

/* How many bytes of @payload are the structure: never more than came. */
static int info_length(const uint8_t *payload, uint32_t received, uint32_t fixed, uint32_t *length)
{
	uint32_t argsz;

	if (received < fixed)
		return -EPROTO;
	argsz = bytes_get_le32(payload + VFIO_USER_REGION_INFO(argsz));
	if (argsz > VFIO_USER_INFO_SIZE)
		return -EPROTO; /* a chain longer than anything sensible: it was left out */
	*length = argsz < received ? argsz : received;
	return *length < fixed ? -EPROTO : 0;
}

static int info_fetch_device(struct vfio_user_client *client, uint8_t *payload, uint32_t *length)
{
	struct vfio_user_device_info request = {.argsz = VFIO_USER_INFO_SIZE};
	struct vfio_user_call call = {
		.command = VFIO_USER_DEVICE_GET_INFO,
		.fixed = &request,
		.fixed_length = VFIO_USER_DEVICE_INFO_MIN_SIZE,
		.reply = payload,
		.reply_capacity = VFIO_USER_INFO_SIZE,
	};
	int result = vfio_user_simple_call(client, &call);

	return result ? result
		      : info_length(payload, call.reply_length, VFIO_USER_DEVICE_INFO_MIN_SIZE,
				    length);
}

static void info_prepare_region(struct vfio_user_call *call, struct vfio_user_region_info *request,
				uint32_t index, uint8_t *reply)
{
	*request = (struct vfio_user_region_info){.argsz = VFIO_USER_INFO_SIZE, .index = index};
	*call = (struct vfio_user_call){
		.command = VFIO_USER_DEVICE_GET_REGION_INFO,
		.fixed = request,
		.fixed_length = sizeof(*request),
		.reply = reply,
		.reply_capacity = VFIO_USER_INFO_SIZE,
		.max_fds = 1,
	};
}

/* Keeps the file behind a region, or closes it: nothing is mapped then. */
static void info_keep_file(struct vfio_user_client *client, uint32_t index, int fd, bool mappable)
{
	const char *problem = mappable ? vfio_user_file_problem(fd) : NULL;

	if (problem)
		log_warning(client->options.logger, client->name,
			    "the server's file for region %u is not mapped: %s", index, problem);
	if (mappable && !problem)
		client->regions[index].fd = fd;
	else
		close(fd);
}

static int info_keep_region(struct vfio_user_client *client, struct vfio_user_call *call,
			    uint32_t index)
{
	struct vfio_user_region *region = &client->regions[index];
	const uint8_t *payload = call->reply;
	int result;

	/* A region that the server refuses to describe does not exist (the VGA one, mostly). */
	if (call->result)
		return 0;
	result = info_length(payload, call->reply_length, sizeof(struct vfio_user_region_info),
			     &region->length);
	if (result || bytes_get_le32(payload + VFIO_USER_REGION_INFO(index)) != index)
		return -EPROTO;
	region->info = malloc(region->length);
	if (!region->info)
		return -ENOMEM;
	memcpy(region->info, payload, region->length);
	if (call->reply_fds.count) {
		call->reply_fds.count = 0;
		info_keep_file(client, index, call->reply_fds.fds[0],
			       bytes_get_le32(payload + VFIO_USER_REGION_INFO(flags)) &
				       VFIO_REGION_INFO_FLAG_MMAP);
	}
	return 0;
}

static int info_keep_irq(struct vfio_user_client *client, const struct vfio_user_call *call,
			 uint32_t index)
{
	struct vfio_user_irq_info *irq = &client->irqs[index];

	if (call->result) {
		memset(irq, 0, sizeof(*irq));
		return 0;
	}
	memcpy(irq, call->reply,
	       sizeof(*irq) < call->reply_length ? sizeof(*irq) : call->reply_length);
	return call->reply_length < sizeof(*irq) || irq->index != index ? -EPROTO : 0;
}

/* All regions and interrupts in batches. */
static int info_fetch_all(struct vfio_user_client *client)
{
	uint32_t total = client->region_count + client->irq_count;
	struct vfio_user_region_info *requests = calloc(total, sizeof(*requests));
	struct vfio_user_irq_info *irqs = calloc(total, sizeof(*irqs));
	struct vfio_user_call *calls = calloc(total, sizeof(*calls));
	uint8_t *replies = malloc((size_t)total * VFIO_USER_INFO_SIZE);
	int result = requests && irqs && calls && replies ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < total && !result; i++) {
		uint8_t *reply = replies + (size_t)i * VFIO_USER_INFO_SIZE;

		if (i < client->region_count) {
			info_prepare_region(&calls[i], &requests[i], i, reply);
			continue;
		}
		irqs[i].argsz = sizeof(irqs[i]);
		irqs[i].index = i - client->region_count;
		calls[i] = (struct vfio_user_call){
			.command = VFIO_USER_DEVICE_GET_IRQ_INFO,
			.fixed = &irqs[i],
			.fixed_length = sizeof(irqs[i]),
			.reply = reply,
			.reply_capacity = sizeof(irqs[i]),
		};
	}
	for (uint32_t i = 0; i < total && !result; i += VFIO_USER_CHANNEL_BATCH)
		result = vfio_user_channel_call(
			&client->channel, &calls[i],
			total - i < VFIO_USER_CHANNEL_BATCH ? total - i : VFIO_USER_CHANNEL_BATCH);
	for (uint32_t i = 0; i < total && !result; i++)
		result = i < client->region_count
				 ? info_keep_region(client, &calls[i], i)
				 : info_keep_irq(client, &calls[i], i - client->region_count);
	for (uint32_t i = 0; i < total && calls; i++)
		vfio_user_fds_close(&calls[i].reply_fds);
	free(replies);
	free(calls);
	free(irqs);
	free(requests);
	return result;
}

int vfio_user_get_device_info(struct vfio_transport *transport, uint8_t **info, uint32_t *length)
{
	struct vfio_user_client *client = (struct vfio_user_client *)transport;
	uint8_t *payload = malloc(VFIO_USER_INFO_SIZE);
	struct vfio_device device;
	int result;

	if (!payload)
		return -ENOMEM;
	result = info_fetch_device(client, payload, length);
	if (!result)
		result = vfio_info_parse_device(&device, payload, *length);
	if (!result && client->region_count == 0) {
		client->region_count = device.num_regions;
		client->irq_count =
			device.num_irqs < VFIO_USER_MAX_IRQS ? device.num_irqs : VFIO_USER_MAX_IRQS;
		for (uint32_t i = 0; i < client->region_count; i++)
			client->regions[i].fd = -1;
		if (client->region_count + client->irq_count)
			result = info_fetch_all(client);
		if (!result)
			vfio_user_watch(client);
	}
	if (result) {
		free(payload);
		return result;
	}
	*info = payload;
	return 0;
}

int vfio_user_get_region_info(struct vfio_transport *transport, uint32_t index, uint8_t **info,
			      uint32_t *length)
{
	struct vfio_user_client *client = (struct vfio_user_client *)transport;

	if (index >= client->region_count || !client->regions[index].info)
		return -EINVAL;
	*info = malloc(client->regions[index].length);
	if (!*info)
		return -ENOMEM;
	*length = client->regions[index].length;
	memcpy(*info, client->regions[index].info, *length);
	return 0;
}

int vfio_user_get_irq_info(struct vfio_transport *transport, uint32_t index, uint32_t *flags,
			   uint32_t *count)
{
	struct vfio_user_client *client = (struct vfio_user_client *)transport;

	if (index >= client->irq_count)
		return -EINVAL;
	*flags = client->irqs[index].flags;
	*count = client->irqs[index].count;
	return 0;
}
