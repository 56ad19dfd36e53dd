#!/bin/sh
# The peer with itself: every format and size, a wrong payload, and a call.
# Usage: peer.sh <peer> <transform.so>
set -eu
peer=$1 plugin=$2
work=$(mktemp -d /dev/shm/zcx-test-XXXXXX)
trap 'rm -rf "$work"' EXIT

for format in raw json msgpack numpy; do
    for size in 0 1 1000 1000000; do
        "$peer" write "$work/store" key $format $size
        "$peer" read "$work/store" key $format $size
    done
    "$peer" write "$work/store" other $format 100
    ! "$peer" read "$work/store" key $format 100 2>"$work/why" || exit 1
    grep -q 'not as expected' "$work/why"
done
! "$peer" read "$work/store" none raw 1 2>/dev/null || exit 1
! "$peer" write "$work/store" key csv 1 2>/dev/null || exit 1
! "$peer" 2>/dev/null || exit 1

"$peer" write "$work/store" numbers msgpack 64
cat >"$work/config.json" <<END
{"name": "peer", "calculator": "cpp", "type": "transform", "plugin": "$plugin",
 "options": {"operation": "clip", "high": 1, "array": "a"},
 "lmdb_enabled": true, "lmdb_db_path": "$work/store"}
END
"$peer" call "$work/config.json" numbers >"$work/result"
printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\340\077' | cmp -n 16 - "$work/result"
test "$(wc -c <"$work/result")" = 64
