//! Finds libzcx: in ZCX_LIB_DIR, else where pkg-config says.
use std::env;
use std::process::{exit, Command};

fn main() {
    for name in ["ZCX_LIB_DIR", "PKG_CONFIG", "PKG_CONFIG_PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rustc-link-lib=dylib=zcx");
    for directory in directories() {
        println!("cargo:rustc-link-search=native={directory}");
        println!("cargo:libdir={directory}"); // DEP_ZCX_LIBDIR in a dependent's build.rs
    }
}

fn directories() -> Vec<String> {
    if let Ok(directory) = env::var("ZCX_LIB_DIR") {
        return vec![directory];
    }
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let wanted = concat!("zcx >= ", env!("CARGO_PKG_VERSION"));
    match Command::new(&program).args(["--libs-only-L", "--keep-system-libs", wanted]).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split_whitespace()
            .filter_map(|flag| flag.strip_prefix("-L").map(str::to_owned))
            .collect(),
        Ok(output) => give_up(&String::from_utf8_lossy(&output.stderr)),
        Err(error) => give_up(&format!("{program} cannot be run: {error}")),
    }
}

fn give_up(why: &str) -> ! {
    eprintln!("libzcx was not found. {}", why.trim_end());
    eprintln!(
        "Install it (`make install` in zcx's source), set PKG_CONFIG_PATH to the directory of"
    );
    eprintln!("its zcx.pc, or set ZCX_LIB_DIR to the directory of libzcx.so.");
    exit(1);
}
