/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bytes.h"
#include "fake_transport.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/passthrough/transport/info_image.h"
#include "wire/vfio_cxl.h"

#define HDM 0x1110u /* in the block */

static struct fake_transport *fake_of(struct vfio_transport *transport)
{
	return (struct fake_transport *)transport;
}

static int fake_called(struct fake_transport *fake, enum fake_call call)
{
	return (int)fake->calls[call]++ >= fake->fail_after[call] ? fake->fail[call] : 0;
}

static int fake_device_info(struct vfio_transport *transport, uint8_t **info, uint32_t *length)
{
	struct fake_transport *fake = fake_of(transport);
	uint8_t *image = calloc(1, 256);
	int result = fake_called(fake, FAKE_INFO);

	if (result) {
		free(image);
		return result;
	}
	*info = image;
	*length = 24;
	bytes_put_le32(image + 4, 0x282);
	bytes_put_le32(image + 8, 11);
	bytes_put_le32(image + 12, 5);
	if (fake->contract == -1) {
		bytes_put_le32(image + 4, 0x2);
		bytes_put_le32(image + 8, 9);
	}
	if (fake->contract <= 0)
		return 0;
	bytes_put_le32(image + 16, 24);
	put_header(image, 24, 6, 1, 0);
	if (fake->contract == 2) {
		*length += 32;
		bytes_put_le32(image + 24 + 0xc, fake->committed);
		bytes_put_le64(image + 24 + 0x10, fake->block_offset + 0x1000);
		bytes_put_le32(image + 24 + 0x18, 10);
		bytes_put_le32(image + 24 + 0x1c, 9);
	} else {
		*length += 48;
		bytes_put_le32(image + 24 + 0x8, fake->committed);
		bytes_put_le32(image + 24 + 0xc, 10);
		bytes_put_le32(image + 24 + 0x10, 9);
		bytes_put_le64(image + 24 + 0x20, fake->block_offset);
		bytes_put_le64(image + 24 + 0x28, 0x10000);
	}
	return 0;
}

static void region_areas(const struct fake_transport *fake, uint8_t *image, uint32_t *length)
{
	uint64_t areas[4] = {0, fake->block_offset, fake->block_offset + 0x10000,
			     BAR0_SIZE - fake->block_offset - 0x10000};
	uint32_t count = 0;

	for (int i = 0; i < 4; i += 2) {
		if (!areas[i + 1])
			continue;
		bytes_put_le64(image + 48 + 16 * count, areas[i]);
		bytes_put_le64(image + 56 + 16 * count, areas[i + 1]);
		count++;
	}
	bytes_put_le32(image + 4, 15);
	bytes_put_le32(image + 12, 32);
	put_header(image, 32, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0);
	bytes_put_le32(image + 40, count);
	*length = 48 + 16 * count;
}

static int fake_region_info(struct vfio_transport *transport, uint32_t index, uint8_t **info,
			    uint32_t *length)
{
	struct fake_transport *fake = fake_of(transport);
	uint8_t *image = calloc(1, 256);

	*info = image;
	*length = 32;
	bytes_put_le32(image + 8, index);
	bytes_put_le32(image + 4, 3);
	switch (index) {
	case 0:
		bytes_put_le64(image + 16, BAR0_SIZE);
		if (fake->contract == -1)
			bytes_put_le32(image + 4, 7);
		else
			region_areas(fake, image, length);
		break;
	case 2:
		bytes_put_le64(image + 16, 0x4000);
		break;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		bytes_put_le64(image + 16, 4096);
		break;
	case VFIO_PCI_ROM_REGION_INDEX:
		bytes_put_le64(image + 16, fake->rom ? 0xc000 : 0);
		break;
	case 9:
	case 10:
		bytes_put_le64(image + 16, index == 10           ? fake->dpa_size
					   : fake->contract == 2 ? 0xf000
								 : 0x10000);
		bytes_put_le32(image + 4, index == 10 ? 15 : 11);
		bytes_put_le32(image + 12, 32);
		put_header(image, 32, VFIO_REGION_INFO_CAP_TYPE, 1, 0);
		bytes_put_le32(image + 40, VFIO_CXL_REGION_TYPE);
		bytes_put_le32(image + 44, index == 10 ? 1 : 2);
		*length = 48;
		break;
	default:
		break;
	}
	return 0;
}

static int fake_irq_info(struct vfio_transport *transport, uint32_t index, uint32_t *flags,
			 uint32_t *count)
{
	struct fake_transport *fake = fake_of(transport);

	fake->questions++;
	*flags = VFIO_IRQ_INFO_EVENTFD;
	*count = index == VFIO_PCI_MSIX_IRQ_INDEX   ? fake->vectors
		 : index == VFIO_PCI_INTX_IRQ_INDEX ? 1
						    : 0;
	return 0;
}

static int fake_copy(struct fake_transport *fake, uint32_t index, uint64_t offset, void *data,
		     uint32_t length, bool write)
{
	uint8_t *from;
	uint64_t size;

	if (index == 2) {
		from = fake->bar2;
		size = sizeof(fake->bar2);
	} else if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		from = fake->config;
		size = sizeof(fake->config);
	} else if (index == VFIO_PCI_ROM_REGION_INDEX) {
		static uint8_t rom[0xc000] = {0x55, 0xaa};

		from = rom;
		size = sizeof(rom);
	} else if (index == 9) {
		from = fake->block + (fake->contract == 2 ? 0x1000 : 0);
		size = fake->contract == 2 ? 0xf000 : 0x10000;
	} else {
		return -EINVAL;
	}
	if (offset > size || length > size - offset)
		return -EINVAL;
	if (write)
		memcpy(from + offset, data, length);
	else
		memcpy(data, from + offset, length);
	return 0;
}

static int fake_read(struct vfio_transport *transport, uint32_t index, uint64_t offset, void *data,
		     uint32_t length)
{
	int result = fake_called(fake_of(transport), FAKE_READ);

	return result ? result : fake_copy(fake_of(transport), index, offset, data, length, false);
}

static int fake_read_dwords(struct vfio_transport *transport, uint32_t index,
			    const uint64_t *offsets, uint32_t *values, uint32_t count)
{
	int result = fake_called(fake_of(transport), FAKE_READ);

	for (uint32_t i = 0; i < count && !result; i++)
		result = fake_copy(fake_of(transport), index, offsets[i], &values[i], 4, false);
	return result;
}

static int fake_write(struct vfio_transport *transport, uint32_t index, uint64_t offset,
		      const void *data, uint32_t length, bool posted)
{
	int result = fake_called(fake_of(transport), FAKE_WRITE);

	(void)posted;
	return result ? result
		      : fake_copy(fake_of(transport), index, offset, (void *)(uintptr_t)data,
				  length, true);
}

static int fake_map(struct vfio_transport *transport, uint32_t index, uint64_t offset,
		    uint64_t size, void **host, int *fd, uint64_t *fd_offset)
{
	struct fake_transport *fake = fake_of(transport);
	int result = fake_called(fake, FAKE_MAP);
	void *address;

	if (result)
		return result;
	offset += index == 10 ? BAR0_SIZE : 0;
	address = mmap(*host, size, PROT_READ | PROT_WRITE, MAP_SHARED | (*host ? MAP_FIXED : 0),
		       fake->memory, (off_t)offset);
	if (address == MAP_FAILED)
		return -errno;
	*host = address;
	*fd = fake->memory;
	*fd_offset = offset;
	return 0;
}

static bool fake_intact(struct vfio_transport *transport, uint32_t index)
{
	(void)index;
	return !fake_of(transport)->broken_mapping;
}

static int fake_irqs(struct vfio_transport *transport, uint32_t index, uint32_t flags,
		     uint32_t start, uint32_t count, const int *fds)
{
	struct fake_transport *fake = fake_of(transport);

	fake->irq_index = index;
	fake->irq_flags = flags;
	fake->irq_count = count;
	for (uint32_t i = 0; fds && i < count && i < 64; i++)
		fake->irq_fds[start + i] = fds[i];
	return fake_called(fake, FAKE_IRQS);
}

static int fake_reset(struct vfio_transport *transport)
{
	struct fake_transport *fake = fake_of(transport);
	const struct timespec duration = {.tv_nsec = fake->reset_ms * 1000000l};

	nanosleep(&duration, NULL);
	return fake_called(fake, FAKE_RESET);
}

static struct fake_transport *fake_of_space(struct address_space *space)
{
	return (struct fake_transport *)((char *)space - offsetof(struct fake_transport, space));
}

static int fake_dma_map(struct address_space *space, const struct address_space_range *range)
{
	struct fake_transport *fake = fake_of_space(space);
	int result = fake_called(fake, FAKE_DMA_MAP);

	if (result)
		return result;
	fake->dma[fake->dma_count++] =
		(struct fake_dma){range->address, range->size, range->device_memory};
	return 0;
}

static int fake_dma_unmap(struct address_space *space, uint64_t address, uint64_t size)
{
	struct fake_transport *fake = fake_of_space(space);

	fake_called(fake, FAKE_DMA_UNMAP);
	for (uint32_t i = 0; i < fake->dma_count; i++) {
		if (fake->dma[i].address != address || fake->dma[i].size != size)
			continue;
		fake->dma[i] = fake->dma[--fake->dma_count];
		return 0;
	}
	cr_assert(false, "unmap of %lx that was never mapped", (unsigned long)address);
	return -ENOENT;
}

static void fake_close(struct vfio_transport *transport)
{
	fake_of(transport)->closed = true;
}

static const struct vfio_transport_ops fake_ops = {
	.get_device_info = fake_device_info,
	.get_region_info = fake_region_info,
	.get_irq_info = fake_irq_info,
	.region_read = fake_read,
	.region_read_dwords = fake_read_dwords,
	.region_write = fake_write,
	.map = fake_map,
	.mapping_intact = fake_intact,
	.set_irqs = fake_irqs,
	.reset = fake_reset,
	.close = fake_close,
};

static const struct address_space_ops fake_space_ops = {
	.name = "fake",
	.map = fake_dma_map,
	.unmap = fake_dma_unmap,
};

void fake_init(struct fake_transport *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake->transport.ops = &fake_ops;
	fake->transport.name = "fake";
	fake->transport.space = &fake->space;
	address_space_init(&fake->space, &fake_space_ops, NULL);
	fake->contract = 2;
	fake->block_offset = 0x100000;
	fake->dpa_size = 0x10000000;
	fake->committed = true;
	fake->vectors = 8;
}

static void fake_config(struct fake_transport *fake)
{
	uint8_t *config = fake->config;

	bytes_put_le32(config, 0xcafe1af4);
	bytes_put_le32(config + 8, fake->host_only ? 0x05021000 : 0x03020000);
	bytes_put_le32(config + 0x10, 0xc);
	config[0x3d] = (uint8_t)fake->pin;
	config[6] = 0x10;
	config[0x34] = 0x40;
	bytes_put_le32(config + 0x40, 0x00028010); /* Express v2 */
	bytes_put_le32(config + 0x80, 0x00000011 | (fake->vectors - 1) << 16);
	bytes_put_le32(config + 0x84, 0x1002);
	bytes_put_le32(config + 0x88, 0x2002);
	bytes_put_le32(config + 0x100, 0x14010023);
	bytes_put_le32(config + 0x104, 0x1e98 | 2 << 16 | 0x3cu << 20);
	bytes_put_le16(config + 0x10a, fake->host_only ? 0x16 : 0x97);
	bytes_put_le32(config + 0x11c, 0x10000003);
	bytes_put_le32(config + 0x140, 0x16010023);
	bytes_put_le32(config + 0x144, 0x1e98 | 2 << 16 | 0x20u << 20);
	bytes_put_le16(config + 0x148, 7);
	bytes_put_le32(config + 0x160, 0x00010023);
	bytes_put_le32(config + 0x164, 0x1e98 | 0x14u << 20);
	bytes_put_le16(config + 0x168, 8);
	bytes_put_le32(config + 0x16c, (uint32_t)fake->block_offset | 1 << 8 | 0);
	if (fake->contract == -1)
		bytes_put_le32(config + 0x100, 0);
	if (fake->power_reset) {
		config[0x81] = 0x90;
		bytes_put_le32(config + 0x90, 0x00030001);
	}
}

void fake_start(struct fake_transport *fake)
{
	uint8_t *block = fake->block;

	fake->memory = memfd_create("fake", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	cr_assert_eq(ftruncate(fake->memory, (off_t)(BAR0_SIZE + fake->dpa_size)), 0);
	fake_config(fake);
	bytes_put_le32(block + 0x1000, 1 | 0x11 << 16 | 2u << 24);
	bytes_put_le32(block + 0x1004, 2 | 2 << 16 | 0x80u << 20);
	bytes_put_le32(block + 0x1008, 5 | 1 << 16 | 0x110u << 20);
	bytes_put_le32(block + HDM, fake->decoder_code);
	bytes_put_le32(block + HDM + 4, 2);
	if (fake->committed) {
		bytes_put_le64(block + HDM + 0x10, 0x4000000000);
		bytes_put_le64(block + HDM + 0x18, (fake->dpa_size + 0xfffffff) & ~0xfffffffull);
		bytes_put_le32(block + HDM + 0x20, 0x700 | (fake->host_only ? 0x1000 : 0));
	}
}

void fake_free(struct fake_transport *fake)
{
	close(fake->memory);
}
