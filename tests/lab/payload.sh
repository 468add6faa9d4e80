# SPDX-License-Identifier: Apache-2.0
# What a boot of the lab machine brings along; sourced by tests/lab/run, whose variables it uses.
# shellcheck shell=bash disable=SC2154

# --- the payload: what was built, the cases, the guests' initrds ---------------------------------------------------------------
# guest_programs: the static programs of tests/lab/guest/*.c and the scripts of guest/tests, as an initrd to be appended; and those of l1/*.c,
# which only L1 gets.
guest_programs() {
    local key dir source file
    key=$(cat "$here"/{guest,l1}/*.c "$here"/guest/tests/* "$top"/include/cxvm/accel.h "$out"/guest-modules/*/*.ko 2>/dev/null |
        sha256sum | cut -c1-12)
    dir=$LAB/.guest-extra-$key
    if [[ ! -f $dir/programs.cpio ]]; then
        mkdir -p "$dir.$$/tree/bin" "$dir.$$/tree/tests" "$dir.$$/l1"
        for source in "$here"/{guest,l1}/*.c; do
            [[ $source == */l1/* ]] && file=$dir.$$/l1 || file=$dir.$$/tree/bin
            "${CC:-cc}" -std=gnu17 -O2 -static -pthread -Wall -Wextra -I"$top/include" -o "$file/$(basename "$source" .c)" "$source"
        done
        # /guest-modules/VERSION/*.ko: for guests that run the kernels with headers in the chroot (amd64-6.12, amd64-7)
        mkdir -p "$dir.$$/tree/guest-modules"
        [[ ! -d $out/guest-modules ]] || cp -r "$out/guest-modules/." "$dir.$$/tree/guest-modules/"
        cp "$here"/guest/tests/*.sh "$dir.$$/tree/tests/"
        (cd "$dir.$$/tree" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$dir.$$/programs.cpio"
        mv -T "$dir.$$" "$dir" 2>/dev/null || rm -rf "$dir.$$" # another run may have been faster
    fi
    printf '%s\n' "$dir"
}

make_payload() {
    local tree=$work/payload programs name file
    mkdir -p "$tree"/{bin,lib,modules,initrd,tests/bin,run}
    if [[ -z $build_dir ]]; then
        build_dir=$( (ls -t "$top"/build/{release,debug}/vmm/cxvm 2>/dev/null || true) | awk '!n++ { sub(/\/vmm\/cxvm$/, ""); print }')
    fi
    if [[ -n $build_dir && -d $build_dir ]]; then
        while read -r file; do
            case $(basename "$file") in
                cxvm | cxvm-accel-sim) cp -f "$file" "$tree/bin/" ;;
                libcxvm.so*) cp -af "$file" "$tree/lib/" ;;
            esac
        done < <(find "$build_dir" \( -name cxvm -o -name cxvm-accel-sim -o -name 'libcxvm.so*' \) \( -type f -o -type l \))
        while read -r file; do cp -f "$file" "$tree/tests/bin/"; done < <(
            find "$build_dir"/tests/{kvm,bench,driver} -type f -executable ! -name '*.so*' ! -path '*/CMakeFiles/*' 2>/dev/null
        )
    fi
    [[ -x $tree/bin/cxvm ]] || printf 'lab: no built cxvm found; cases that need it will be skipped\n' >&2
    [[ -d $out/modules ]] && cp -r "$out/modules/." "$tree/modules/"
    # What modprobe knows of the lab's own kernels, which are not in the root image.
    mkdir -p "$tree/kernels"
    for name in "$set_folder"/kernel-*/install/lib/modules; do [[ ! -d $name ]] || cp -r "$name/." "$tree/kernels/"; done
    cp -r "$here" "$tree/tests/"
    [[ -d $top/host-driver ]] && (cd "$top" && git ls-files host-driver | cpio -pd --quiet "$tree")
    [[ -d $top/tests/bench ]] && cp -rn "$top/tests/bench" "$tree/tests/"
    programs=$(guest_programs)
    cp "$programs"/{tree/bin,l1}/* "$tree/bin/"
    cp -r "$programs/tree/guest-modules" "$tree/"
    for name in "$set_folder"/guest/*.cpio; do
        file=$tree/initrd/$(basename "$name")
        cp "$name" "$file"
        # Each archive of a concatenation starts on a 4-byte boundary; cpio pads to 512.
        [[ $(basename "$name") == tools.cpio ]] || cat "$programs/programs.cpio" >>"$file"
    done
}

# pack_payload FILE CASE...: the payload image for one boot.
pack_payload() {
    local image=$1 megabytes
    shift
    printf '%s\n' "$@" >"$work/payload/run/cases"
    megabytes=$(($(du -s -BM "$work/payload" | cut -dM -f1) * 11 / 10 + 32))
    rm -f "$image"
    mke2fs -q -t ext4 -O ^has_journal -m 0 -E lazy_itable_init=1,root_owner=0:0 -d "$work/payload" "$image" "${megabytes}M" >/dev/null
}
