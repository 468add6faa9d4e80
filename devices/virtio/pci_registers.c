/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "core/bytes.h"
#include "devices/pci/msix.h"
#include "devices/virtio/pci_internal.h"

/* What the guest reads and writes: the structures of virtio 1.2, 4.1.4, in the BAR. */

static struct virtqueue *selected_queue(struct virtio_pci *transport)
{
	if (transport->queue_select >= transport->device->queue_count)
		return NULL;
	return &transport->device->queues[transport->queue_select];
}

static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

/* 4.1.4.3; the image is built whole because drivers read few fields and rarely. */
static void common_image(struct virtio_pci *transport, uint8_t image[VIRTIO_PCI_COMMON_BYTES])
{
	struct virtio_device *device = transport->device;
	struct virtio_pci_common_cfg common = {0};
	struct virtqueue *queue = selected_queue(transport);

	common.device_feature_select = htole32(transport->device_feature_select);
	common.device_feature =
		htole32(feature_word(device->device_features, transport->device_feature_select));
	common.guest_feature_select = htole32(transport->driver_feature_select);
	common.guest_feature =
		htole32(feature_word(transport->driver_features, transport->driver_feature_select));
	common.msix_config = htole16(atomic_load(&transport->config_vector));
	common.num_queues = htole16(device->queue_count);
	common.device_status = atomic_load(&transport->status);
	common.config_generation = (uint8_t)atomic_load(&device->config_generation);
	common.queue_select = htole16(transport->queue_select);
	if (queue) {
		common.queue_size = htole16(queue->size);
		common.queue_msix_vector =
			htole16(atomic_load(&transport->queues[transport->queue_select].vector));
		common.queue_enable = htole16(queue->enabled);
		common.queue_notify_off = htole16(transport->queue_select);
		common.queue_desc_lo = htole32((uint32_t)queue->descriptor_area);
		common.queue_desc_hi = htole32((uint32_t)(queue->descriptor_area >> 32));
		common.queue_avail_lo = htole32((uint32_t)queue->driver_area);
		common.queue_avail_hi = htole32((uint32_t)(queue->driver_area >> 32));
		common.queue_used_lo = htole32((uint32_t)queue->device_area);
		common.queue_used_hi = htole32((uint32_t)(queue->device_area >> 32));
	} else {
		common.queue_msix_vector = htole16(VIRTIO_MSI_NO_VECTOR);
	}
	memset(image, 0, VIRTIO_PCI_COMMON_BYTES);
	memcpy(image, &common, sizeof(common));
}

static uint16_t checked_vector(struct virtio_pci *transport, uint64_t value)
{
	/* 4.1.5.1.2: what cannot be mapped reads back as no vector. */
	return value <= transport->device->queue_count ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
}

/* 2.2.1, 2.2.2: all that was accepted was offered, and VERSION_1 is among it. */
static bool accept_features(struct virtio_pci *transport)
{
	struct virtio_device *device = transport->device;
	uint64_t unknown = transport->driver_features & ~device->device_features;

	if (unknown || !(transport->driver_features & (1ull << VIRTIO_F_VERSION_1))) {
		log_limited(device->environment.logger, &device->error_limit, LOG_LEVEL_WARNING,
			    device->name,
			    "FEATURES_OK refused: the driver accepted 0x%" PRIx64 " of 0x%" PRIx64
			    " "
			    "(VERSION_1 is required, unoffered bits are not allowed)",
			    transport->driver_features, device->device_features);
		return false;
	}
	if (!virtio_pci_event(transport, VIRTIO_EVENT_FEATURES_OK))
		return false;
	device->driver_features = transport->driver_features;
	return true;
}

/* 2.1, 3.1.1: bits are only ever added, apart from the reset. */
static void write_status(struct virtio_pci *transport, uint8_t value)
{
	struct virtio_device *device = transport->device;
	uint8_t old = atomic_load(&transport->status);
	uint8_t added = (uint8_t)(value & ~old);

	if (value == 0) {
		virtio_pci_reset_locked(transport);
		return;
	}
	added &= (uint8_t)~VIRTIO_CONFIG_S_NEEDS_RESET;
	if (added & (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER))
		virtio_pci_event(transport, VIRTIO_EVENT_ACKNOWLEDGE);
	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) && !accept_features(transport))
		added &= (uint8_t) ~(VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	if (!virtio_transition_find(device->state, VIRTIO_EVENT_DRIVER_OK))
		added &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	/* Before the device starts: what it tells its driver from then on is heard. */
	atomic_fetch_or(&transport->status, added);
	if (added & VIRTIO_CONFIG_S_DRIVER_OK)
		virtio_pci_event(transport, VIRTIO_EVENT_DRIVER_OK);
}

static void set_half(uint64_t *address, bool high, uint32_t value)
{
	*address = high ? (*address & 0xffffffffull) | ((uint64_t)value << 32)
			: (*address & ~0xffffffffull) | value;
}

static void write_queue_area(struct virtio_pci *transport, uint32_t offset, uint64_t value,
			     unsigned int size)
{
	struct virtqueue *queue = selected_queue(transport);
	uint64_t *areas[3];

	if (!queue || queue->enabled || (size != 4 && (size != 8 || offset % 8)))
		return;
	areas[0] = &queue->descriptor_area;
	areas[1] = &queue->driver_area;
	areas[2] = &queue->device_area;
	offset -= VIRTIO_PCI_COMMON_Q_DESCLO;
	if (size == 8)
		*areas[offset / 8] = value;
	else
		set_half(areas[offset / 8], offset % 8, (uint32_t)value);
}

static void write_queue_word(struct virtio_pci *transport, uint32_t offset, uint16_t value)
{
	struct virtqueue *queue = selected_queue(transport);

	if (!queue)
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (!queue->enabled && value && !(value & (value - 1)) && value <= queue->max_size)
			queue->size = value;
		break;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		atomic_store(&transport->queues[transport->queue_select].vector,
			     checked_vector(transport, value));
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		/* 4.1.4.3.2: only ever 1, and before DRIVER_OK. */
		if (value == 1 && !virtio_state_is_started(transport->device->state))
			queue->enabled = true;
		break;
	default:
		break;
	}
}

/* 4.1.3.1: each field is written with its own width; anything else is dropped. */
static void write_common(struct virtio_pci *transport, uint32_t offset, uint64_t value,
			 unsigned int size)
{
	uint8_t status = atomic_load(&transport->status);

	if (offset >= VIRTIO_PCI_COMMON_Q_DESCLO && offset <= VIRTIO_PCI_COMMON_Q_USEDHI &&
	    offset % 4 == 0) {
		write_queue_area(transport, offset, value, size);
	} else if (size == 4 && offset == VIRTIO_PCI_COMMON_DFSELECT) {
		transport->device_feature_select = (uint32_t)value;
	} else if (size == 4 && offset == VIRTIO_PCI_COMMON_GFSELECT) {
		transport->driver_feature_select = (uint32_t)value;
	} else if (size == 4 && offset == VIRTIO_PCI_COMMON_GF) {
		if (transport->driver_feature_select < 2 && !(status & VIRTIO_CONFIG_S_FEATURES_OK))
			set_half(&transport->driver_features, transport->driver_feature_select,
				 (uint32_t)value);
	} else if (size == 2 && offset == VIRTIO_PCI_COMMON_MSIX) {
		atomic_store(&transport->config_vector, checked_vector(transport, value));
	} else if (size == 1 && offset == VIRTIO_PCI_COMMON_STATUS) {
		write_status(transport, (uint8_t)value);
	} else if (size == 2 && offset == VIRTIO_PCI_COMMON_Q_SELECT) {
		transport->queue_select = (uint16_t)value;
	} else if (size == 2) {
		write_queue_word(transport, offset, (uint16_t)value);
	}
}

static uint64_t read_device_config(struct virtio_device *device, uint32_t offset, unsigned int size)
{
	uint64_t value = 0;

	if (device->ops->config_read && offset < device->config_size &&
	    size <= device->config_size - offset)
		device->ops->config_read(device, offset, &value, size);
	return le64toh(value);
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct virtio_pci *transport = opaque;
	uint32_t page = (uint32_t)offset & ~(VIRTIO_PCI_PAGE - 1);
	uint32_t within = (uint32_t)offset & (VIRTIO_PCI_PAGE - 1);
	uint8_t image[VIRTIO_PCI_COMMON_BYTES];
	uint64_t value = 0;

	switch (page) {
	case VIRTIO_PCI_COMMON_OFFSET:
		if (within >= sizeof(image) || size > sizeof(image) - within)
			return 0;
		pthread_mutex_lock(&transport->lock);
		common_image(transport, image);
		pthread_mutex_unlock(&transport->lock);
		memcpy(&value, image + within, size);
		return le64toh(value);
	case VIRTIO_PCI_ISR_OFFSET:
		return within == 0 ? virtio_pci_read_isr(transport) : 0;
	case VIRTIO_PCI_DEVICE_OFFSET:
		return read_device_config(transport->device, within, size);
	case VIRTIO_PCI_TABLE_OFFSET:
		return pci_msix_table_read(&transport->function, within, size);
	case VIRTIO_PCI_PBA_OFFSET:
		return pci_msix_pba_read(&transport->function, within, size);
	default:
		return 0;
	}
}

static void bar_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct virtio_pci *transport = opaque;
	struct virtio_device *device = transport->device;
	uint32_t page = (uint32_t)offset & ~(VIRTIO_PCI_PAGE - 1);
	uint32_t within = (uint32_t)offset & (VIRTIO_PCI_PAGE - 1);

	switch (page) {
	case VIRTIO_PCI_COMMON_OFFSET:
		pthread_mutex_lock(&transport->lock);
		write_common(transport, within, value, size);
		pthread_mutex_unlock(&transport->lock);
		break;
	case VIRTIO_PCI_DEVICE_OFFSET:
		value = htole64(value);
		if (device->ops->config_write && within < device->config_size &&
		    size <= device->config_size - within)
			device->ops->config_write(device, within, &value, size);
		break;
	case VIRTIO_PCI_TABLE_OFFSET:
		pci_msix_table_write(&transport->function, within, value, size);
		break;
	case VIRTIO_PCI_NOTIFY_OFFSET:
		/* The address says which queue; the value repeats it (4.1.5.2). */
		if (within / VIRTIO_PCI_MULTIPLIER < device->queue_count) {
			pthread_mutex_lock(&transport->lock);
			virtio_pci_kick(transport, (uint16_t)(within / VIRTIO_PCI_MULTIPLIER));
			pthread_mutex_unlock(&transport->lock);
		}
		break;
	default:
		break;
	}
}

const struct bus_ops virtio_pci_bar_ops = {
	.read = bar_read,
	.write = bar_write,
};

/* True when [offset, offset + size) touches pci_cfg_data and the window is set up sanely. */
static bool window_access(struct virtio_pci *transport, uint32_t offset, unsigned int size,
			  uint32_t *bar_offset, uint32_t *length)
{
	const uint8_t *config = transport->function.config;
	uint32_t base = transport->pci_cfg_offset;
	uint32_t data = base + (uint32_t)sizeof(struct virtio_pci_cap);

	if (offset + size <= data || offset >= data + 4)
		return false;
	*bar_offset = bytes_get_le32(config + base + VIRTIO_PCI_CAP_OFFSET);
	*length = bytes_get_le32(config + base + VIRTIO_PCI_CAP_LENGTH);
	return config[base + VIRTIO_PCI_CAP_BAR] == VIRTIO_PCI_BAR &&
	       (*length == 1 || *length == 2 || *length == 4) && *bar_offset % *length == 0 &&
	       *bar_offset <= VIRTIO_PCI_BAR_SIZE - *length;
}

bool virtio_pci_config_read(struct pci_device *function, uint32_t offset, unsigned int size,
			    uint32_t *value)
{
	struct virtio_pci *transport = virtio_pci_of(function);
	uint32_t data = transport->pci_cfg_offset + (uint32_t)sizeof(struct virtio_pci_cap);
	uint32_t bar_offset, length, word;

	(void)value;
	if (window_access(transport, offset, size, &bar_offset, &length)) {
		word = htole32((uint32_t)bar_read(transport, bar_offset, length));
		memcpy(function->config + data, &word, length);
	}
	return false; /* the generic code answers, with the data just placed there */
}

void virtio_pci_config_written(struct pci_device *function, uint32_t offset, unsigned int size)
{
	struct virtio_pci *transport = virtio_pci_of(function);
	uint32_t data = transport->pci_cfg_offset + (uint32_t)sizeof(struct virtio_pci_cap);
	uint32_t bar_offset, length, word = 0;

	if (window_access(transport, offset, size, &bar_offset, &length)) {
		memcpy(&word, function->config + data, length);
		bar_write(transport, bar_offset, le32toh(word), length);
	}
}
