# SPDX-License-Identifier: Apache-2.0
# parallel COMMAND ARG... + COMMAND ARG...: labtool commands side by side; fails when one does.
jobs=
line=
for word in "$@" +; do
    if [ "$word" = + ]; then
        # shellcheck disable=SC2086
        labtool $line &
        jobs="$jobs $!"
        line=
    else
        line="$line $word"
    fi
done
status=0
for job in $jobs; do wait "$job" || status=1; done
exit $status
