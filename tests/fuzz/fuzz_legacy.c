/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All legacy devices on one port bus, driven by a stream of accesses: address, width, direction and
 * value of each come from the input. Between them the host types into the serial port, raises ACPI
 * events and lets the clock jump.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/legacy/acpi_ged.h"
#include "devices/legacy/cmos_rtc.h"
#include "devices/legacy/debug_ports.h"
#include "devices/legacy/i8042.h"
#include "devices/legacy/pvpanic.h"
#include "devices/legacy/serial.h"

/* The lines of an interrupt controller, as one IOAPIC has them. */
static const struct irq_lines lines = {.count = 24};

#define ACCESSES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct devices {
	struct bus pio;
	struct irq_router *irq;
	struct serial_backend *backend;
	struct serial *serial;
	struct cmos_rtc *rtc;
	struct i8042 *i8042;
	struct debug_ports *debug_ports;
	struct pvpanic *pvpanic;
	struct acpi_ged *ged;
	uint64_t now;
	unsigned int callbacks;
	int input_fd;
};

static uint64_t fuzz_now(void *opaque)
{
	return ((struct devices *)opaque)->now;
}

static void called(void *opaque)
{
	((struct devices *)opaque)->callbacks++;
}

static void called_exit(void *opaque, uint32_t value)
{
	(void)value;
	called(opaque);
}

static void called_event(void *opaque, uint8_t events)
{
	/* Nothing but the two known events gets through. */
	if (events == 0 || (events & ~3u))
		abort();
	called(opaque);
}

static void must(int result)
{
	if (result != 0)
		abort();
}

static void create(struct devices *d)
{
	struct serial_backend_options backend = {
		.kind = SERIAL_BACKEND_FDS,
		.name = "serial0",
		.output_fd = -1,
	};
	struct serial_options serial = {.name = "serial0", .base = 0x3f8, .gsi = 4};
	struct cmos_rtc_options rtc = {.now = fuzz_now, .now_opaque = d};
	struct i8042_options i8042 = {.reset = called, .opaque = d};
	struct debug_ports_options debug_ports = {
		.boot_base = 0x80, .exit_base = 0xf4, .debug_exit = called_exit, .opaque = d};
	struct pvpanic_options pvpanic = {.base = 0x505, .event = called_event, .opaque = d};
	struct acpi_ged_options ged = {
		.base = 0x600, .gsi = 9, .power_off = called, .reset = called, .opaque = d};

	memset(d, 0, sizeof(*d));
	must(bus_init(&d->pio, 0x10000));
	must(irq_router_create(&d->irq, NULL, &lines, NULL));
	d->input_fd = memfd_create("input", MFD_CLOEXEC);
	backend.input_fd = d->input_fd;
	must(serial_backend_create(&d->backend, &backend));
	serial.bus = rtc.bus = i8042.bus = debug_ports.bus = pvpanic.bus = ged.bus = &d->pio;
	serial.irq = ged.irq = d->irq;
	serial.backend = d->backend;
	must(serial_create(&d->serial, &serial));
	must(cmos_rtc_create(&d->rtc, &rtc));
	must(i8042_create(&d->i8042, &i8042));
	must(debug_ports_create(&d->debug_ports, &debug_ports));
	must(pvpanic_create(&d->pvpanic, &pvpanic));
	must(acpi_ged_create(&d->ged, &ged));
}

static void destroy(struct devices *d)
{
	acpi_ged_destroy(d->ged);
	pvpanic_destroy(d->pvpanic);
	debug_ports_destroy(d->debug_ports);
	i8042_destroy(d->i8042);
	cmos_rtc_destroy(d->rtc);
	serial_destroy(d->serial);
	serial_backend_destroy(d->backend);
	irq_router_destroy(d->irq);
	bus_destroy(&d->pio);
	close(d->input_fd);
}

static uint16_t choose_port(uint8_t selector, uint8_t low)
{
	static const uint16_t bases[] = {0x3f8, 0x70, 0x60, 0x80, 0xf4, 0x505, 0x600, 0x3f0};

	return (uint16_t)(bases[selector % 8] + low % 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct debug_boot_timing timings[DEBUG_BOOT_TIMINGS_MAX];
	struct devices d;

	create(&d);
	/* Six bytes each: what, port, port, width, value, value. */
	for (unsigned int i = 0; i < ACCESSES_MAX && size >= 6; i++, data += 6, size -= 6) {
		uint64_t value = (uint64_t)data[4] * 0x0101010101010101u ^ data[5];
		unsigned int width = data[3] % 9;
		uint8_t bytes[8];

		switch (data[0] % 8) {
		case 0:
		case 1:
		case 2:
			bus_write(&d.pio, choose_port(data[1], data[2]), &value, width);
			break;
		case 3:
		case 4:
		case 5:
			if (!bus_read(&d.pio, choose_port(data[1], data[2]), bytes, width) &&
			    width == 1 && bytes[0] != 0xff)
				abort();
			break;
		case 6:
			if (write(d.input_fd, data, 6) == 6)
				lseek(d.input_fd, -6, SEEK_CUR);
			acpi_ged_raise(d.ged, data[4]);
			break;
		default:
			/* Also before 1970 and far in the future. */
			d.now += value << (data[1] % 32);
			break;
		}
	}
	debug_ports_timings(d.debug_ports, timings, DEBUG_BOOT_TIMINGS_MAX);
	destroy(&d);
	return 0;
}
