# SPDX-License-Identifier: Apache-2.0
# What the lab is made of: packages and kernel modules. Sourced by tests/lab/build; a change here rebuilds what depends on it.
# shellcheck shell=bash disable=SC2034

lab_suite=trixie
lab_backports=trixie-backports
lab_old_suite=bookworm # for the 6.1 guest kernel

# The chroot: runs the outer QEMU, builds kernel modules, and is the source of L1's root image.
lab_chroot_packages=(
    ca-certificates busybox-static e2fsprogs iproute2 iputils-ping kmod pciutils procps socat strace xz-utils zstd cpio curl
    cxl ndctl daxctl acpica-tools numactl
    libfdt1 libjansson4 libmicrohttpd12t64 libseccomp2 liburing2
    gcc-14 make pahole sparse libc6-dev
    "qemu-system-x86/$lab_backports" "qemu-system-common/$lab_backports" "qemu-system-data/$lab_backports" "seabios/$lab_backports" ipxe-qemu
)

# A second chroot, made only for cases with "# lab: kernel=NAME" of a kernel in tests/lab/kernel/, and for tests/lab/dkms: what builds a kernel.
lab_kernel_packages=(
    gcc-14 make flex bison bc libelf-dev libssl-dev libc6-dev perl python3 kmod xz-utils zstd cpio pahole sparse dkms
)

# Left out of L1's root image.
lab_root_excludes=(
    boot dev proc sys run tmp usr/src usr/include usr/share/doc usr/share/man usr/share/locale usr/share/info usr/share/i18n
    usr/lib/gcc usr/libexec/gcc usr/lib/linux-kbuild-* usr/share/zoneinfo usr/share/perl usr/lib/x86_64-linux-gnu/perl-base
    usr/lib/x86_64-linux-gnu/gconv usr/lib/modules usr/lib/firmware var/cache var/lib/apt var/lib/dpkg/info var/log usr/share/ipxe
    usr/bin/x86_64-linux-gnu-gcc-14 usr/bin/x86_64-linux-gnu-lto-dump-14 usr/bin/x86_64-linux-gnu-cpp-14
)

# Module names, closed over their dependencies later; a name that a kernel lacks (or has built in) is passed over.
lab_l1_modules=(
    virtio_pci virtio_blk virtio_net virtio_console virtio_rng virtio_balloon ext4 overlay loop squashfs configfs
    kvm kvm_amd irqbypass vfio vfio_pci vfio_pci_core vfio_iommu_type1 vfio_virqfd iommufd uio_pci_generic pci_stub
    tun tap vhost_net vhost_vsock vsock vmw_vsock_virtio_transport vsock_loopback vsock_diag bridge veth dummy af_packet ipv6
    nvme e1000e igb e1000 ahci sd_mod virtio_scsi null_blk brd
    cxl_core cxl_acpi cxl_pci cxl_mem cxl_port cxl_pmem cxl_pmu dax_cxl device_dax kmem dax_hmem dax_pmem libnvdimm nd_pmem
    msr cpuid edac_core einj aer_inject qemu_fw_cfg binfmt_misc crc32c_generic crc32c_intel crc32_pclmul sch_fq_codel nf_tables
    hmem acpi_configfs pci_endpoint_test rtc_cmos evdev button
)
lab_l2_modules=(
    virtio_pci virtio_mmio virtio_blk virtio_net virtio_console virtio_rng virtio_balloon virtio_mem virtio_pmem virtio_scsi
    vsock vmw_vsock_virtio_transport af_packet ipv6 ext4 crc32c_generic crc32c_intel crc32_pclmul loop
    cxl_core cxl_acpi cxl_pci cxl_mem cxl_port cxl_pmem dax_cxl device_dax kmem dax_hmem libnvdimm nd_pmem
    nvme e1000e igb e1000 evdev button rtc_cmos i8042 atkbd pvpanic pvpanic_mmio pvpanic_pci msr cpuid qemu_fw_cfg uio_pci_generic
    pciehp shpchp ghes einj sd_mod ahci
)
# Programs of the chroot that guests get in a second initrd (tools.cpio).
lab_l2_tools=(usr/bin/lspci usr/bin/setpci usr/bin/cxl usr/bin/daxctl usr/bin/strace usr/sbin/ip usr/bin/acpidump usr/bin/iasl)
