# SPDX-License-Identifier: Apache-2.0
# 100 cycles of each kind, 200 resets, 40 kills, on the debug kernel (KASAN, lockdep, kmemleak, sleeping checks). With 256 MiB of device memory:
# KASAN makes and drops shadow pages for the driver's mapping of it at each open and close, an eighth of its size, which is most of the time.
# lab: kernel=debug
# lab: timeout=3000
# lab: memory=4G
# lab: accel-sim=--topology C --contract none --dpa 256M --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000
# lab: append=memmap=1G$0x40000000
# lab: append=kmemleak=on
# shellcheck shell=bash disable=SC2034
source "$LAB/debug-kernel.sh"
debug_begin
dpa=0x10000000 cycles=100 resets=200 kills=40
source "$LAB/driver-stress.sh"
debug_end
