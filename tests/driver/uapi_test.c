/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the user interface of cxl-vfio-pci on a real kernel, in the manner of kselftest: one
 * line per statement.
 *
 * usage: driver-uapi-test --device BDF --layout 2|3 --topology A|B|C|D --dpa BYTES [--name PREFIX]
 * [--cdev] WHAT [COUNT]
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/driver/uapi_device.h"

/* Initiate CXL Reset (DVSEC Control2 bit 2) by the host, which forgets what firmware committed. 0
 * or -1. */
static int lose_decoder(struct uapi_device *device)
{
	const uint16_t reset = 4;
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", device->bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = pwrite(fd, &reset, 2, device->dvsec + 0x10) == 2 ? 0 : -1;
	close(fd);
	return ret;
}

static void expect_closed(struct uapi_device *device, volatile uint64_t *map, const char *mapping,
			  const char *file, const char *registers)
{
	uint64_t value = 0;

	uapi_check(device, mapping, !uapi_load(map, &value), "no SIGBUS");
	uapi_fails_with(device, file,
			pread(device->fd, &value, 8, (off_t)device->memory.info.offset), EIO);
	uapi_check(device, registers, !(uapi_register(device, device->hdm + 0x20) & 0x400),
		   "committed");
}

/* The decoder is lost behind the driver's back: after the reset that reveals it, nothing may be
 * touched. */
static int test_lost(struct uapi_device *device)
{
	volatile uint64_t *map =
		uapi_map(device, device->memory_index, 0, device->memory.info.size);
	uint64_t value = 0;

	if (!map)
		return 1;
	uapi_check(device, "s41h before, the mapping works", uapi_load(map, &value), "SIGBUS");
	if (lose_decoder(device))
		return 1;
	uapi_check(device, "s41i reset of a device without its decoder", uapi_reset(device) == 0,
		   "failed");
	expect_closed(device, map, "s41j the mapping is closed", "s41k read() too",
		      "s41l COMP_REGS says so");
	munmap((void *)map, device->memory.info.size);
	if (uapi_reopen(device))
		return 1;
	map = uapi_map(device, device->memory_index, 0, device->memory.info.size);
	if (!map)
		return 1;
	expect_closed(device, map, "s76c the next open starts closed", "s76d read() too",
		      "s76e COMP_REGS says so");
	return 0;
}

static int run_statements(struct uapi_device *device)
{
	uapi_test_info(device);
	uapi_test_component_bar(device);
	uapi_test_mappings(device);
	uapi_test_memory(device);
	uapi_test_registers(device);
	uapi_test_config(device);
	uapi_test_reset(device);
	return 0;
}

static int run(struct uapi_device *device, const char *what, unsigned int count)
{
	if (!strcmp(what, "disabled"))
		return uapi_disabled(device);
	if (uapi_discover(device))
		return 1;
	if (!strcmp(what, "statements"))
		return run_statements(device);
	if (!strcmp(what, "faults"))
		return uapi_faults(device);
	if (!strcmp(what, "cycles"))
		return uapi_cycles(device, count);
	if (!strcmp(what, "resets"))
		return uapi_resets(device, count);
	if (!strcmp(what, "hold"))
		return uapi_hold(device);
	if (!strcmp(what, "scrub"))
		return uapi_scrub(device);
	if (!strcmp(what, "pattern"))
		return uapi_pattern(device);
	if (!strcmp(what, "zero"))
		return uapi_zero(device);
	if (!strcmp(what, "mapping-only"))
		return uapi_mapping_only(device);
	if (!strcmp(what, "cache"))
		return uapi_cache(device);
	if (!strcmp(what, "allocations"))
		return uapi_allocations(device);
	if (!strcmp(what, "errors"))
		return uapi_errors(device);
	if (!strcmp(what, "dma"))
		return uapi_dma(device);
	if (!strcmp(what, "lost"))
		return test_lost(device);
	fprintf(stderr, "unknown test %s\n", what);
	return 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"device", required_argument, NULL, 'd'},
		{"layout", required_argument, NULL, 'l'},
		{"topology", required_argument, NULL, 't'},
		{"dpa", required_argument, NULL, 's'},
		{"name", required_argument, NULL, 'n'},
		{"summary", no_argument, NULL, 'q'},
		{"cdev", no_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	struct uapi_device device = {.prefix = "uapi", .layout = 2, .topology = 'A'};
	int option, status;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			device.bdf = optarg;
			break;
		case 'l':
			device.layout = atoi(optarg);
			break;
		case 't':
			device.topology = optarg[0];
			break;
		case 's':
			device.dpa_size = strtoull(optarg, NULL, 0);
			break;
		case 'q':
			device.summary = true;
			break;
		case 'c':
			device.cdev = true;
			break;
		case 'n':
			device.prefix = optarg;
			break;
		default:
			return 2;
		}
	}
	if (!device.bdf || optind >= argc) {
		fprintf(stderr,
			"usage: %s --device BDF [--layout N] [--topology X] [--dpa BYTES] [--name "
			"P] [--cdev] WHAT [COUNT]\n",
			argv[0]);
		return 2;
	}
	if (!strcmp(argv[optind], "refused")) {
		uapi_refused(&device);
		return device.failed ? 1 : 0;
	}
	if (uapi_open(&device)) {
		uapi_check(&device, argv[optind], false, "the device cannot be opened");
		return 1;
	}
	status = run(&device, argv[optind],
		     optind + 1 < argc ? (unsigned int)atoi(argv[optind + 1]) : 1);
	if (status)
		uapi_check(&device, argv[optind], false, "it could not be run");
	uapi_close(&device);
	if (device.summary && !device.failed)
		printf("PASS %s: all %u statements\n", device.prefix, device.passed);
	return device.failed || status ? 1 : 0;
}
