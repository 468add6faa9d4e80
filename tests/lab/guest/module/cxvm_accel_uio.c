// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI-X of the simulated accelerator for user space: one UIO device per accelerator, signalled by
 * vector 0. For guests of the tests; it claims no memory, the register window stays reachable
 * through sysfs.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/uio_driver.h>

#define ACCEL_VENDOR 0xcc58
#define ACCEL_DEVICE 0x0001

static irqreturn_t accel_uio_handler(int irq, struct uio_info *info)
{
	return IRQ_HANDLED;
}

static int accel_uio_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct uio_info *info;
	int ret;

	info = devm_kzalloc(&pdev->dev, sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	pci_set_master(pdev);
	ret = pci_alloc_irq_vectors(pdev, 1, 16, PCI_IRQ_MSIX);
	if (ret < 0)
		return ret;
	info->name = "cxvm_accel";
	info->version = "1";
	info->irq = pci_irq_vector(pdev, 0);
	info->handler = accel_uio_handler;
	ret = uio_register_device(&pdev->dev, info);
	if (ret) {
		pci_free_irq_vectors(pdev);
		return ret;
	}
	pci_set_drvdata(pdev, info);
	return 0;
}

static void accel_uio_remove(struct pci_dev *pdev)
{
	uio_unregister_device(pci_get_drvdata(pdev));
	pci_free_irq_vectors(pdev);
	pci_clear_master(pdev);
}

static const struct pci_device_id accel_uio_ids[] = {{PCI_DEVICE(ACCEL_VENDOR, ACCEL_DEVICE)}, {}};
MODULE_DEVICE_TABLE(pci, accel_uio_ids);

static struct pci_driver accel_uio_driver = {
	.name = "cxvm_accel_uio",
	.id_table = accel_uio_ids,
	.probe = accel_uio_probe,
	.remove = accel_uio_remove,
};
module_pci_driver(accel_uio_driver);

MODULE_DESCRIPTION("MSI-X of the simulated accelerator for user space");
MODULE_LICENSE("GPL");
