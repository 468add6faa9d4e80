# SPDX-License-Identifier: Apache-2.0
# The disk case with 1 GiB.
# lab: timeout=400
# shellcheck shell=bash
disk_bytes=1073741824
source "$LAB/cases/disk.sh"
