# SPDX-License-Identifier: Apache-2.0
# 50 cycles of each kind, 100 resets, 20 kills, on the debug kernel (KASAN, lockdep, kmemleak, sleeping checks). (Binding,
# opening and unbinding once takes 8 s there, a third of a second on the stock kernel.)
# lab: kernel=debug
# lab: timeout=3000
# lab: memory=4G
# lab: accel-sim=--topology C --contract none --dpa 256M --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000
# lab: append=memmap=1G$0x40000000
# lab: append=kmemleak=on
# shellcheck shell=bash disable=SC2034
source "$LAB/debug-kernel.sh"
debug_begin
dpa=0x10000000 cycles=50 resets=100 kills=20
source "$LAB/driver-stress.sh"
debug_end
