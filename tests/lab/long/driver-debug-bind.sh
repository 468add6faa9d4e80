# SPDX-License-Identifier: Apache-2.0
# As driver-bind, on the debug kernel (KASAN, lockdep, kmemleak, sleeping checks).
# (pcie_ports: without ASPM this kernel does not ask firmware for AER. With it, pciehp would find the slot empty, which is ACPI's business here,
# and cut its power: hotplug=off.)
# lab: kernel=debug
# lab: timeout=500
# lab: memory=4G
# lab: accel-sim=--contract none --dpa 256M --uncommitted
# lab: accel-sim=--contract none --dpa 256M --dpa-file @RAM@,offset=512M --firmware-committed base=0x20000000
# lab: accel-sim=--contract none --dpa 256M --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000 --cache-capable
# lab: accel-sim=--contract none --dpa 256M --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000 --config-lock
# lab: accel-sim=--contract none --class memory --dpa 256M --dpa-file @RAM@,offset=1536M --firmware-committed base=0x60000000
# lab: accel-sim=--contract none --dpa 256M --broken block-outside
# lab: accel-sim=--contract none --dpa 256M --broken hdm-count
# lab: qemu=-device pcie-root-port,id=rp0,bus=pcie.0,chassis=1,slot=1,x-speed=5,hotplug=off
# lab: accel-sim=bus=rp0 --contract none --dpa 256M --topology B --dpa-file @RAM@,offset=1792M --firmware-committed base=0x70000000
# lab: append=memmap=1G$0x40000000
# lab: append=kmemleak=on pcie_ports=native
# shellcheck shell=bash disable=SC2034
source "$LAB/debug-kernel.sh"
debug_begin
source "$LAB/cases/driver-bind.sh"
debug_end
