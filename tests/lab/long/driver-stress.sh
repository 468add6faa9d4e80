# SPDX-License-Identifier: Apache-2.0
# The host driver under load.
# lab: timeout=200
# lab: memory=4G
# lab: append=memmap=1G$0x40000000
# lab: accel-sim=--topology C --contract none --dpa 1G --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000
# shellcheck shell=bash disable=SC2034
cycles=15 resets=30 kills=6
source "$LAB/driver-stress.sh"
