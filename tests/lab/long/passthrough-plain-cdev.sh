# SPDX-License-Identifier: Apache-2.0
# As passthrough-plain, by character device and iommufd.
# lab: kernel=iommufd
# lab: timeout=1800
# lab: memory=4G
# lab: qemu=-drive file=@RUN@/scratch.img,format=raw,if=none,id=nvme0,snapshot=on,file.locking=off -device nvme,drive=nvme0,serial=cxvm,bus=pcie.0
# lab: qemu=-drive file=@RUN@/scratch.img,format=raw,if=none,id=vblk,snapshot=on,file.locking=off -device virtio-blk-pci,drive=vblk,serial=passed,disable-legacy=on,iommu_platform=on,bus=pcie.0
# lab: qemu=-drive file=@RUN@/scratch.img,format=raw,if=none,id=sata0,snapshot=on,file.locking=off -device ich9-ahci,id=ahci,bus=pcie.0 -device ide-hd,drive=sata0,bus=ahci.0
# lab: qemu=-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0,bus=pcie.0
# lab: qemu=-device pcie-root-port,id=rp0,bus=pcie.0,chassis=2,slot=2 -netdev hubport,id=n1,hubid=0 -device e1000e,netdev=n1,bus=rp0,mac=52:54:00:00:00:11
# lab: qemu=-netdev hubport,id=n2,hubid=0 -device igb,netdev=n2,bus=pcie.0,mac=52:54:00:00:00:12
# lab: qemu=-device pcie-root-port,id=rp1,bus=pcie.0,chassis=1,slot=1 -netdev hubport,id=n3,hubid=0 -device e1000e,netdev=n3,bus=rp1,addr=0.0,multifunction=on,mac=52:54:00:00:00:13 -device e1000e,bus=rp1,addr=0.1,mac=52:54:00:00:00:14
# shellcheck shell=bash disable=SC2034
prefix=plain-cdev way=vfio-cdev
source "$LAB/long/passthrough-plain.sh"
