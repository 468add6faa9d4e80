# SPDX-License-Identifier: Apache-2.0
# As driver-uapi, on the 6.12 kernel.
# lab: timeout=240
# lab: kernel=6.12
# lab: memory=4G
# lab: append=memmap=1G$0x40000000
# lab: accel-sim=--topology A --contract none --dpa 256M --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000
# lab: accel-sim=--topology B --decoders 4 --contract none --dpa 256M --dpa-file @RAM@,offset=1280M --firmware-committed base=0x50000000
# lab: accel-sim=--topology C --contract none --dpa 256M --dpa-file @RAM@,offset=1536M --firmware-committed base=0x60000000
# lab: accel-sim=--topology D --decoders 10 --contract none --dpa 256M --dpa-file @RAM@,offset=1792M --firmware-committed base=0x70000000
# shellcheck shell=bash
source "$LAB/cases/driver-uapi.sh"
