#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do all architectures define what arch/arch.h declares, and nothing else under its names?

usage: architectures.py ARCH_H NM STUB_SOURCE --objects FOLDER... (one list of objects an architecture)

The stub must also name each of its functions, with a reason, in its table of gaps.
"""
import re
import subprocess
import sys


def declared(path):
    with open(path, encoding="utf-8") as header:
        text = re.sub(r"/\*.*?\*/|#[^\n]*", "", header.read(), flags=re.S)
    return set(re.findall(r"^[a-z][\w \*]*?\b(arch_\w+)(?:\([^;{}]*\)|\[\]);", text, flags=re.S | re.M))


def defined(nm, objects):
    lines = subprocess.run([nm, "--defined-only", "--extern-only", *objects], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^[0-9a-f]+ [TRDB] (arch_\w+)$", lines, flags=re.M))


def named(path):
    with open(path, encoding="utf-8") as source:
        rows = re.findall(r'\{"(arch_\w+)",\s*((?:"[^"]*"\s*)+)\}', source.read())
    return {name for name, reason in rows if len(reason) > 4}


def main():
    header, nm, stub = sys.argv[1:4]
    wanted = declared(header)
    lists, current = [], None
    for argument in sys.argv[4:]:
        if argument == "--objects":
            current = []
            lists.append(current)
        else:
            current.append(argument)
    problems = []
    if len(wanted) < 15 or len(lists) < 2:
        problems.append(f"{len(wanted)} declarations in {len(lists)} architectures: nothing is compared")
    for objects in lists:
        have = defined(nm, objects)
        problems += [f"{name} is declared, but not in {objects[0]} and what is with it" for name in sorted(wanted - have)]
        problems += [f"{name} of {objects[0]} and what is with it is not declared" for name in sorted(have - wanted)]
    gaps = named(stub)
    problems += [f"{name} is missing in {stub} without a reason" for name in sorted(wanted - gaps - {"arch_gaps"})]
    problems += [f"{name} is a gap in {stub}, but not declared" for name in sorted(gaps - wanted)]
    print("\n".join(problems) if problems else f"{len(wanted)} names, {len(lists)} architectures")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
