#!/bin/sh
# Installs the build into a place of its own, moves it, and uses it: by CMake, by pkg-config, by the
# command. Usage: install.sh <build directory> <tests/install>
set -eu
build=$1 user=$2
work=$(mktemp -d) store=$(mktemp -d /dev/shm/zcx-test-XXXXXX)
trap 'rm -rf "$work" "$store"' EXIT

cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/prefix"
prefix=$work/prefix
library=$(find "$prefix" -name libzcx.so.0)
objdump -p "$library" | grep -q 'SONAME *libzcx.so.0$'

echo "-- CMake package"
cmake -S "$user" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/cmake" >/dev/null
"$work/cmake/user" "$store/a"

echo "-- pkg-config"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name zcx.pc)")
export PKG_CONFIG_PATH
cc "$user/main.c" -o "$work/user" $(pkg-config --cflags --libs zcx) -Wl,-rpath,"$(dirname "$library")"
"$work/user" "$store/b"

echo "-- command and man page"
test "$("$prefix/bin/zcx" get -p "$store/b" key)" = hello
test -s "$prefix/share/man/man1/zcx.1"
timeout 60 "$prefix/bin/zcx" sweep -p "$store/b" --every 10ms --json | head -n 1 | grep -q looked
grep -q "^ExecStart=$work/first/bin/zcx sweep" "$prefix/lib/systemd/system/zcx-sweep@.service"
