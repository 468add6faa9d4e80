/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/pci/msix.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/bytes.h"
#include "devices/pci/bus.h"
#include "devices/pci/vector.h"

#define PCI_MSIX_CAPABILITY_SIZE 12u

struct pci_msix {
	pthread_mutex_t lock; /* table, live state; after the root's lock, before irq's */
	struct pci_msix_options options;
	uint16_t capability;
	atomic_bool enabled; /* written under the lock, read without */
	bool function_masked;
	struct irq_router *irq;
	uint8_t *table;
	struct pci_vector *vectors;
};

static uint32_t pci_msix_table_size(const struct pci_msix *msix)
{
	return (uint32_t)msix->options.vectors * PCI_MSIX_ENTRY_SIZE;
}

/* PCIe 7.7.2.2: one bit for each vector in quadwords. */
static uint32_t pci_msix_pba_size(const struct pci_msix *msix)
{
	return (msix->options.vectors + 63u) / 64u * 8u;
}

/* May vector @index be live by the table and the control word? Under msix->lock. */
static bool pci_msix_unmasked(const struct pci_msix *msix, uint16_t index)
{
	const uint8_t *entry = &msix->table[index * PCI_MSIX_ENTRY_SIZE];

	return msix->enabled && !msix->function_masked &&
	       !(entry[PCI_MSIX_ENTRY_VECTOR_CTRL] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static uint64_t pci_msix_address(const struct pci_msix *msix, uint16_t index)
{
	const uint8_t *entry = &msix->table[index * PCI_MSIX_ENTRY_SIZE];

	return bytes_get_le32(entry + PCI_MSIX_ENTRY_LOWER_ADDR) |
	       (uint64_t)bytes_get_le32(entry + PCI_MSIX_ENTRY_UPPER_ADDR) << 32;
}

static uint32_t pci_msix_data(const struct pci_msix *msix, uint16_t index)
{
	return bytes_get_le32(&msix->table[index * PCI_MSIX_ENTRY_SIZE] + PCI_MSIX_ENTRY_DATA);
}

/* Bring vector @index in line with the table and the control word. Under msix->lock. */
static void pci_msix_update(struct pci_device *device, uint16_t index)
{
	struct pci_msix *msix = device->msix;
	struct pci_vector *vector = &msix->vectors[index];
	bool was_live = vector->live;
	int result;

	result = pci_vector_set(vector, msix->irq, pci_msix_unmasked(msix, index),
				pci_msix_address(msix, index), pci_msix_data(msix, index));
	if (result && device->root)
		log_limited(device->root->options.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->name,
			    "MSI-X vector %u cannot be unmasked (error %d); its interrupts stay "
			    "pending",
			    index, -result);
	if (vector->live != was_live && msix->options.vector_changed)
		msix->options.vector_changed(msix->options.opaque, index, vector->live);
}

static void pci_msix_update_all(struct pci_device *device)
{
	struct pci_msix *msix = device->msix;

	/* All routes first: the router hands them to KVM in one call at the first irqfd. */
	for (uint16_t i = 0; i < msix->options.vectors; i++)
		if (pci_msix_unmasked(msix, i))
			pci_vector_prepare(&msix->vectors[i], msix->irq, pci_msix_address(msix, i),
					   pci_msix_data(msix, i));
	for (uint16_t i = 0; i < msix->options.vectors; i++)
		pci_msix_update(device, i);
}

uint64_t pci_msix_table_read(struct pci_device *device, uint64_t offset, unsigned int size)
{
	struct pci_msix *msix = device->msix;
	uint64_t value = 0;

	if (!msix || !size || size > 8 || offset > pci_msix_table_size(msix) ||
	    size > pci_msix_table_size(msix) - offset)
		return UINT64_MAX;
	pthread_mutex_lock(&msix->lock);
	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)msix->table[offset + i] << (8 * i);
	pthread_mutex_unlock(&msix->lock);
	return value;
}

void pci_msix_table_write(struct pci_device *device, uint64_t offset, uint64_t value,
			  unsigned int size)
{
	struct pci_msix *msix = device->msix;
	bool changed = false;

	/* PCIe 6.1.4.2: software uses aligned dword or qword writes. */
	if (!msix || (size != 4 && size != 8) || offset % size ||
	    offset >= pci_msix_table_size(msix))
		return;
	pthread_mutex_lock(&msix->lock);
	for (unsigned int i = 0; i < size; i += 4) {
		uint64_t at = offset + i;
		uint32_t part = (uint32_t)(value >> (8 * i));

		if (at % PCI_MSIX_ENTRY_SIZE == PCI_MSIX_ENTRY_LOWER_ADDR)
			part &= ~3u; /* PCIe 7.7.2.3 */
		else if (at % PCI_MSIX_ENTRY_SIZE == PCI_MSIX_ENTRY_VECTOR_CTRL)
			part &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
		changed |= bytes_get_le32(msix->table + (uint32_t)at) != part;
		bytes_put_le32(msix->table + (uint32_t)at, part);
	}
	if (changed)
		pci_msix_update(device, (uint16_t)(offset / PCI_MSIX_ENTRY_SIZE));
	pthread_mutex_unlock(&msix->lock);
}

uint64_t pci_msix_pba_read(struct pci_device *device, uint64_t offset, unsigned int size)
{
	struct pci_msix *msix = device->msix;
	uint64_t value = 0;

	if (!msix || !size || size > 8 || offset > pci_msix_pba_size(msix) ||
	    size > pci_msix_pba_size(msix) - offset)
		return UINT64_MAX;
	for (unsigned int i = 0; i < 8 * size; i++) {
		uint64_t index = 8 * offset + i;

		if (index < msix->options.vectors && pci_vector_pending(&msix->vectors[index]))
			value |= 1ull << i;
	}
	return value;
}

static uint64_t pci_msix_bar_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct pci_device *device = opaque;
	const struct pci_msix *msix = device->msix;

	if (offset - msix->options.table_offset < pci_msix_table_size(msix))
		return pci_msix_table_read(device, offset - msix->options.table_offset, size);
	if (offset - msix->options.pba_offset < pci_msix_pba_size(msix))
		return pci_msix_pba_read(device, offset - msix->options.pba_offset, size);
	return 0;
}

static void pci_msix_bar_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct pci_device *device = opaque;
	const struct pci_msix *msix = device->msix;

	if (offset - msix->options.table_offset < pci_msix_table_size(msix))
		pci_msix_table_write(device, offset - msix->options.table_offset, value, size);
}

static const struct bus_ops pci_msix_bar_ops = {
	.read = pci_msix_bar_read,
	.write = pci_msix_bar_write,
};

static int pci_msix_check(const struct pci_device *device, const struct pci_msix *msix)
{
	const struct pci_msix_options *options = &msix->options;
	uint64_t table_end = (uint64_t)options->table_offset + pci_msix_table_size(msix);
	uint64_t pba_end = (uint64_t)options->pba_offset + pci_msix_pba_size(msix);

	if (device->msix || options->vectors < 1 || options->vectors > PCI_MSIX_MAX_VECTORS ||
	    options->table_bar >= PCI_BAR_COUNT || options->pba_bar >= PCI_BAR_COUNT ||
	    options->table_offset % 8 || options->pba_offset % 8)
		return -EINVAL;
	if (options->table_bar == options->pba_bar && options->table_offset < pba_end &&
	    options->pba_offset < table_end)
		return -EINVAL;
	if (options->own_bar &&
	    (options->table_bar != options->pba_bar || table_end > 1u << 30 || pba_end > 1u << 30))
		return -EINVAL;
	if (!options->own_bar && ((device->bars[options->table_bar].kind != PCI_BAR_NONE &&
				   table_end > device->bars[options->table_bar].size) ||
				  (device->bars[options->pba_bar].kind != PCI_BAR_NONE &&
				   pba_end > device->bars[options->pba_bar].size)))
		return -EINVAL;
	return 0;
}

/* A capability at a place of the caller's choice: its header and links are the caller's. */
static int pci_msix_place(struct pci_device *device, const struct pci_msix *msix)
{
	uint32_t offset = msix->options.capability_offset;

	if (!offset)
		return pci_add_capability(device, PCI_CAP_ID_MSIX, PCI_MSIX_CAPABILITY_SIZE);
	if (offset < 0x40 || offset % 4 || offset + PCI_MSIX_CAPABILITY_SIZE > 0x100)
		return -EINVAL;
	return (int)offset;
}

static int pci_msix_register_bar(struct pci_device *device, const struct pci_msix *msix)
{
	uint64_t table_end = (uint64_t)msix->options.table_offset + pci_msix_table_size(msix);
	uint64_t pba_end = (uint64_t)msix->options.pba_offset + pci_msix_pba_size(msix);
	uint64_t size = 4096;

	while (size < table_end || size < pba_end)
		size *= 2;
	return pci_register_bar(device, msix->options.table_bar, PCI_BAR_MEMORY_32, false, size,
				&pci_msix_bar_ops, device);
}

int pci_msix_init(struct pci_device *device, const struct pci_msix_options *options)
{
	struct pci_msix *msix = calloc(1, sizeof(*msix));
	uint32_t capability;
	int result;

	if (!msix)
		return -ENOMEM;
	msix->options = *options;
	result = pci_msix_check(device, msix);
	if (result)
		goto free_msix;
	msix->table = calloc(options->vectors, PCI_MSIX_ENTRY_SIZE);
	msix->vectors = calloc(options->vectors, sizeof(*msix->vectors));
	if (!msix->table || !msix->vectors) {
		result = -ENOMEM;
		goto free_msix;
	}
	result = options->own_bar ? pci_msix_register_bar(device, msix) : 0;
	if (result)
		goto free_msix;
	result = pci_msix_place(device, msix);
	if (result < 0)
		goto free_msix;
	capability = (uint32_t)result;
	msix->capability = (uint16_t)capability;
	device->config[capability] = PCI_CAP_ID_MSIX;
	bytes_put_le16(device->config + capability + PCI_MSIX_FLAGS,
		       (uint16_t)(options->vectors - 1u));
	bytes_put_le16(device->writable + capability + PCI_MSIX_FLAGS,
		       PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	bytes_put_le32(device->config + capability + PCI_MSIX_TABLE,
		       options->table_offset | options->table_bar);
	bytes_put_le32(device->config + capability + PCI_MSIX_PBA,
		       options->pba_offset | options->pba_bar);
	for (uint16_t i = 0; i < options->vectors; i++) {
		pci_vector_init(&msix->vectors[i]);
		msix->table[i * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL] =
			PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	pthread_mutex_init(&msix->lock, NULL);
	device->msix = msix;
	return 0;

free_msix:
	free(msix->vectors);
	free(msix->table);
	free(msix);
	return result;
}

void pci_msix_destroy(struct pci_device *device)
{
	struct pci_msix *msix = device->msix;

	if (!msix)
		return;
	for (uint16_t i = 0; i < msix->options.vectors; i++)
		pci_vector_destroy(&msix->vectors[i], msix->irq);
	pthread_mutex_destroy(&msix->lock);
	free(msix->vectors);
	free(msix->table);
	free(msix);
	device->msix = NULL;
}

int pci_msix_eventfd(const struct pci_device *device, uint16_t vector)
{
	struct pci_msix *msix = device->msix;

	if (!msix || vector >= msix->options.vectors)
		return -EINVAL;
	return pci_vector_fd(&msix->vectors[vector]);
}

void pci_msix_notify(struct pci_device *device, uint16_t vector)
{
	struct pci_msix *msix = device->msix;
	int result;

	if (!msix || vector >= msix->options.vectors)
		return;
	result = pci_vector_notify(&msix->vectors[vector]);
	if (result && device->root)
		log_limited(device->root->options.logger, &device->limit, LOG_LEVEL_ERROR,
			    device->name,
			    "MSI-X vector %u cannot be signalled (error %d): an interrupt is lost; "
			    "raise the limit of open files",
			    vector, -result);
}

bool pci_msix_enabled(const struct pci_device *device)
{
	return device->msix && atomic_load_explicit(&device->msix->enabled, memory_order_acquire);
}

void pci_msix_attach(struct pci_device *device)
{
	device->msix->irq = device->root->options.irq;
}

/* Take the control word as it is now. Under msix->lock. */
static void pci_msix_take_control(struct pci_device *device)
{
	struct pci_msix *msix = device->msix;
	uint16_t flags =
		bytes_get_le16(device->config + msix->capability + (uint32_t)PCI_MSIX_FLAGS);
	bool enabled = (flags & PCI_MSIX_FLAGS_ENABLE) != 0;
	bool masked = (flags & PCI_MSIX_FLAGS_MASKALL) != 0;

	if (enabled == msix->enabled && masked == msix->function_masked)
		return;
	atomic_store_explicit(&msix->enabled, enabled, memory_order_release);
	msix->function_masked = masked;
	pci_msix_update_all(device);
}

void pci_msix_config_written(struct pci_device *device, uint32_t offset, unsigned int size)
{
	struct pci_msix *msix = device->msix;
	uint32_t control = msix->capability + (uint32_t)PCI_MSIX_FLAGS;

	if (offset >= control + 2 || control >= offset + size)
		return;
	pthread_mutex_lock(&msix->lock);
	pci_msix_take_control(device);
	pthread_mutex_unlock(&msix->lock);
}

void pci_msix_reset(struct pci_device *device)
{
	struct pci_msix *msix = device->msix;

	pthread_mutex_lock(&msix->lock);
	atomic_store_explicit(&msix->enabled, false, memory_order_release);
	msix->function_masked = false;
	for (uint16_t i = 0; i < msix->options.vectors; i++) {
		uint8_t *entry = &msix->table[i * PCI_MSIX_ENTRY_SIZE];
		bool was_live = msix->vectors[i].live;

		for (unsigned int j = 0; j < PCI_MSIX_ENTRY_SIZE; j++)
			entry[j] = 0;
		entry[PCI_MSIX_ENTRY_VECTOR_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		pci_vector_reset(&msix->vectors[i], msix->irq);
		if (was_live && msix->options.vector_changed)
			msix->options.vector_changed(msix->options.opaque, i, false);
	}
	pthread_mutex_unlock(&msix->lock);
}
