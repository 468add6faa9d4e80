# SPDX-License-Identifier: Apache-2.0
# 1,000 cycles, 200 resets, 100 kills: tests/lab/run tests/lab/long/driver-endurance.sh
# lab: timeout=2400
# lab: memory=4G
# lab: append=memmap=1G$0x40000000
# lab: accel-sim=--topology C --contract none --dpa 1G --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000
# shellcheck shell=bash disable=SC2034
cycles=1000 resets=200 kills=100
source "$LAB/driver-stress.sh"
