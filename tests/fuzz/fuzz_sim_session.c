/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any byte stream as a client's messages: the simulator's protocol handlers must neither crash nor
 * write outside their buffers. The input is a sequence of commands: u16 command, u16 length,
 * payload; the first two bytes choose the device. Every second message comes with an fd.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "accel-sim/guarded_memory.h"
#include "accel-sim/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEVICES 6u

static struct sim_device *devices[DEVICES];
static uint8_t *reply_data;

static void make_devices(void)
{
	char message[256];

	for (uint32_t i = 0; i < DEVICES; i++) {
		struct sim_options options;

		sim_options_defaults(&options);
		options.class = i == 5 ? SIM_CLASS_MEMORY : SIM_CLASS_GPU;
		options.topology = i == 5 ? SIM_TOPOLOGY_D : (enum sim_topology)(i % 4);
		options.contract = (enum sim_contract)(i % 4);
		options.decoders = i == 0 ? 1 : 2 * i;
		options.firmware_committed = i % 2 == 0;
		options.cache_capable = i % 3 == 0;
		if (!sim_options_complete(&options, message, sizeof(message)))
			abort();
		devices[i] = calloc(1, sizeof(struct sim_device));
		if (!devices[i] ||
		    sim_device_create(devices[i], &options, NULL, message, sizeof(message)) != 0)
			abort();
	}
	reply_data = malloc(VFIO_USER_LIMIT_MESSAGE_SIZE);
	if (!reply_data || sim_guarded_install() != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t version[] = "\0\0\1\0{\"capabilities\":{\"write_multiple\":true}}";
	const struct vfio_user_header first = {.command = VFIO_USER_VERSION,
					       .size = 16 + sizeof(version)};
	struct sim_session session;
	struct sim_reply reply;
	struct sim_device *device;
	unsigned int count = 0;

	if (!reply_data)
		make_devices();
	if (size < 2)
		return 0;
	device = devices[data[0] % DEVICES];
	sim_session_init(&session, device);
	reply.data = reply_data;
	if (!(data[1] & 1))
		sim_session_handle(&session, &first, version, sizeof(version), NULL, 0, &reply);
	data += 2;
	size -= 2;
	while (size >= 4 && count++ < 64) {
		struct vfio_user_header header = {.id = (uint16_t)count};
		uint16_t length;
		int fd = -1;
		uint8_t *payload;

		memcpy(&header.command, data, 2);
		memcpy(&length, data + 2, 2);
		data += 4;
		size -= 4;
		if (length > size)
			length = (uint16_t)size;
		header.size = 16u + length;
		/* a copy of its exact size, so that reading past it is seen */
		payload = malloc(length ? length : 1);
		if (!payload)
			abort();
		memcpy(payload, data, length);
		if (count % 2 == 0) {
			fd = memfd_create("fuzz", MFD_CLOEXEC);
			if (fd >= 0 && ftruncate(fd, 0x10000) != 0)
				abort();
		}
		sim_session_handle(&session, &header, payload, length, &fd, fd >= 0, &reply);
		if (reply.size > VFIO_USER_LIMIT_MESSAGE_SIZE)
			abort();
		if (fd >= 0)
			close(fd);
		free(payload);
		data += length;
		size -= length;
	}
	sim_device_detach(device);
	return 0;
}
