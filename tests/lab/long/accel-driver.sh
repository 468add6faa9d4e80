# SPDX-License-Identifier: Apache-2.0
# Two accelerators under cxl-vfio-pci in one guest, by group: jobs with MSI-X, both layouts, resets while the engines work.
# lab: timeout=800
# lab: memory=4G
# lab: append=memmap=512M$0x60000000
# lab: accel-sim=--topology C --contract none --dpa 256M --dpa-file @RAM@,offset=0x60000000 --firmware-committed base=0x60000000
# lab: accel-sim=--topology B --contract none --dpa 256M --dpa-file @RAM@,offset=0x70000000 --firmware-committed base=0x70000000
# shellcheck shell=bash disable=SC2034
prefix=accel-driver way=vfio-group
source "$LAB/accel-driver.sh"
accelerators_unbind
