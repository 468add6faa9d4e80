# SPDX-License-Identifier: Apache-2.0
# The host driver under load, on the 6.12 kernel.
# lab: timeout=200
# lab: kernel=6.12
# lab: memory=4G
# lab: append=memmap=1G$0x40000000
# lab: accel-sim=--topology C --contract none --dpa 1G --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000
# shellcheck shell=bash disable=SC2034
cycles=10 resets=20 kills=4
source "$LAB/driver-stress.sh"
