#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Functions of the product that only tests call. Each has to be on the list below, with its reason, or to be wired or deleted.

Usage: uncalled.py NM OBJECT...      the objects of all rooms, of the command and of the simulator
"""
import collections
import os
import re
import subprocess
import sys

WAIT = "for what a machine does while it runs: the control socket calls it"
SEEN = "tests look at what the product only keeps or logs"
SEAM = "where a test puts something of its own in"
ALLOWED = {
    "virtio_balloon_set_size": WAIT,
    "virtio_balloon_get_size": WAIT,
    "virtio_balloon_get_statistics": WAIT,
    "virtio_console_resize": WAIT,
    "virtio_net_set_link": WAIT,
    "pci_root_reset": WAIT,
    "cxl_host_bridge_reset": WAIT,
    "cxl_component_report": WAIT,
    "guest_memory_visit_windows": SEEN,
    "hdm_decoder_get": SEEN,
    "debug_ports_timings": SEEN,
    "serial_backend_dropped": SEEN,
    "serial_backend_pty_path": SEEN,
    "passthrough_is_lost": SEEN,
    "virtio_transitions": SEEN,
    "passthrough_adopt": SEAM,
    "options_parse": SEAM,
}


def symbols(nm, path):
    for line in subprocess.run([nm, path], stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines():
        words = line.split()
        if len(words) >= 2:
            yield words[-2], words[-1]


def called_inside(path, name):
    """A call that stays in its own object leaves no undefined symbol: the relocations or the source tell; the source is simpler."""
    match = re.search(r"CMakeFiles/[^/]+\.dir/(.*)\.o$", path)
    source = match.group(1).replace("__/", "../") if match else ""
    for folder in (os.getcwd(), os.path.dirname(path.split("CMakeFiles")[0])):
        file = os.path.normpath(os.path.join(folder, source))
        if os.path.isfile(file):
            with open(file, encoding="utf-8") as text:
                return len(re.findall(rf"\b{re.escape(name)}\b", text.read())) > 1
    sys.exit(f"uncalled: no source for {path}")


def main():
    nm, objects = sys.argv[1], sys.argv[2:]
    defined, wanted = {}, collections.Counter()
    for path in objects:
        for kind, name in symbols(nm, path):
            if kind == "T":
                defined[name] = path
            elif kind == "U":
                wanted[name] += 1
    uncalled = {
        name for name, path in defined.items()
        if not wanted[name] and not name.startswith("cxvm_") and name != "main" and not called_inside(path, name)
    }
    for name in sorted(uncalled - set(ALLOWED)):
        print(f"{name}: nobody but tests calls it; wire or delete it, or say in tests/house/uncalled.py why it stays")
    for name in sorted(set(ALLOWED) - uncalled):
        print(f"{name}: it is called, or gone: take it off the list in tests/house/uncalled.py")
    return 1 if uncalled != set(ALLOWED) or len(objects) < 100 else 0


sys.exit(main())
