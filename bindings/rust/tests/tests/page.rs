//! docs/rust.md works when pasted: its files are written, its commands run, and what it says is printed
//! is printed. Then the example is built by its own page, with nothing but the installed zcx.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use zcx_tests::place::Place;
use zcx_tests::source;

/// A block of a page: the name of its file, if it is one, its language and its text.
fn blocks(page: &str) -> Vec<(Option<&str>, &str, &str)> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find("\n```") {
        let before = rest[..start].trim_end().lines().last().unwrap_or_default();
        let name = before.strip_prefix('`').and_then(|name| name.strip_suffix("`:"));
        let (language, text) = rest[start + 4..].split_once('\n').expect("a language");
        let end = text.find("```").expect("the end of a block");
        found.push((name, language, &text[..end]));
        rest = &text[end + 3..];
    }
    found
}

/// CMake's build directory, from which `make install` would install.
fn build() -> PathBuf {
    let library = std::env::var("ZCX_LIB_DIR").expect("ZCX_LIB_DIR: CMake's build of core/");
    Path::new(&library).parent().expect("CMake's build directory").to_owned()
}

fn run(code: &str, project: &Path) -> String {
    let install = format!("cmake --install {} --prefix ", build().display());
    let code = code.replace("make install PREFIX=", &install);
    let home = project.parent().unwrap();
    let tools = Path::new(&std::env::var("CARGO").unwrap()).parent().unwrap().to_owned();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let done = Command::new("sh")
        .args(["-euc", &code])
        .current_dir(project)
        .env("HOME", home)
        .env("PATH", path)
        .env("ZCX_PATH", home.join("store"))
        .env("CARGO_HOME", home.join("cargo"))
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("ZCX_LIB_DIR")
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .expect("sh");
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{code}\n{why}");
    String::from_utf8(done.stdout).unwrap()
}

/// What the page's last command printed.
fn follow(page: &Path, project: &Path) -> String {
    let mut printed = String::new();
    for (name, language, text) in blocks(&fs::read_to_string(page).unwrap()) {
        match (name, language) {
            (Some(name), _) => write(&project.join(name), text),
            (None, "sh") => printed = run(text, project),
            (None, "text") => assert_eq!(printed, text),
            (None, language) => panic!("a block of {language} that nobody runs"),
        }
    }
    printed
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn the_page_works_when_pasted_and_so_does_the_example() {
    let place = Place::new();
    let (pasted, copied) = (place.path().join("pasted"), place.path().join("copied"));
    fs::create_dir(&pasted).unwrap();
    follow(&source().join("docs/rust.md"), &pasted);
    let example = source().join("examples/calculator-rust");
    for file in ["Cargo.toml", "src/lib.rs", "examples/call.rs"] {
        let text = fs::read_to_string(example.join(file)).unwrap();
        let same = fs::read_to_string(pasted.join(file)).unwrap().starts_with(&text);
        assert!(same, "{file} differs from the page's"); // cargo add appends to Cargo.toml
        write(&copied.join(file), &text);
    }
    let printed = follow(&example.join("README.md"), &copied);
    assert_eq!(printed, "1000000 numbers, the last one is 42\n");
}
