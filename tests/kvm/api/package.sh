#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The library as it is installed: symbols, linkage, header, pkg-config, CMake package, man pages.
# Usage: package.sh SOURCE-DIR BUILD-DIR CC CXX
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source_dir=$1 build_dir=$2 cc=$3 cxx=$4
header=$source_dir/include/cxvm/cxvm.h
shared=$build_dir/vmm/libcxvm.so static=$build_dir/vmm/libcxvm.a
strict=(-std=c17 -Wall -Wextra -Wpedantic -Werror -I"$source_dir/include")
libraries=(-ljansson -luring -lseccomp -lpthread)

# --- every declared function is exported, and nothing else is
sed -n 's/^CXVM_API [^(]*[ *]\(cxvm_[a-z_]*\)(.*/\1/p' "$header" | sort >"$work/declared"
check "header declares functions" test "$(wc -l <"$work/declared")" -gt 20
nm -D --defined-only "$shared" | awk '{ print $3 }' | sort >"$work/exported"
check "shared library exports what the header declares and nothing else" diff "$work/declared" "$work/exported"
nm --defined-only --extern-only "$static" | awk 'NF == 3 { print $3 }' | sort >"$work/static"
check "static library has what the header declares and nothing else" diff "$work/declared" "$work/static"

# --- linkage: the address of every function
{
    echo '#include <cxvm/cxvm.h>'
    echo 'typedef void (*function)(void);'
    echo 'static const function functions[] = {'
    sed 's/.*/	(function)&,/' "$work/declared"
    echo '};'
    echo 'int main(void) { for (unsigned i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) if (!functions[i]) return 1; return !cxvm_version(); }'
} >"$work/linkage.c"
check "links with the shared library" "$cc" "${strict[@]}" "$work/linkage.c" -o "$work/linked-shared" "$shared"
check "runs with the shared library" env LD_LIBRARY_PATH="$build_dir/vmm" "$work/linked-shared"
check "links with the static library" "$cc" "${strict[@]}" "$work/linkage.c" -o "$work/linked-static" "$static" "${libraries[@]}"
check "runs with the static library" "$work/linked-static"
printf '#include <cxvm/cxvm.h>\nint event_loop_create(void);\nint main(void) { return event_loop_create(); }\n' >"$work/internal.c"
check "internal functions cannot be linked" bash -c '! "$@"' - "$cc" "${strict[@]}" "$work/internal.c" -o "$work/internal" "$static" "${libraries[@]}"
# A program may have functions of the names that the library uses inside.
printf '#include <cxvm/cxvm.h>\nint event_loop_create(void) { return 0; }\nint main(void) { return event_loop_create() || !cxvm_version(); }\n' >"$work/clash.c"
check "internal names do not clash" "$cc" "${strict[@]}" "$work/clash.c" -o "$work/clash" "$static" "${libraries[@]}"

# --- the headers stand alone, in C and in C++
for file in "$source_dir"/include/cxvm/*.h; do
    name=cxvm/$(basename "$file")
    printf '#include <%s>\n#include <%s>\nint nothing;\n' "$name" "$name" >"$work/alone.c"
    check "$name stands alone in C" "$cc" "${strict[@]}" -c "$work/alone.c" -o "$work/alone.o"
done
cat >"$work/plus.cc" <<'END'
#include <cxvm/cxvm.h>
int main()
{
	cxvm_create_options options = {};
	cxvm *vm = nullptr;
	options.size = sizeof(options);
	if (cxvm_create(&vm, &options))
		return 1;
	cxvm_state state = cxvm_get_state(vm);
	cxvm_destroy(vm);
	return state != CXVM_STATE_CREATED;
}
END
check "C++ program links" "$cxx" -std=c++11 -Wall -Wextra -Werror -I"$source_dir/include" "$work/plus.cc" -o "$work/plus" "$shared"
check "C++ program runs" env LD_LIBRARY_PATH="$build_dir/vmm" "$work/plus"

# --- installed
prefix=$work/installed
check "cmake --install" cmake --install "$build_dir" --prefix "$prefix"
check "installed command runs" "$prefix/bin/cxvm" --version
# Somewhere else than where it was configured and installed.
mv "$prefix" "$work/moved"
prefix=$work/moved
pc=$(find "$prefix" -name cxvm.pc)
check "pkg-config file is installed" test -n "$pc"
export PKG_CONFIG_PATH=${pc%/*}
check "pkg-config validates" pkg-config --validate cxvm
pkg_flags() { pkg-config "$@" cxvm; }
# shellcheck disable=SC2046
check "project with pkg-config builds" "$cc" -Wall -Wextra -Werror "$source_dir/examples/boot.c" -o "$work/pc-boot" $(pkg_flags --cflags --libs)
check "project with pkg-config runs" bash -c 'LD_LIBRARY_PATH=$(pkg-config --variable=libdir cxvm) "$1"; test $? = 2' - "$work/pc-boot"
mkdir "$work/project"
cat >"$work/project/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(outside C)
find_package(cxvm 0.1 REQUIRED)
find_package(Threads REQUIRED)
add_executable(outside pause.c)
target_link_libraries(outside PRIVATE cxvm::cxvm Threads::Threads)
END
cp "$source_dir/examples/pause.c" "$work/project/"
check "project with find_package configures" cmake -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc"
check "project with find_package builds" cmake --build "$work/project/build"
check "project with find_package runs" bash -c '"$1"; test $? = 2' - "$work/project/build/outside"

# --- man pages
for page in cxvm.1 libcxvm.3; do
    check "$page is installed" test -s "$prefix/share/man/man${page##*.}/$page"
    if command -v groff >/dev/null; then
        groff -man -ww -Tutf8 -z "$source_dir/docs/man/$page" 2>"$work/groff.log"
        check "$page has no roff warning" diff /dev/null "$work/groff.log"
    else
        skip "$page has no roff warning" "groff is not installed"
    fi
done
# Every option of the help text is in the man page and in docs/cli.md.
"$build_dir/vmm/cxvm" run --help | grep -o -- '--[a-z][a-z-]*' | sort -u | grep -v -x -e '--name' >"$work/options"
while read -r option; do
    check "cxvm.1 names $option" grep -qF -- "${option//-/\\-}" "$source_dir/docs/man/cxvm.1"
    check "docs/cli.md names $option" grep -qF -- "$option" "$source_dir/docs/cli.md"
done <"$work/options"
finish
