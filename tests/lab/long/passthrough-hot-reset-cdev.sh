# SPDX-License-Identifier: Apache-2.0
# As passthrough-hot-reset, by character device and iommufd.
# lab: kernel=iommufd
# lab: timeout=150
# lab: qemu=-device pcie-root-port,id=rp1,bus=pcie.0,chassis=1,slot=1 -device edu,bus=rp1,addr=0.0,multifunction=on -device edu,bus=rp1,addr=0.1
# shellcheck shell=bash disable=SC2034
prefix=hot-reset-cdev way=vfio-cdev
source "$LAB/long/passthrough-hot-reset.sh"
