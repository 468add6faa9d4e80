/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passthrough/host/files.h"
#include "passthrough/transport/pci_address.h"

/* PCI Code and ID Assignment Specification: base classes, and one whole class code */
#define BASE_CLASS(code)       ((code) >> 16)
#define BASE_CLASS_DISPLAY     0x03u
#define BASE_CLASS_BRIDGE      0x06u
#define BASE_CLASS_ACCELERATOR 0x12u
#define CLASS_CXL_MEMORY       0x050210u
#define CLASS_CODE_MASK        0xffffffu

#define DEVICES_MAX 65536u

int host_parse_address(const char *text, char *address, size_t size)
{
	char canonical[PCI_ADDRESS_TEXT];
	struct pci_address parsed;

	if (pci_address_parse(text, &parsed))
		return -EINVAL;
	pci_address_format(&parsed, canonical);
	if (strlen(canonical) >= size)
		return -EINVAL;
	memcpy(address, canonical, strlen(canonical) + 1);
	return 0;
}

static enum host_kind kind_of(const struct host_device *device)
{
	if (BASE_CLASS(device->class_code) == BASE_CLASS_BRIDGE)
		return HOST_KIND_BRIDGE;
	if (device->class_code == CLASS_CXL_MEMORY)
		return HOST_KIND_CXL_MEMORY;
	if (device->cxl.device && device->cxl.mem_capable)
		return HOST_KIND_CXL;
	if (BASE_CLASS(device->class_code) == BASE_CLASS_DISPLAY ||
	    BASE_CLASS(device->class_code) == BASE_CLASS_ACCELERATOR)
		return HOST_KIND_ACCELERATOR;
	return HOST_KIND_OTHER;
}

static void read_config(const struct host *host, struct host_device *device)
{
	uint8_t config[PCI_CFG_SPACE_EXP_SIZE] = {0};
	char path[HOST_PATH];
	long length = 0;

	if (!host_path(host, path, "/sys/bus/pci/devices/%s/config", device->address))
		length = host_read_bytes(path, config, sizeof(config));
	/* Without privilege only the header can be read; a conventional PCI device has 256 bytes.
	 */
	if (length >= PCI_CFG_SPACE_SIZE) {
		host_cxl_parse(&device->cxl, config, (uint32_t)length);
		device->cxl.known = true;
	}
}

/* What the driver says of the memory that it clears between users. */
static void read_scrub(const struct host *host, struct host_device *device)
{
	char path[HOST_PATH], line[64], *end;

	host_path(host, path, "/sys/bus/pci/devices/%s/cxl_vfio/scrub_state", device->address);
	host_read_line(path, device->scrub_state, sizeof(device->scrub_state));
	host_path(host, path, "/sys/bus/pci/devices/%s/cxl_vfio/scrub_progress", device->address);
	host_read_line(path, line, sizeof(line));
	device->scrub_done = strtoull(line, &end, 10);
	device->scrub_size = strtoull(end, NULL, 10);
}

static void read_device(const struct host *host, struct host_device *device)
{
	char path[HOST_PATH], name[HOST_NAME], *end;
	const char *address = device->address;

	host_path(host, path, "/sys/bus/pci/devices/%s/vendor", address);
	device->vendor = (uint16_t)host_read_number(path, 0);
	host_path(host, path, "/sys/bus/pci/devices/%s/device", address);
	device->device = (uint16_t)host_read_number(path, 0);
	host_path(host, path, "/sys/bus/pci/devices/%s/class", address);
	device->class_code = (uint32_t)host_read_number(path, 0) & CLASS_CODE_MASK;
	host_path(host, path, "/sys/bus/pci/devices/%s/sriov_numvfs", address);
	device->virtual_functions = (uint32_t)host_read_number(path, 0);
	host_path(host, path, "/sys/bus/pci/devices/%s/driver", address);
	host_read_link(path, device->driver, sizeof(device->driver));
	host_path(host, path, "/sys/bus/pci/devices/%s/driver_override", address);
	host_read_line(path, device->override, sizeof(device->override));
	if (!strcmp(device->override, "(null)"))
		device->override[0] = '\0';
	host_path(host, path, "/sys/bus/pci/devices/%s/iommu_group", address);
	host_read_link(path, name, sizeof(name));
	device->iommu_group = (int)strtol(name, &end, 10);
	if (end == name || *end || device->iommu_group < 0)
		device->iommu_group = -1;
	read_config(host, device);
	read_scrub(host, device);
	device->kind = kind_of(device);
	device->wanted_driver = device->kind == HOST_KIND_CXL ? HOST_DRIVER_CXL : HOST_DRIVER_PLAIN;
	device->bound = strstr(device->driver, "vfio");
}

static int add_device(void *opaque, const char *name)
{
	struct host_inventory *inventory = opaque;
	char address[PCI_ADDRESS_TEXT];

	if (host_parse_address(name, address, sizeof(address)) || strcmp(name, address) != 0)
		return 0;
	if (inventory->count >= DEVICES_MAX)
		return -E2BIG;
	/* 16, 32, 64 ...: full when the count is such a number. */
	if (!inventory->count ||
	    (inventory->count >= 16 && !(inventory->count & (inventory->count - 1)))) {
		size_t room = inventory->count ? 2 * inventory->count : 16;
		struct host_device *larger =
			realloc(inventory->devices, room * sizeof(inventory->devices[0]));

		if (!larger)
			return -ENOMEM;
		inventory->devices = larger;
	}
	memset(&inventory->devices[inventory->count], 0, sizeof(inventory->devices[0]));
	memcpy(inventory->devices[inventory->count++].address, address, sizeof(address));
	return 0;
}

static int compare_devices(const void *left, const void *right)
{
	const struct host_device *a = left, *b = right;

	return strcmp(a->address, b->address);
}

int host_inventory_read(const struct host *host, struct host_inventory *inventory)
{
	char path[HOST_PATH];
	int result;

	memset(inventory, 0, sizeof(*inventory));
	result = host_path(host, path, "/sys/bus/pci/devices");
	if (!result)
		result = host_each(path, add_device, inventory);
	if (result)
		return result;
	if (inventory->count)
		qsort(inventory->devices, inventory->count, sizeof(inventory->devices[0]),
		      compare_devices);
	for (size_t i = 0; i < inventory->count; i++)
		read_device(host, &inventory->devices[i]);
	host_judge(host, inventory, NULL, 0);
	return 0;
}

void host_inventory_free(struct host_inventory *inventory)
{
	free(inventory->devices);
	memset(inventory, 0, sizeof(*inventory));
}

const struct host_device *host_inventory_find(const struct host_inventory *inventory,
					      const char *address)
{
	for (size_t i = 0; i < inventory->count; i++)
		if (!strcmp(inventory->devices[i].address, address))
			return &inventory->devices[i];
	return NULL;
}
