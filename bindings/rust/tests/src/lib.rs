//! What the tests share.
pub mod json;
pub mod payload;
pub mod place;

use std::path::{Path, PathBuf};

/// The repository.
pub fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).expect("the repository").to_owned()
}

/// A calculator in C, built by CMake beside the library that this was linked with.
pub fn c_calculator(name: &str) -> PathBuf {
    let directory = std::env::var("ZCX_LIB_DIR").expect("ZCX_LIB_DIR: CMake's build of core/");
    existing(Path::new(&directory).with_file_name("calculators").join(format!("{name}.so")))
}

/// A calculator in Rust, built by `cargo build --release`.
pub fn rust_calculator(name: &str) -> PathBuf {
    existing(target().join("release").join(format!("lib{name}.so")))
}

/// The plug-in that does it wrong, which `cargo test` builds.
pub fn misbehaving() -> PathBuf {
    let program = std::env::current_exe().expect("this program's path");
    existing(program.ancestors().nth(2).expect("target/debug").join("examples/libmisbehave.so"))
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    let program = std::env::current_exe().expect("this program's path"); // target/debug/deps/x
    program.ancestors().nth(3).expect("cargo's target directory").to_owned()
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is not built", path.display());
    path
}
