/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/view/capability_policy.h"

#include <linux/pci_regs.h>
#include <stddef.h>

static const struct capability_policy conventional[] = {
	{PCI_CAP_ID_PM, CAPABILITY_VIRTUAL, NULL},
	{PCI_CAP_ID_VPD, CAPABILITY_HIDDEN, "its data register needs access to the device"},
	{PCI_CAP_ID_MSI, CAPABILITY_VIRTUAL, NULL},
	{PCI_CAP_ID_VNDR, CAPABILITY_COPY, NULL},
	{PCI_CAP_ID_SSVID, CAPABILITY_COPY, NULL},
	{PCI_CAP_ID_EXP, CAPABILITY_VIRTUAL, NULL},
	{PCI_CAP_ID_MSIX, CAPABILITY_VIRTUAL, NULL},
	{PCI_CAP_ID_SATA, CAPABILITY_COPY, NULL},
	{PCI_CAP_ID_AF, CAPABILITY_HIDDEN, "reset is offered by the PCI Express capability"},
	{PCI_CAP_ID_EA, CAPABILITY_HIDDEN, "BARs are virtual"},
};

static const struct capability_policy extended[] = {
	{PCI_EXT_CAP_ID_ERR, CAPABILITY_HIDDEN, "errors are handled by the host"},
	{PCI_EXT_CAP_ID_VC, CAPABILITY_HIDDEN, "virtual channels belong to the host's link"},
	{PCI_EXT_CAP_ID_DSN, CAPABILITY_COPY, NULL},
	{PCI_EXT_CAP_ID_PWR, CAPABILITY_COPY, NULL},
	{PCI_EXT_CAP_ID_VNDR, CAPABILITY_COPY, NULL},
	{PCI_EXT_CAP_ID_ACS, CAPABILITY_HIDDEN, "isolation is the host's"},
	{PCI_EXT_CAP_ID_ARI, CAPABILITY_HIDDEN, "one function alone"},
	{PCI_EXT_CAP_ID_ATS, CAPABILITY_HIDDEN, "no virtual IOMMU"},
	{PCI_EXT_CAP_ID_SRIOV, CAPABILITY_HIDDEN, "virtual functions are created by the host"},
	{PCI_EXT_CAP_ID_PRI, CAPABILITY_HIDDEN, "no virtual IOMMU"},
	{PCI_EXT_CAP_ID_REBAR, CAPABILITY_HIDDEN, "BAR sizes are fixed by the host"},
	{PCI_EXT_CAP_ID_LTR, CAPABILITY_HIDDEN, "link power management is the host's"},
	{PCI_EXT_CAP_ID_SECPCI, CAPABILITY_HIDDEN, "the link is the host's"},
	{PCI_EXT_CAP_ID_PASID, CAPABILITY_HIDDEN, "no virtual IOMMU"},
	{PCI_EXT_CAP_ID_DPC, CAPABILITY_HIDDEN, "errors are handled by the host"},
	{PCI_EXT_CAP_ID_L1SS, CAPABILITY_HIDDEN, "link power management is the host's"},
	{PCI_EXT_CAP_ID_PTM, CAPABILITY_HIDDEN, "the clock is the host's"},
	{PCI_EXT_CAP_ID_DVSEC, CAPABILITY_COPY, NULL},
	{PCI_EXT_CAP_ID_DLF, CAPABILITY_HIDDEN, "the link is the host's"},
	{PCI_EXT_CAP_ID_PL_16GT, CAPABILITY_HIDDEN, "the link is the host's"},
	{PCI_EXT_CAP_ID_DOE, CAPABILITY_HIDDEN,
	 "mailboxes in configuration space are not forwarded"},
};

static const struct capability_policy unknown = {
	.id = 0, .show = CAPABILITY_HIDDEN, .reason = "not known to be safe"};

const struct capability_policy *capability_policy_find(bool is_extended, uint16_t id)
{
	const struct capability_policy *table = is_extended ? extended : conventional;
	size_t count = is_extended ? sizeof(extended) / sizeof(extended[0])
				   : sizeof(conventional) / sizeof(conventional[0]);

	for (size_t i = 0; i < count; i++)
		if (table[i].id == id)
			return &table[i];
	return &unknown;
}
