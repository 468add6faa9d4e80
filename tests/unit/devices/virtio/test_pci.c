/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/virtio_pci.h>
#include <poll.h>
#include <sys/epoll.h>

#include "tests/unit/core/fake_kvm.h"
#include "devices/pci/msix.h"
#include "devices/pci/root.h"
#include "devices/virtio/pci.h"
#include "guest.h"

#define ECAM    0xe0000000ull
#define BAR     0xc0000000ull
#define COMMON  0x0000u
#define ISR     0x1000u
#define CONFIG  0x2000u
#define TABLE   0x3000u
#define NOTIFY  0x5000u
#define FEATURE (1ull << 5)
#define NAME    "test0"

/* A device type that only writes down what happens to it. */
struct probe {
	struct virtio_device device;
	unsigned int activated, resets, pauses, resumes, destroyed;
	unsigned int notified[2];
	int activate_result;
	bool claims_a_kick; /* activate() watches queue 1 itself: nobody else can */
	struct event_source *claimed;
	uint8_t config[8];
};

static struct fixture {
	struct guest guest; /* memory and loop */
	struct bus mmio, pio;
	struct irq_router *irq;
	struct pci_root *root;
	struct pci_bus *bus;
	struct virtio_pci *transport;
	struct probe probe;
	uint64_t bar;
} f;

static void claimed_kick(void *opaque, uint32_t events)
{
	(void)opaque;
	(void)events;
}

static int probe_activate(struct virtio_device *device)
{
	struct probe *probe = (struct probe *)(void *)device;

	probe->activated++;
	if (probe->claims_a_kick)
		cr_assert_eq(event_loop_add(device->environment.loop,
					    device->transport->kick_fd(device->transport_opaque, 1),
					    EPOLLIN | EPOLLET, claimed_kick, NULL, &probe->claimed),
			     0);
	return probe->activate_result;
}

static void probe_reset(struct virtio_device *device)
{
	struct probe *probe = (struct probe *)(void *)device;

	probe->resets++;
	if (!probe->claims_a_kick)
		return;
	/* Does a kick still reach us while we stop? */
	device->transport->kick(device->transport_opaque, 0);
	guest_run(&f.guest, 20);
	event_source_remove(probe->claimed);
	probe->claimed = NULL;
}

static void probe_notify(struct virtio_device *device, uint16_t queue)
{
	((struct probe *)(void *)device)->notified[queue]++;
	event_loop_stop(device->environment.loop);
}

static void probe_read(struct virtio_device *device, uint32_t offset, void *data, uint32_t size)
{
	cr_assert_leq(offset + size, 8);
	memcpy(data, ((struct probe *)(void *)device)->config + offset, size);
}

static void probe_write(struct virtio_device *device, uint32_t offset, const void *data,
			uint32_t size)
{
	cr_assert_leq(offset + size, 8);
	memcpy(((struct probe *)(void *)device)->config + offset, data, size);
}

static void probe_pause(struct virtio_device *device)
{
	((struct probe *)(void *)device)->pauses++;
}

static void probe_resume(struct virtio_device *device)
{
	((struct probe *)(void *)device)->resumes++;
}

static void probe_destroy(struct virtio_device *device)
{
	((struct probe *)(void *)device)->destroyed++;
	virtio_device_fini(device);
}

static const struct virtio_device_ops probe_ops = {
	.activate = probe_activate,
	.reset = probe_reset,
	.queue_notify = probe_notify,
	.config_read = probe_read,
	.config_write = probe_write,
	.pause = probe_pause,
	.resume = probe_resume,
	.destroy = probe_destroy,
};

static uint64_t get(uint64_t address, unsigned int size)
{
	uint64_t value = 0;

	bus_read(&f.mmio, address, &value, size);
	return value;
}

static void put(uint64_t address, uint64_t value, unsigned int size)
{
	bus_write(&f.mmio, address, &value, size);
}

static uint64_t common(uint32_t offset, unsigned int size)
{
	return get(f.bar + COMMON + offset, size);
}

static void set_common(uint32_t offset, uint64_t value, unsigned int size)
{
	put(f.bar + COMMON + offset, value, size);
}

static uint8_t status(void)
{
	return (uint8_t)common(VIRTIO_PCI_COMMON_STATUS, 1);
}

static void set_status(uint8_t value)
{
	set_common(VIRTIO_PCI_COMMON_STATUS, value, 1);
}

static uint64_t ecam(uint32_t offset)
{
	return ECAM + (uint64_t)virtio_pci_function(f.transport)->devfn * 4096 + offset;
}

static void place_bar(uint64_t address)
{
	put(ecam(PCI_COMMAND), 0, 2);
	put(ecam(PCI_BASE_ADDRESS_0), address, 4);
	put(ecam(PCI_COMMAND), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	f.bar = address;
}

static void setup(void)
{
	struct pci_root_options options = {.ecam_base = ECAM, .bus_count = 1, .intx_gsi_base = 16};

	memset(&f, 0, sizeof(f));
	guest_init(&f.guest, true);
	cr_assert_eq(bus_init(&f.mmio, 0), 0);
	cr_assert_eq(bus_init(&f.pio, 0x10000), 0);
	cr_assert_eq(irq_router_create(&f.irq, NULL, &fake_irq_lines, NULL), 0);
	options.mmio = &f.mmio;
	options.pio = &f.pio;
	options.irq = f.irq;
	options.memory = f.guest.memory;
	cr_assert_eq(pci_root_create(&f.root, &options), 0);
	cr_assert_eq(pci_root_add_host_bridge(f.root, 0, 0, &f.bus), 0);
	f.probe.device = (struct virtio_device){
		.ops = &probe_ops,
		.name = NAME,
		.type = VIRTIO_ID_RNG,
		.queue_count = 2,
		.queue_max_size = 64,
		.device_features = FEATURE,
		.config_size = 8,
		.environment = guest_environment(&f.guest, NULL),
	};
	cr_assert_eq(virtio_device_init(&f.probe.device), 0);
	cr_assert_eq(virtio_pci_create(&f.transport, &f.probe.device, NULL), 0);
	cr_assert_eq(pci_bus_add(f.bus, virtio_pci_function(f.transport), -1), 0);
	place_bar(BAR);
}

static void teardown(void)
{
	pci_bus_remove(virtio_pci_function(f.transport));
	virtio_pci_destroy(f.transport);
	cr_assert_eq(f.probe.destroyed, 1);
	pci_root_destroy(f.root);
	irq_router_destroy(f.irq);
	bus_destroy(&f.mmio);
	bus_destroy(&f.pio);
	guest_fini(&f.guest);
}

TestSuite(virtio_pci, .init = setup, .fini = teardown, .timeout = 20);

static void negotiate(uint64_t features)
{
	set_status(0);
	set_status(1);
	set_status(3);
	set_common(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	set_common(VIRTIO_PCI_COMMON_GF, (uint32_t)features, 4);
	set_common(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	set_common(VIRTIO_PCI_COMMON_GF, features >> 32, 4);
	set_status(11);
}

static void set_queue(uint16_t index, uint16_t size, uint64_t rings, uint16_t vector)
{
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, index, 2);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, size, 2);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, vector, 2);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, (uint32_t)rings, 4);
	set_common(VIRTIO_PCI_COMMON_Q_DESCHI, rings >> 32, 4);
	set_common(VIRTIO_PCI_COMMON_Q_AVAILLO, (uint32_t)(rings + 0x1000), 4);
	set_common(VIRTIO_PCI_COMMON_Q_AVAILHI, rings >> 32, 4);
	set_common(VIRTIO_PCI_COMMON_Q_USEDLO, rings + 0x2000, 8); /* whole is fine too */
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

#define V1 (1ull << VIRTIO_F_VERSION_1)

static void start_driver(uint16_t vector)
{
	negotiate(V1);
	cr_assert_eq(status(), 11);
	set_queue(0, 16, guest_alloc(&f.guest, 0x4000), vector);
	set_queue(1, 16, guest_alloc(&f.guest, 0x4000), vector);
	set_status(15);
}

Test(virtio_pci, identity_and_capabilities)
{
	uint8_t seen[6] = {0};
	uint32_t at = (uint32_t)get(ecam(PCI_CAPABILITY_LIST), 1);
	bool msix = false;

	cr_assert_eq(get(ecam(0), 4), 0x10441af4);
	cr_assert_geq(get(ecam(PCI_REVISION_ID), 1), 1);
	cr_assert_geq(get(ecam(PCI_SUBSYSTEM_ID), 2), 0x40);
	while (at) {
		if (get(ecam(at), 1) == PCI_CAP_ID_VNDR) {
			uint8_t type = (uint8_t)get(ecam(at + 3), 1);
			uint64_t offset = get(ecam(at + 8), 4), length = get(ecam(at + 12), 4);

			cr_assert(type >= 1 && type <= 5);
			seen[type]++;
			cr_assert_eq(get(ecam(at + 4), 1), 0);
			cr_assert_leq(offset + length, 0x8000);
			cr_assert_geq(get(ecam(at + 2), 1), type == 2 || type == 5 ? 20 : 16);
			if (type == VIRTIO_PCI_CAP_DEVICE_CFG)
				cr_assert_eq(length, 8);
		}
		msix |= get(ecam(at), 1) == PCI_CAP_ID_MSIX;
		at = (uint32_t)get(ecam(at + 1), 1);
	}
	cr_assert(msix);
	for (unsigned int i = 1; i < 6; i++)
		cr_assert_eq(seen[i], 1, "type %u", i);
}

Test(virtio_pci, features_are_negotiated)
{
	set_common(VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_DF, 4), FEATURE | 1u << 28 | 1u << 29);
	set_common(VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_DF, 4), 1);
	set_common(VIRTIO_PCI_COMMON_DFSELECT, 2, 4);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_DF, 4), 0);
	negotiate(0); /* a legacy driver */
	cr_assert_eq(status(), 3);
	negotiate(V1 | 1ull << 40); /* not offered */
	cr_assert_eq(status(), 3);
	set_status(7 | 8); /* DRIVER_OK does not slip through */
	cr_assert_eq(status(), 3);
	cr_assert_eq(f.probe.activated, 0);
	negotiate(V1 | FEATURE);
	cr_assert_eq(status(), 11);
	cr_assert_eq(f.probe.device.driver_features, V1 | FEATURE);
	set_common(VIRTIO_PCI_COMMON_GF, 0xffffffff, 4); /* too late */
	set_status(15);
	cr_assert_eq(f.probe.device.driver_features, V1 | FEATURE);
	cr_assert_eq(f.probe.activated, 1);
	set_status(0xff);
	cr_assert_not(status() & VIRTIO_CONFIG_S_NEEDS_RESET); /* not the driver's to set */
	cr_assert_eq(f.probe.activated, 1);
}

Test(virtio_pci, queue_registers)
{
	cr_assert_eq(common(VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_NOFF, 2), 1);
	static const uint16_t bad[] = {0, 3, 65, 128, 0xffff};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_common(VIRTIO_PCI_COMMON_Q_SIZE, bad[i], 2);
		cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64, "%u", bad[i]);
	}
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 0x00400020, 4); /* wrong width */
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 32, 2);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 32);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, 3, 2); /* vectors are 0..2 */
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_MSIX, 2), 2);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 0x11223344, 4);
	set_common(VIRTIO_PCI_COMMON_Q_DESCHI, 0x55667788, 4);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0x5566778811223344);
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 0, 4); /* enabled: fixed */
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 16, 2);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0x11223344);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 32);
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 0, 2);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 2, 2); /* there is no such queue */
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 16, 2);
	set_common(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, 1, 2);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 1, 4);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	set_status(0);
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}

Test(virtio_pci, kick_reaches_the_device_in_the_loop)
{
	start_driver(VIRTIO_MSI_NO_VECTOR);
	cr_assert_eq(status(), 15);
	cr_assert(guest_run(&f.guest, 5000)); /* the first look at each queue */
	f.probe.notified[1] = 0;
	put(f.bar + NOTIFY + 4, 1, 2);
	while (!f.probe.notified[1])
		cr_assert(guest_run(&f.guest, 5000));
	put(f.bar + NOTIFY + 8, 2, 2); /* no such queue */
	put(f.bar + NOTIFY + 0xffe, 2, 2);
}

Test(virtio_pci, intx_and_isr)
{
	start_driver(VIRTIO_MSI_NO_VECTOR);
	cr_assert_eq(get(f.bar + ISR, 1), 0);
	f.probe.device.transport->queue_interrupt(f.probe.device.transport_opaque, 0);
	cr_assert(virtio_pci_function(f.transport)->intx_level);
	cr_assert_eq(get(f.bar + ISR, 1), 1);
	cr_assert_not(virtio_pci_function(f.transport)->intx_level);
	cr_assert_eq(get(f.bar + ISR, 1), 0);
	virtio_device_config_changed(&f.probe.device);
	cr_assert_eq(common(VIRTIO_PCI_COMMON_CFGGENERATION, 1), 1);
	cr_assert_eq(get(f.bar + ISR, 1), 2);
	/* A reset takes the line down. */
	f.probe.device.transport->queue_interrupt(f.probe.device.transport_opaque, 0);
	set_status(0);
	cr_assert_not(virtio_pci_function(f.transport)->intx_level);
	virtio_device_config_changed(&f.probe.device); /* nobody to tell */
	cr_assert_eq(get(f.bar + ISR, 1), 0);
}

Test(virtio_pci, msix_vectors_are_signalled)
{
	struct pci_device *function = virtio_pci_function(f.transport);
	struct pollfd fds[2];
	uint32_t at = (uint32_t)get(ecam(PCI_CAPABILITY_LIST), 1);

	while (get(ecam(at), 1) != PCI_CAP_ID_MSIX)
		at = (uint32_t)get(ecam(at + 1), 1);
	cr_assert_eq(get(ecam(at + PCI_MSIX_FLAGS), 2) & PCI_MSIX_FLAGS_QSIZE, 2);
	put(ecam(at + PCI_MSIX_FLAGS), PCI_MSIX_FLAGS_ENABLE, 2);
	put(f.bar + TABLE + 16, 0xfee00000, 4);
	cr_assert_eq(get(f.bar + TABLE + 16, 4), 0xfee00000);
	set_common(VIRTIO_PCI_COMMON_MSIX, 0, 2);
	start_driver(1);
	set_common(VIRTIO_PCI_COMMON_MSIX, 0, 2);
	f.probe.device.transport->queue_interrupt(f.probe.device.transport_opaque, 1);
	fds[0] = (struct pollfd){.fd = pci_msix_eventfd(function, 0), .events = POLLIN};
	fds[1] = (struct pollfd){.fd = pci_msix_eventfd(function, 1), .events = POLLIN};
	cr_assert_eq(poll(fds, 2, 0), 1);
	cr_assert(fds[1].revents & POLLIN);
	virtio_device_config_changed(&f.probe.device);
	cr_assert_eq(poll(fds, 2, 0), 2);
	cr_assert_eq(get(f.bar + ISR, 1), 0);
}

Test(virtio_pci, impossible_rings_need_a_reset)
{
	static const uint64_t rings[] = {0x8, 0x40000000000ull, 0xffffffffffff0000ull};

	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		negotiate(V1);
		set_queue(0, 16, rings[i], VIRTIO_MSI_NO_VECTOR);
		set_status(15);
		cr_assert_eq(status(), 15 | VIRTIO_CONFIG_S_NEEDS_RESET, "%zu", i);
		cr_assert_eq(get(f.bar + ISR, 1), 2, "%zu", i);
		cr_assert_eq(f.probe.activated, 0);
		put(f.bar + NOTIFY, 0, 2); /* nobody listens, nothing breaks */
	}
	f.probe.activate_result = -EIO;
	negotiate(V1);
	set_status(15);
	cr_assert_eq(status(), 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
	f.probe.activate_result = 0;
	start_driver(VIRTIO_MSI_NO_VECTOR); /* a reset heals it */
	cr_assert_eq(status(), 15);
}

/* 2.1.2: a start that fails half-way is undone backwards; the queues that were watched are not any
 * more when the device stops. */
Test(virtio_pci, a_failed_start_is_unwatched_before_it_stops)
{
	f.probe.claims_a_kick = true;
	start_driver(VIRTIO_MSI_NO_VECTOR);
	cr_assert_eq(f.probe.activated, 1);
	cr_assert_eq(f.probe.resets, 1);
	cr_assert_eq(f.probe.notified[0], 0, "queue_notify() ran inside reset()");
	cr_assert_eq(status(), 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
	f.probe.claims_a_kick = false;
	set_status(0);
	cr_assert_eq(f.probe.resets, 1, "it did not run");
	start_driver(VIRTIO_MSI_NO_VECTOR);
	cr_assert_eq(status(), 15);
}

Test(virtio_pci, broken_device_tells_its_driver_once)
{
	start_driver(VIRTIO_MSI_NO_VECTOR);
	virtio_device_broken(&f.probe.device, "test");
	cr_assert_eq(status(), 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
	cr_assert_eq(get(f.bar + ISR, 1), 2);
	virtio_device_broken(&f.probe.device, "test");
	cr_assert_eq(get(f.bar + ISR, 1), 0);
	set_status(0);
	cr_assert_eq(status(), 0);
	cr_assert_eq(f.probe.resets, 1);
}

Test(virtio_pci, reset_stops_everything)
{
	start_driver(VIRTIO_MSI_NO_VECTOR);
	put(f.bar + NOTIFY, 0, 2);
	set_status(0);
	cr_assert_eq(f.probe.resets, 1);
	cr_assert_not(virtio_state_is_started(f.probe.device.state));
	cr_assert_not(guest_run(&f.guest, 20)); /* the kick is gone */
	cr_assert_eq(f.probe.notified[0], 0);
	set_status(0);
	cr_assert_eq(f.probe.resets, 1);
	start_driver(VIRTIO_MSI_NO_VECTOR);
	pci_root_reset(f.root); /* as a reboot does */
	cr_assert_eq(f.probe.resets, 2);
	cr_assert_not(virtio_state_is_started(f.probe.device.state));
}

Test(virtio_pci, device_configuration_is_bounded)
{
	for (unsigned int i = 0; i < 8; i++)
		f.probe.config[i] = (uint8_t)(0x10 + i);
	cr_assert_eq(get(f.bar + CONFIG, 1), 0x10);
	cr_assert_eq(get(f.bar + CONFIG + 2, 2), 0x1312);
	cr_assert_eq(get(f.bar + CONFIG, 8), 0x1716151413121110);
	cr_assert_eq(get(f.bar + CONFIG + 6, 4), 0);
	cr_assert_eq(get(f.bar + CONFIG + 8, 1), 0);
	put(f.bar + CONFIG + 6, 0xffffffff, 4);
	cr_assert_eq(f.probe.config[6], 0x16);
	put(f.bar + CONFIG + 4, 0xaabbccdd, 4);
	cr_assert_eq(f.probe.config[7], 0xaa);
}

Test(virtio_pci, window_in_configuration_space)
{
	uint32_t at = (uint32_t)get(ecam(PCI_CAPABILITY_LIST), 1);

	while (get(ecam(at), 1) != PCI_CAP_ID_VNDR ||
	       get(ecam(at + 3), 1) != VIRTIO_PCI_CAP_PCI_CFG)
		at = (uint32_t)get(ecam(at + 1), 1);
	put(ecam(at + VIRTIO_PCI_CAP_OFFSET), COMMON + VIRTIO_PCI_COMMON_NUMQ, 4);
	put(ecam(at + VIRTIO_PCI_CAP_LENGTH), 2, 4);
	cr_assert_eq(get(ecam(at + 16), 2), 2);
	put(ecam(at + VIRTIO_PCI_CAP_OFFSET), COMMON + VIRTIO_PCI_COMMON_STATUS, 4);
	put(ecam(at + VIRTIO_PCI_CAP_LENGTH), 1, 4);
	put(ecam(at + 16), 3, 1);
	cr_assert_eq(status(), 3);
	/* Nonsense reaches nothing. */
	static const uint32_t bad[][2] = {{0x8000, 4}, {0xfffffffe, 4}, {1, 4},
					  {0, 8},      {0, 0},          {0x7fff, 2}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(ecam(at + VIRTIO_PCI_CAP_OFFSET), bad[i][0], 4);
		put(ecam(at + VIRTIO_PCI_CAP_LENGTH), bad[i][1], 4);
		put(ecam(at + 16), 0, 4);
		get(ecam(at + 16), 4);
		cr_assert_eq(status(), 3, "%zu", i);
	}
}

Test(virtio_pci, bar_moves_with_a_running_device)
{
	start_driver(VIRTIO_MSI_NO_VECTOR);
	place_bar(BAR + 0x100000);
	cr_assert_eq(status(), 15);
	f.probe.notified[0] = 0;
	put(f.bar + NOTIFY, 0, 2);
	while (!f.probe.notified[0])
		cr_assert(guest_run(&f.guest, 5000));
	cr_assert_eq(get(BAR + VIRTIO_PCI_COMMON_STATUS, 1), 0xff);
}

Test(virtio_pci, pause_holds_kicks_back)
{
	start_driver(VIRTIO_MSI_NO_VECTOR);
	while (!f.probe.notified[0] || !f.probe.notified[1])
		cr_assert(guest_run(&f.guest, 5000));
	f.probe.notified[0] = 0;
	virtio_pci_pause(f.transport);
	virtio_pci_pause(f.transport);
	cr_assert_eq(f.probe.pauses, 1);
	put(f.bar + NOTIFY, 0, 2);
	cr_assert_not(guest_run(&f.guest, 20));
	cr_assert_eq(f.probe.notified[0], 0);
	virtio_pci_resume(f.transport);
	virtio_pci_resume(f.transport);
	cr_assert_eq(f.probe.resumes, 1);
	while (!f.probe.notified[0])
		cr_assert(guest_run(&f.guest, 5000));
}

Test(virtio_pci, odd_accesses_are_harmless)
{
	for (uint32_t offset = 0; offset < 0x8000; offset += 4) {
		for (unsigned int size = 1; size <= 8; size *= 2) {
			get(f.bar + offset, size);
			if (offset < NOTIFY)
				put(f.bar + offset, 0xa5a5a5a5a5a5a5a5, size);
		}
	}
	set_status(0);
	start_driver(VIRTIO_MSI_NO_VECTOR);
	cr_assert_eq(status(), 15);
}
