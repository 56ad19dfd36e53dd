#!/bin/sh
# Tests the Rust crates, or only builds them, calculators too, with a third argument "build".
# Usage: check.sh <CMake's build directory> <cargo's target directory> [build]
set -eu
ZCX_LIB_DIR=$(cd "$1/core" && pwd) LD_LIBRARY_PATH=$ZCX_LIB_DIR
mkdir -p "$2"
target=$(cd "$2" && pwd)
export ZCX_LIB_DIR LD_LIBRARY_PATH
cd "$(dirname "$0")"

# Debian's cargo and rustc, with no crate but our own.
debian() {
    command=$1
    shift
    PATH=/usr/bin:$PATH RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc CARGO_HOME=$target/home \
        CARGO_TARGET_DIR=$target /usr/bin/cargo "$command" --offline --locked --quiet "$@"
}

debian build --release
[ "${3-}" != build ] || exit 0
debian build --examples # the plug-in that misbehaves
debian test --lib --bins --tests
# With RUSTC_BOOTSTRAP, rustdoc also looks whether a compile_fail test fails for the error it names.
RUSTC_BOOTSTRAP=1 debian test --doc --package zcx-sys --package zcx-plugin --package zcx

# The crates that need others, where a cargo is that can fetch and build them.
if cargo fetch --locked --quiet --manifest-path zcx-serde/Cargo.toml 2>/dev/null &&
    cargo fetch --locked --quiet --manifest-path zcx-arrow/Cargo.toml 2>/dev/null; then
    for crate in zcx-serde zcx-arrow; do
        CARGO_TARGET_DIR=$target/$crate cargo test --locked --quiet --manifest-path $crate/Cargo.toml
    done
else
    echo "Skipped zcx-serde and zcx-arrow: $(cargo --version) cannot fetch the crates that they need."
fi
