# SPDX-License-Identifier: Apache-2.0
"""What the tools know of the house: its rooms, who may use whom, and who includes and calls whom.

The rooms are those of CMakeLists.txt (cxvm_room), so that the compiler, the linker, the check and the drawing have one source.
"""
import os
import re
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Programs beside the house: folder -> the folders that their includes may lead to.
BESIDE = {
    "vmm/cli": ["vmm/cli", "include/cxvm"],
    "accel-sim": ["accel-sim", "include/wire", "include/cxvm"],
    "host-driver": ["host-driver"],
}
GROUND = ["include/wire", "include/cxvm"]


class Room:
    def __init__(self, name, folders, private, uses, public_header):
        self.name, self.folders, self.private, self.uses, self.public_header = name, folders, private, uses, public_header
        self.below = set()  # everything that it may use, directly or not
        self.floor = 0


def read(path):
    with open(os.path.join(TOP, path), errors="replace") as file:
        return file.read()


def every_architecture(word):
    """A folder of the architecture that is built stands for those of all."""
    before, here, after = word.partition("${CMAKE_SYSTEM_PROCESSOR}")
    if not here:
        return [word]
    return [before + name + after for name in sorted(os.listdir(os.path.join(TOP, before))) if os.path.isdir(os.path.join(TOP, before, name))]


def rooms():
    """The rooms in the order of CMakeLists.txt, which is from the ground up."""
    found = {}
    for call in re.findall(r"^cxvm_room\(([^)]*)\)", read("CMakeLists.txt"), re.M):
        words = [folder for word in call.split() for folder in every_architecture(word)]
        parts, current = {"": []}, ""
        for word in words[1:]:
            if word in ("PRIVATE", "USES", "LIBRARIES", "PUBLIC_HEADER"):
                current = word
                parts[current] = []
            else:
                parts[current].append(word)
        room = Room(words[0], parts[""], parts.get("PRIVATE", []), parts.get("USES", []), "PUBLIC_HEADER" in parts)
        for used in room.uses:
            room.below |= {used} | found[used].below
            room.floor = max(room.floor, found[used].floor + 1)
        found[room.name] = room
    return found


def sources():
    """Every C file of the product, with what is in git or about to be."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.c", "*.h"], cwd=TOP,
                            capture_output=True, text=True, check=True).stdout.split()
    tops = ("core/", "guest-fw/", "devices/", "passthrough/", "arch/", "vmm/", "accel-sim/", "host-driver/", "include/")
    return sorted(f for f in listed if f.startswith(tops) and os.path.exists(os.path.join(TOP, f)))


def room_of(path, all_rooms):
    folder = os.path.dirname(path)
    for room in all_rooms.values():
        if folder in room.folders or folder in room.private:
            return room
    return None


def includes(path, text):
    """(line, file of the project) for each include that leads to one."""
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
        if not match:
            continue
        for candidate in (match.group(1), "include/" + match.group(1), os.path.dirname(path) + "/" + match.group(1)):
            if os.path.exists(os.path.join(TOP, candidate)):
                yield number, candidate
                break


def code_only(text):
    """Comments and literals blanked, lines kept."""
    token = r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\''
    return re.sub(token, lambda match: "".join("\n" if c == "\n" else " " for c in match.group()), text, flags=re.S)


def definitions(code):
    """Names of the functions that a C file defines for others."""
    names = set()
    for match in re.finditer(r"^([A-Za-z_][^\n;{}#=]*?)\b(\w+)\(([^;{}]*)\)\s*(?:__attribute__\(\(.*?\)\)\s*)?\{", code, re.M | re.S):
        if not re.match(r"(static|typedef|else|return)\b", match.group(1)):
            names.add(match.group(2))
    return names


def calls(texts):
    """file -> {other file: a function of it that the first one calls}, within one top folder."""
    defined, by_file = {}, {}
    for path, text in texts.items():
        if path.endswith(".c"):
            code = code_only(text)
            for name in definitions(code):
                defined.setdefault(name, []).append(path)
            by_file[path] = set(re.findall(r"\b(\w+)\s*\(", code))
    ties = {path: {} for path in by_file}
    for path, names in by_file.items():
        for name in sorted(names):
            owners = defined.get(name, [])
            if len(owners) == 1 and owners[0] != path and owners[0].split("/")[0] == path.split("/")[0]:
                ties[path].setdefault(owners[0], name)
    return ties


def circles(ties):
    """Sets of files in which each reaches each by calls."""
    def reach(start):
        seen, todo = set(), list(ties.get(start, ()))
        while todo:
            at = todo.pop()
            if at not in seen:
                seen.add(at)
                todo += ties.get(at, ())
        return seen
    reached = {path: reach(path) for path in ties}
    found, done = [], set()
    for path in sorted(ties):
        if path in done or path not in reached[path]:
            continue
        circle = sorted(other for other in reached[path] if path in reached.get(other, ()))
        done |= set(circle)
        found.append(circle)
    return found
