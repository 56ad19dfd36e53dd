#!/bin/sh
# Usage: run.sh PROGRAMS WORK MINUTES [TARGET...]
# Runs each fuzz target for so many minutes, from its corpus in the tree and what earlier runs found
# (in WORK). Ends at the first finding, which stays in WORK. With MERGE=1 what was found and reaches
# more goes into the tree's corpus.
set -eu
programs=$1 work=$2 minutes=$3
shift 3
[ "$minutes" -gt 0 ] || { # libFuzzer takes 0 for no end
    echo "run.sh: MINUTES is $minutes, and must be 1 or more" >&2
    exit 2
}
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- envelope reference msgpack pack config manifest queue board store
export ASAN_OPTIONS=handle_abort=1:allocator_may_return_null=1:quarantine_size_mb=16 UBSAN_OPTIONS=print_stacktrace=1
for target; do
    case $target in
        store | board) longest=256 ;;
        *) longest=2048 ;;
    esac
    mkdir -p "$work/$target"
    log=$work/$target.log
    "$programs/fuzz_$target" -max_total_time=$((minutes * 60)) -timeout=60 -rss_limit_mb=4096 \
        -max_len=$longest -print_final_stats=1 -artifact_prefix="$work/$target-" \
        "$work/$target" "$here/corpus/$target" >"$log" 2>&1 || {
        tail -40 "$log" >&2
        echo "$target: a finding, in $work" >&2
        exit 1
    }
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $minutes minutes, no finding"
    [ -z "${MERGE:-}" ] || "$programs/fuzz_$target" -merge=1 -max_len=$longest \
        "$here/corpus/$target" "$work/$target" >>"$log" 2>&1
done
