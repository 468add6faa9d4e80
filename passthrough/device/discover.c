/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "passthrough/device/internal.h"
#include "passthrough/discover/window_placement.h"

/* CXL 9.17.1.3: window restrictions */
#define CFMWS_DEVICE_COHERENT (1u << 0)
#define CFMWS_HOST_ONLY       (1u << 1)
#define CFMWS_VOLATILE        (1u << 2)
#define CFMWS_FIXED           (1u << 4)

#define CLASS_CXL_MEMORY        0x0502u   /* CXL 8.1.12.1: class and subclass */
#define CXL_DVSEC_CACHE_CAPABLE (1u << 0) /* CXL 8.1.3.1 */

static int discover_refuse(struct passthrough_device *device, const char *what, const char *why)
{
	log_error(device->environment.logger, device->id,
		  "%s: %s. The device's side contradicts itself; it is not passed through", what,
		  why);
	return -EPROTO;
}

static int discover_regions(struct passthrough_device *device)
{
	for (uint32_t i = 0; i < device->info.num_regions; i++) {
		struct vfio_region *region = &device->regions[i];
		uint8_t *image = NULL;
		uint32_t length = 0;
		int result;

		region->index = i;
		if (i == VFIO_PCI_VGA_REGION_INDEX)
			continue;
		result = device->transport->ops->get_region_info(device->transport, i, &image,
								 &length);
		if (result == -EINVAL)
			continue; /* an optional region that is not there */
		if (result)
			return result;
		result = vfio_info_parse_region(region, image, length, i);
		free(image);
		if (result)
			return discover_refuse(device, "region information", "malformed");
	}
	return 0;
}

static int discover_config(struct passthrough_device *device)
{
	uint64_t size = device->regions[VFIO_PCI_CONFIG_REGION_INDEX].size;
	const char *why;
	int result;

	device->config_length = size >= PCI_CONFIG_SIZE ? PCI_CONFIG_SIZE : PCI_CFG_SPACE_SIZE;
	if (size < PCI_CFG_SPACE_SIZE)
		return discover_refuse(device, "configuration space", "shorter than 256 bytes");
	result =
		device->transport->ops->region_read(device->transport, VFIO_PCI_CONFIG_REGION_INDEX,
						    0, device->config, device->config_length);
	if (result)
		return result;
	if (config_space_parse(&device->config_facts, device->config, device->config_length, &why))
		return discover_refuse(device, "configuration space", why);
	return 0;
}

static int discover_read_dwords(void *opaque, const uint64_t *offsets, uint32_t *values,
				uint32_t count)
{
	struct passthrough_device *device = opaque;

	return device->transport->ops->region_read_dwords(
		device->transport, device->record.component_region, offsets, values, count);
}

static int discover_cxl(struct passthrough_device *device)
{
	struct cxl_record *record = &device->record;
	const char *why;
	int result;

	result = cxl_capability_parse(record, &device->info, device->regions,
				      device->info.num_regions, &why);
	if (result)
		return discover_refuse(device, "CXL capability", why);
	if (record->contract == CXL_CONTRACT_NONE)
		return 0;
	result = cxl_capability_locate(record, device->config, device->config_length, &why);
	if (result)
		return discover_refuse(device, "CXL component registers", why);
	if (!device->config_facts.cxl_dvsec)
		return discover_refuse(device, "configuration space", "no CXL device DVSEC");
	result = cxl_geometry_discover(&device->geometry,
				       device->regions[record->component_region].size,
				       discover_read_dwords, device, &why);
	if (result)
		return result == -EPROTO && why ? discover_refuse(device, "HDM decoders", why)
						: result;
	if (record->contract == CXL_CONTRACT_REGIONS)
		record->firmware_committed = device->geometry.committed > 0;
	return 0;
}

static uint16_t discover_restrictions(const struct passthrough_device *device)
{
	return (uint16_t)((device->geometry.host_only ? CFMWS_HOST_ONLY : CFMWS_DEVICE_COHERENT) |
			  CFMWS_VOLATILE | (device->facts.firmware_committed ? CFMWS_FIXED : 0u));
}

static void discover_facts(struct passthrough_device *device)
{
	struct passthrough_facts *facts = &device->facts;
	const struct config_facts *config = &device->config_facts;

	facts->vendor = config->vendor;
	facts->device = config->device;
	facts->class_code = config->class_code;
	facts->memory = device->options.memory;
	passthrough_dma_facts(device);
	if (device->record.contract == CXL_CONTRACT_NONE)
		return;
	/* CXL 8.1.12.1: a memory expander is host-only memory whatever its idle decoder says. */
	if (config->class_code >> 8 == CLASS_CXL_MEMORY)
		device->geometry.host_only = true;
	facts->cxl = true;
	facts->dpa_size = device->regions[device->record.memory_region].size;
	facts->window_size = window_round_size(facts->dpa_size);
	facts->window_align = window_alignment(facts->dpa_size);
	facts->decoders = device->geometry.decoders;
	facts->host_only = device->geometry.host_only;
	/* Memory that the guest's page allocator owns must be there when its kernel starts. */
	facts->firmware_committed =
		device->record.firmware_committed || facts->memory == PASSTHROUGH_MEMORY_NODE;
	facts->cache_capable =
		bytes_get_le16(device->config + config->cxl_dvsec + CXL_DVSEC_BODY_OFFSET) &
		CXL_DVSEC_CACHE_CAPABLE;
	facts->window_restrictions = discover_restrictions(device);
}

static int discover_information(struct passthrough_device *device)
{
	uint32_t length = 0;
	int result;

	device->regions = calloc(VFIO_INFO_MAX_REGIONS, sizeof(*device->regions));
	if (!device->regions)
		return -ENOMEM;
	result = device->transport->ops->get_device_info(device->transport, &device->info_image,
							 &length);
	if (result == -EPROTO)
		return discover_refuse(device, "device and region information", "malformed");
	if (result)
		return result;
	if (vfio_info_parse_device(&device->info, device->info_image, length))
		return discover_refuse(device, "device information", "malformed");
	if (!(device->info.flags & VFIO_DEVICE_FLAGS_PCI) ||
	    device->info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX) {
		log_error(device->environment.logger, device->id,
			  "not a PCI device: only those can be passed through");
		return -EOPNOTSUPP;
	}
	result = discover_regions(device);
	if (!result)
		result = discover_config(device);
	return result;
}

int passthrough_discover(struct passthrough_device *device)
{
	uint64_t start = clock_now_ns();
	long page_size = sysconf(_SC_PAGESIZE);
	int result;

	device->page_size = page_size > 0 ? (uint64_t)page_size : 4096;
	result = discover_information(device);
	if (result)
		return result;
	result = discover_cxl(device);
	if (result)
		return result;
	if (device->options.memory == PASSTHROUGH_MEMORY_NODE &&
	    device->record.contract == CXL_CONTRACT_NONE) {
		log_error(device->environment.logger, device->id,
			  "memory=node, but it has no CXL memory; leave the option out");
		return -EINVAL;
	}
	discover_facts(device);
	device->transport->reset_by_power_only = !device->facts.cxl &&
						 !device->config_facts.function_reset &&
						 device->config_facts.power_reset;
	log_debug(device->environment.logger, device->id,
		  "function level reset: %s; power reset: %s",
		  device->config_facts.function_reset ? "yes" : "no",
		  device->config_facts.power_reset ? "yes" : "no");
	/* The kernel did no more than that when it was opened; its last user's DMA may be alive. */
	if (device->transport->reset_by_power_only && device->transport->ops->gates_memory)
		passthrough_reset_transport(device);
	device->timeline.info = clock_now_ns() - start;
	return 0;
}
