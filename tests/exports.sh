#!/bin/sh
# Compares the headers' ZCX_API functions with the export list and the library's dynamic symbols.
# Usage: exports.sh <zcx.map> <libzcx.so> <include directory>
set -eu
LC_ALL=C
export LC_ALL
map=$1 library=$2 include=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A declaration is one statement: join lines up to the semicolon, then take the name before "(".
sed 's|/\*.*\*/||' "$include"/*.h | tr '\n' ' ' | tr ';' '\n' |
    sed -n 's/.*ZCX_API[^(]*[ *]\(zcx_[a-z0-9_]*\) *(.*/\1/p' | sort >"$work/header"
sed -n 's/^ *\(zcx_[a-z0-9_]*\);.*/\1/p' "$map" | sort >"$work/map"
nm -D --defined-only "$library" | sed -n 's/.* [A-Z] \([A-Za-z0-9_]*\)\(@.*\)*$/\1/p' |
    grep -v '^ZCX_[0-9]*$' | grep -vE '^_(init|fini|edata|end)$|^__bss_start$' | sort >"$work/library"

test -s "$work/header"
diff -u --label "headers ($include)" --label "export list ($map)" "$work/header" "$work/map"
diff -u --label "export list ($map)" --label "library ($library)" "$work/map" "$work/library"
echo "$(wc -l <"$work/map") exported functions agree"
