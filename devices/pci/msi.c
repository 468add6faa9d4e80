/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/pci/msi.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/bytes.h"
#include "devices/pci/bus.h"
#include "devices/pci/vector.h"

struct pci_msi {
	pthread_mutex_t lock; /* live state; after the root's lock, before irq's */
	struct pci_msi_options options;
	struct irq_router *irq;
	_Atomic uint16_t enabled_vectors; /* 0: off */
	/* Offsets in the configuration space; mask and pending are 0 without per-vector masking. */
	uint16_t capability;
	uint16_t data;
	uint16_t mask;
	uint16_t pending;
	uint16_t size;
	struct pci_vector vectors[PCI_MSI_MAX_VECTORS];
};

static uint8_t pci_msi_log2(uint8_t vectors)
{
	uint8_t log = 0;

	while (log < 5 && 1u << log < vectors)
		log++;
	return log;
}

/* PCIe 7.7.1.1: the layout depends on the address width and on masking. */
static void pci_msi_layout(struct pci_msi *msi, uint16_t capability)
{
	bool wide = msi->options.address_64;

	msi->capability = capability;
	msi->data = (uint16_t)(capability + (wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32));
	if (msi->options.maskable) {
		msi->mask = (uint16_t)(capability + (wide ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32));
		msi->pending = (uint16_t)(msi->mask + 4);
	}
}

static uint16_t pci_msi_size(const struct pci_msi_options *options)
{
	return (uint16_t)(10 + (options->address_64 ? 4 : 0) + (options->maskable ? 10 : 0));
}

int pci_msi_init(struct pci_device *device, const struct pci_msi_options *options)
{
	uint8_t vectors = options->vectors;
	uint16_t size = pci_msi_size(options);
	uint8_t *config = device->config;
	uint32_t capability = options->capability_offset;
	struct pci_msi *msi;

	if (device->msi || !vectors || vectors > PCI_MSI_MAX_VECTORS || (vectors & (vectors - 1)))
		return -EINVAL;
	if (capability && (capability < 0x40 || capability % 4 || capability + size > 0x100))
		return -EINVAL;
	msi = calloc(1, sizeof(*msi));
	if (!msi)
		return -ENOMEM;
	if (!capability) {
		int result = pci_add_capability(device, PCI_CAP_ID_MSI, size);

		if (result < 0) {
			free(msi);
			return result;
		}
		capability = (uint32_t)result;
	}
	msi->options = *options;
	msi->size = size;
	pci_msi_layout(msi, (uint16_t)capability);
	config[capability] = PCI_CAP_ID_MSI;
	bytes_put_le16(config + capability + PCI_MSI_FLAGS,
		       (uint16_t)(pci_msi_log2(vectors) << 1 |
				  (options->address_64 ? PCI_MSI_FLAGS_64BIT : 0) |
				  (options->maskable ? PCI_MSI_FLAGS_MASKBIT : 0)));
	bytes_put_le16(device->writable + capability + PCI_MSI_FLAGS,
		       PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	bytes_put_le32(device->writable + capability + PCI_MSI_ADDRESS_LO, ~3u);
	if (options->address_64)
		bytes_put_le32(device->writable + capability + PCI_MSI_ADDRESS_HI, UINT32_MAX);
	bytes_put_le16(device->writable + msi->data, UINT16_MAX);
	if (msi->mask)
		bytes_put_le32(device->writable + msi->mask,
			       vectors == 32 ? UINT32_MAX : (1u << vectors) - 1);
	for (unsigned int i = 0; i < PCI_MSI_MAX_VECTORS; i++)
		pci_vector_init(&msi->vectors[i]);
	pthread_mutex_init(&msi->lock, NULL);
	device->msi = msi;
	return 0;
}

void pci_msi_destroy(struct pci_device *device)
{
	struct pci_msi *msi = device->msi;

	if (!msi)
		return;
	for (unsigned int i = 0; i < PCI_MSI_MAX_VECTORS; i++)
		pci_vector_destroy(&msi->vectors[i], msi->irq);
	pthread_mutex_destroy(&msi->lock);
	free(msi);
	device->msi = NULL;
}

int pci_msi_eventfd(const struct pci_device *device, uint16_t vector)
{
	struct pci_msi *msi = device->msi;

	if (!msi || vector >= msi->options.vectors)
		return -EINVAL;
	return pci_vector_fd(&msi->vectors[vector]);
}

void pci_msi_notify(struct pci_device *device, uint16_t vector)
{
	struct pci_msi *msi = device->msi;
	int result;

	if (!msi || vector >= msi->options.vectors)
		return;
	result = pci_vector_notify(&msi->vectors[vector]);
	if (result && device->root)
		log_limited(device->root->options.logger, &device->limit, LOG_LEVEL_ERROR,
			    device->name,
			    "MSI vector %u cannot be signalled (error %d): an interrupt is lost; "
			    "raise the limit of open files",
			    vector, -result);
}

uint16_t pci_msi_enabled_vectors(const struct pci_device *device)
{
	return device->msi
		       ? atomic_load_explicit(&device->msi->enabled_vectors, memory_order_acquire)
		       : 0;
}

void pci_msi_attach(struct pci_device *device)
{
	device->msi->irq = device->root->options.irq;
}

/* How many vectors the control word enables: never more than the capability offers. */
static uint16_t pci_msi_wanted_vectors(const struct pci_device *device)
{
	const struct pci_msi *msi = device->msi;
	uint16_t flags = bytes_get_le16(device->config + msi->capability + (uint32_t)PCI_MSI_FLAGS);
	unsigned int log = (unsigned int)(flags & PCI_MSI_FLAGS_QSIZE) >> 4;

	if (!(flags & PCI_MSI_FLAGS_ENABLE))
		return 0;
	if (log > 5 || 1u << log > msi->options.vectors)
		return msi->options.vectors;
	return (uint16_t)(1u << log);
}

/* Bring all vectors in line with the capability. Under the root's lock. */
static void pci_msi_update(struct pci_device *device)
{
	struct pci_msi *msi = device->msi;
	uint64_t address = bytes_get_le32(device->config + msi->capability + PCI_MSI_ADDRESS_LO);
	uint32_t data = bytes_get_le16(device->config + msi->data);
	uint32_t mask = msi->mask ? bytes_get_le32(device->config + msi->mask) : 0;
	uint16_t count;

	if (msi->options.address_64)
		address |= (uint64_t)bytes_get_le32(device->config + msi->capability +
						    PCI_MSI_ADDRESS_HI)
			   << 32;
	pthread_mutex_lock(&msi->lock);
	count = pci_msi_wanted_vectors(device);
	atomic_store_explicit(&msi->enabled_vectors, count, memory_order_release);
	for (uint16_t i = 0; i < msi->options.vectors; i++) {
		struct pci_vector *vector = &msi->vectors[i];
		bool was_live = vector->live;
		int result;

		/* PCIe 6.1.4.3: vector n changes the low bits of the data. */
		result = pci_vector_set(vector, msi->irq, i < count && !(mask >> i & 1), address,
					count ? (data & ~(count - 1u)) | i : data);
		if (result && device->root)
			log_limited(device->root->options.logger, &device->limit, LOG_LEVEL_WARNING,
				    device->name,
				    "MSI vector %u cannot be enabled (error %d); its interrupts "
				    "stay pending",
				    i, -result);
		if (vector->live != was_live && msi->options.vector_changed)
			msi->options.vector_changed(msi->options.opaque, i, vector->live);
	}
	pthread_mutex_unlock(&msi->lock);
}

bool pci_msi_read(struct pci_device *device, uint32_t offset, unsigned int size, uint32_t *value)
{
	struct pci_msi *msi = device->msi;
	uint32_t pending = 0;

	/* Accesses do not cross a dword, and the pending bits are one. */
	if (!msi->pending || offset < msi->pending || offset + size > msi->pending + 4u)
		return false;
	for (unsigned int i = 0; i < msi->options.vectors; i++)
		if (pci_vector_pending(&msi->vectors[i]))
			pending |= 1u << i;
	*value = pending >> (8 * (offset - msi->pending));
	if (size < 4)
		*value &= (1u << (8 * size)) - 1;
	return true;
}

void pci_msi_config_written(struct pci_device *device, uint32_t offset, unsigned int size)
{
	struct pci_msi *msi = device->msi;

	if (offset < msi->capability + msi->size && msi->capability < offset + size)
		pci_msi_update(device);
}

void pci_msi_reset(struct pci_device *device)
{
	struct pci_msi *msi = device->msi;

	pthread_mutex_lock(&msi->lock);
	atomic_store_explicit(&msi->enabled_vectors, 0, memory_order_release);
	for (uint16_t i = 0; i < msi->options.vectors; i++) {
		bool was_live = msi->vectors[i].live;

		pci_vector_reset(&msi->vectors[i], msi->irq);
		if (was_live && msi->options.vector_changed)
			msi->options.vector_changed(msi->options.opaque, i, false);
	}
	pthread_mutex_unlock(&msi->lock);
}
