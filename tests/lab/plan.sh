# SPDX-License-Identifier: Apache-2.0
# Which cases share a boot of the lab machine, and in which order. Functions from files and words to words, without a lab:
# tests/lab/test-plan looks at what they say. Sourced by tests/lab/run.
# shellcheck shell=bash

# needs_of FILE: its header lines "# lab: key=value", without those that do not concern the machine.
needs_of() { sed -n 's/^# lab: //p' "$1" | grep -v '^timeout=' || true; }

# need NEEDS KEY: the values of KEY, one a line
need() { sed -n "s/^$2=//p" <<<"$1"; }

# own_kernels_of FOLDER FILE...: arguments of tests/lab/build for the kernels that cases ask for and Debian does not build, those
# with a FOLDER/NAME.config.
own_kernels_of() {
    local folder=$1 name
    shift
    for name in $(sed -n 's/^# lab: kernel=//p' "$@" | sort -u); do
        [[ ! -f $folder/$name.config ]] || printf -- '--kernel %s ' "$name"
    done
}

# limit_of FILE: seconds that the case may take on a machine that is not slow
limit_of() {
    local limit
    limit=$(sed -n 's/^# lab: timeout=//p' "$1")
    printf '%d\n' "${limit:-120}"
}

# plan_cases SHARE FILE...: fills plan_needs, plan_limits and plan_names, one entry for each boot. Cases with the same needs share
# one. SHARE is K/N: the longest boots go first, each to the part of N that has the least so far, and part K is what is filled in.
plan_cases() {
    local share=$1 path needs index part other
    local -A limits=() names=()
    local -a order=() load=()
    shift
    plan_needs=() plan_limits=() plan_names=()
    for path in "$@"; do
        needs=$(needs_of "$path")
        [[ -n ${names[x$needs]:-} ]] || order+=("$needs")
        names[x$needs]+="$(basename "$path" .sh) "
        # A minute for the boot itself.
        limits[x$needs]=$((${limits[x$needs]:-60} + $(limit_of "$path")))
    done
    while read -r _ index; do
        needs=${order[index]}
        part=0
        for ((other = 1; other < ${share#*/}; other++)); do
            ((${load[other]:-0} >= ${load[part]:-0})) || part=$other
        done
        load[part]=$((${load[part]:-0} + ${limits[x$needs]}))
        ((part + 1 == ${share%/*})) || continue
        plan_needs+=("$needs") plan_limits+=("${limits[x$needs]}") plan_names+=("${names[x$needs]% }")
    done < <(for index in "${!order[@]}"; do printf '%d %d\n' "${limits[x${order[index]}]}" "$index"; done | sort -rn)
}
