/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/session.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "accel-sim/info.h"

#define SIM_MAX_CLIENT_FDS 1024

struct sim_command {
	const uint8_t *payload;
	uint32_t size;
	int *fds;
	uint32_t fd_count;
	uint8_t *out; /* reply payload */
	uint32_t out_size;
	int out_fd;
};

void sim_session_init(struct sim_session *session, struct sim_device *device)
{
	memset(session, 0, sizeof(*session));
	session->device = device;
	session->max_fds = VFIO_USER_DEFAULT_MAX_MSG_FDS;
	session->max_xfer = VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE;
}

/* A number of the capability object within [low, high]; false when it is there but not that. */
static bool sim_session_number(const json_t *capabilities, const char *name, json_int_t low,
			       json_int_t high, json_int_t *value)
{
	const json_t *member = json_object_get(capabilities, name);

	*value = -1;
	if (!member)
		return true;
	if (!json_is_integer(member) || json_integer_value(member) < low ||
	    json_integer_value(member) > high)
		return false;
	*value = json_integer_value(member);
	return true;
}

/* Takes the client's capabilities over and answers each with ours; -EINVAL when one is malformed.
 */
static int sim_session_capabilities(struct sim_session *session, const json_t *offered,
				    json_t *answered)
{
	const json_t *multiple = json_object_get(offered, VFIO_USER_CAPABILITY_WRITE_MULTIPLE);
	json_int_t fds, transfer, maps, pages;

	if (!sim_session_number(offered, VFIO_USER_CAPABILITY_MAX_MSG_FDS, 1, SIM_MAX_CLIENT_FDS,
				&fds) ||
	    !sim_session_number(offered, VFIO_USER_CAPABILITY_MAX_DATA_XFER, 1, UINT32_MAX,
				&transfer) ||
	    !sim_session_number(offered, VFIO_USER_CAPABILITY_MAX_DMA_MAPS, 1, UINT32_MAX, &maps) ||
	    !sim_session_number(offered, VFIO_USER_CAPABILITY_PGSIZES, 1, INT64_MAX, &pages) ||
	    (multiple && !json_is_boolean(multiple)))
		return -EINVAL;
	if (pages >= 0) {
		if (pages % VFIO_USER_DEFAULT_PGSIZES != 0)
			return -EINVAL;
		json_object_set_new(answered, VFIO_USER_CAPABILITY_PGSIZES,
				    json_integer(VFIO_USER_DEFAULT_PGSIZES));
	}
	if (fds >= 0) {
		session->max_fds = (uint32_t)fds;
		json_object_set_new(answered, VFIO_USER_CAPABILITY_MAX_MSG_FDS,
				    json_integer(VFIO_USER_LIMIT_MSG_FDS));
	}
	if (transfer >= 0) {
		if (transfer < (json_int_t)session->max_xfer)
			session->max_xfer = (uint32_t)transfer;
		json_object_set_new(answered, VFIO_USER_CAPABILITY_MAX_DATA_XFER,
				    json_integer(VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE));
	}
	if (maps >= 0)
		json_object_set_new(answered, VFIO_USER_CAPABILITY_MAX_DMA_MAPS,
				    json_integer(SIM_DMA_MAX_RANGES));
	if (json_is_true(multiple)) {
		session->write_multiple = true;
		json_object_set_new(answered, VFIO_USER_CAPABILITY_WRITE_MULTIPLE, json_true());
	}
	return 0;
}

static int sim_session_version(struct sim_session *session, struct sim_command *command)
{
	struct vfio_user_version version;
	uint32_t text = command->size - (uint32_t)sizeof(version);
	json_t *root = NULL, *answer, *answered;
	const json_t *offered;
	char *json = NULL;
	int result = 0;

	if (session->negotiated || command->size < sizeof(version) ||
	    text > VFIO_USER_LIMIT_VERSION_JSON)
		return -EINVAL;
	memcpy(&version, command->payload, sizeof(version));
	if (version.major != VFIO_USER_VERSION_MAJOR)
		return -EINVAL;
	if (version.minor > VFIO_USER_VERSION_MINOR)
		version.minor = VFIO_USER_VERSION_MINOR;
	memcpy(command->out, &version, sizeof(version));
	command->out_size = sizeof(version);
	if (text > 0) {
		const char *start = (const char *)command->payload + sizeof(version);

		if (start[text - 1] != '\0')
			return -EINVAL;
		root = json_loads(start, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(root)) {
			json_decref(root);
			return -EINVAL;
		}
		offered = json_object_get(root, VFIO_USER_CAPABILITIES);
		if (offered && !json_is_object(offered)) {
			json_decref(root);
			return -EINVAL;
		}
		answer = json_object();
		answered = json_object();
		if (offered)
			result = sim_session_capabilities(session, offered, answered);
		json_object_set_new(answer, VFIO_USER_CAPABILITIES, answered);
		json = json_dumps(answer, JSON_COMPACT);
		json_decref(answer);
		json_decref(root);
		if (result == 0 && json) {
			uint32_t length = (uint32_t)strlen(json) + 1;

			memcpy(command->out + sizeof(version), json, length);
			command->out_size += length;
		} else if (result == 0) {
			result = -ENOMEM;
		}
		free(json);
	}
	if (result)
		return result;
	session->negotiated = true;
	sim_device_attach(session->device);
	return 0;
}

static int sim_session_dma_map(struct sim_session *session, struct sim_command *command)
{
	struct vfio_user_dma_map map;
	const uint32_t known = VFIO_USER_DMA_MAP_READABLE | VFIO_USER_DMA_MAP_WRITEABLE;

	if (command->size != sizeof(map) || command->fd_count > 1)
		return -EINVAL;
	memcpy(&map, command->payload, sizeof(map));
	if (map.argsz < sizeof(map) || (map.flags & ~known))
		return -EINVAL;
	return sim_dma_add(&session->device->dma, map.address, map.size,
			   map.flags & VFIO_USER_DMA_MAP_READABLE,
			   map.flags & VFIO_USER_DMA_MAP_WRITEABLE,
			   command->fd_count ? command->fds[0] : -1, map.offset);
}

static int sim_session_dma_unmap(struct sim_session *session, struct sim_command *command)
{
	struct vfio_user_dma_unmap unmap;
	int result;

	if (command->size != sizeof(unmap))
		return -EINVAL;
	memcpy(&unmap, command->payload, sizeof(unmap));
	if (unmap.argsz < sizeof(unmap) || (unmap.flags & ~VFIO_USER_DMA_UNMAP_ALL))
		return -EINVAL;
	if (unmap.flags & VFIO_USER_DMA_UNMAP_ALL) {
		if (unmap.address != 0 || unmap.size != 0)
			return -EINVAL;
		sim_dma_clear(&session->device->dma);
	} else {
		result = sim_dma_remove(&session->device->dma, unmap.address, unmap.size);
		if (result)
			return result;
	}
	memcpy(command->out, &unmap, sizeof(unmap));
	command->out_size = sizeof(unmap);
	return 0;
}

static int sim_session_device_info(struct sim_session *session, struct sim_command *command)
{
	const struct sim_device *device = session->device;
	uint32_t argsz;
	int length;

	if (command->size < VFIO_USER_DEVICE_INFO_MIN_SIZE)
		return -EINVAL;
	memcpy(&argsz, command->payload, sizeof(argsz));
	length = sim_info_device(&device->options, &device->layout, argsz, command->out);
	if (length < 0)
		return length;
	command->out_size = (uint32_t)length;
	return 0;
}

static int sim_session_region_info(struct sim_session *session, struct sim_command *command)
{
	const struct sim_device *device = session->device;
	struct vfio_user_region_info info;
	bool with_fd;
	int length;

	if (command->size < sizeof(info))
		return -EINVAL;
	memcpy(&info, command->payload, sizeof(info));
	length = sim_info_region(&device->options, &device->layout, info.argsz, info.index,
				 command->out, &with_fd);
	if (length < 0)
		return length;
	command->out_size = (uint32_t)length;
	if (!with_fd)
		return 0;
	command->out_fd = info.index < SIM_BAR_COUNT ? device->bar_fd[info.index] : device->dpa_fd;
	if (device->options.broken & SIM_BROKEN_SHORT_FD)
		command->out_fd = device->bar_fd[device->layout.msix_bar];
	return 0;
}

static int sim_session_irq_info(struct sim_session *session, struct sim_command *command)
{
	struct vfio_user_irq_info info;

	if (command->size != sizeof(info))
		return -EINVAL;
	memcpy(&info, command->payload, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= SIM_IRQ_INDICES)
		return -EINVAL;
	info.argsz = sizeof(info);
	info.flags = sim_irqs_flags(info.index);
	info.count = session->device->irqs.count[info.index];
	memcpy(command->out, &info, sizeof(info));
	command->out_size = sizeof(info);
	return 0;
}

static int sim_session_set_irqs(struct sim_session *session, struct sim_command *command)
{
	struct vfio_user_irq_set set;

	if (command->size < sizeof(set))
		return -EINVAL;
	memcpy(&set, command->payload, sizeof(set));
	if (set.argsz < sizeof(set))
		return -EINVAL;
	return sim_irqs_set(&session->device->irqs, set.index, set.flags, set.start, set.count,
			    command->payload + sizeof(set), command->size - (uint32_t)sizeof(set),
			    command->fds, command->fd_count);
}

static int sim_session_region_read(struct sim_session *session, struct sim_command *command)
{
	struct vfio_user_region_access access;
	int done;

	if (command->size != sizeof(access))
		return -EINVAL;
	memcpy(&access, command->payload, sizeof(access));
	if (access.count > VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE)
		return -EINVAL;
	done = sim_device_read(session->device, access.region, access.offset, access.count,
			       command->out + sizeof(access));
	if (done < 0)
		return done;
	access.count = (uint32_t)done;
	memcpy(command->out, &access, sizeof(access));
	command->out_size = (uint32_t)sizeof(access) + access.count;
	return 0;
}

static int sim_session_region_write(struct sim_session *session, struct sim_command *command)
{
	struct vfio_user_region_access access;
	int done;

	if (command->size < sizeof(access))
		return -EINVAL;
	memcpy(&access, command->payload, sizeof(access));
	if (access.count > VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE ||
	    command->size != sizeof(access) + access.count)
		return -EINVAL;
	done = sim_device_write(session->device, access.region, access.offset, access.count,
				command->payload + sizeof(access));
	if (done < 0)
		return done;
	access.count = (uint32_t)done;
	memcpy(command->out, &access, sizeof(access));
	command->out_size = sizeof(access);
	return 0;
}

static int sim_session_write_multi(struct sim_session *session, struct sim_command *command)
{
	struct vfio_user_write_multi multi;
	uint64_t done = 0;

	if (!session->write_multiple || command->size < sizeof(multi))
		return -EINVAL;
	memcpy(&multi, command->payload, sizeof(multi));
	if (multi.wr_cnt > VFIO_USER_LIMIT_WRITE_MULTI ||
	    command->size != sizeof(multi) + multi.wr_cnt * sizeof(struct vfio_user_write_one))
		return -EINVAL;
	for (; done < multi.wr_cnt; done++) {
		struct vfio_user_write_one one;

		memcpy(&one, command->payload + sizeof(multi) + done * sizeof(one), sizeof(one));
		if (one.count == 0 || one.count > sizeof(one.data) ||
		    sim_device_write(session->device, one.region, one.offset, one.count, one.data) <
			    0)
			break;
	}
	if (done == 0 && multi.wr_cnt != 0)
		return -EINVAL;
	multi.wr_cnt = done;
	memcpy(command->out, &multi, sizeof(multi));
	command->out_size = sizeof(multi);
	return 0;
}

static int sim_session_run(struct sim_session *session, uint16_t code, struct sim_command *command)
{
	bool takes_fds = code == VFIO_USER_DMA_MAP || code == VFIO_USER_DEVICE_SET_IRQS;

	if (!session->negotiated && code != VFIO_USER_VERSION)
		return -EINVAL;
	if (command->fd_count != 0 && !takes_fds)
		return -EINVAL;
	switch (code) {
	case VFIO_USER_VERSION:
		return sim_session_version(session, command);
	case VFIO_USER_DMA_MAP:
		return sim_session_dma_map(session, command);
	case VFIO_USER_DMA_UNMAP:
		return sim_session_dma_unmap(session, command);
	case VFIO_USER_DEVICE_GET_INFO:
		return sim_session_device_info(session, command);
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		return sim_session_region_info(session, command);
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		return sim_session_irq_info(session, command);
	case VFIO_USER_DEVICE_SET_IRQS:
		return sim_session_set_irqs(session, command);
	case VFIO_USER_REGION_READ:
		return sim_session_region_read(session, command);
	case VFIO_USER_REGION_WRITE:
		return sim_session_region_write(session, command);
	case VFIO_USER_REGION_WRITE_MULTI:
		return sim_session_write_multi(session, command);
	case VFIO_USER_DEVICE_RESET:
		return command->size == 0 ? sim_device_reset(session->device) : -EINVAL;
	default:
		/*
		 * Not offered: GET_REGION_IO_FDS (doorbells are stores into mapped memory, there is
		 * nothing an ioeventfd could catch), DEVICE_FEATURE and migration.
		 */
		return -ENOTSUP;
	}
}

int sim_session_handle(struct sim_session *session, const struct vfio_user_header *header,
		       const uint8_t *payload, uint32_t size, int *fds, uint32_t fd_count,
		       struct sim_reply *reply)
{
	struct vfio_user_header answer = {.id = header->id,
					  .command = header->command,
					  .size = sizeof(answer),
					  .flags = VFIO_USER_FLAG_TYPE_REPLY};
	struct sim_command command = {.payload = payload,
				      .size = size,
				      .fds = fds,
				      .fd_count = fd_count,
				      .out = reply->data + sizeof(answer),
				      .out_fd = -1};
	int result = sim_session_run(session, header->command, &command);

	session->commands++;
	reply->fd = -1;
	if (result) {
		session->errors++;
		answer.flags |= VFIO_USER_FLAG_ERROR;
		answer.error = (uint32_t)-result;
	} else {
		answer.size += command.out_size;
		reply->fd = command.out_fd;
	}
	memcpy(reply->data, &answer, sizeof(answer));
	reply->size = header->flags & VFIO_USER_FLAG_NO_REPLY ? 0 : answer.size;
	/* Without a version there is no common language to go on with. */
	return session->negotiated ? 0 : -EPROTO;
}
