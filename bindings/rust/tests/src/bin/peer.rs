//! The Rust peer of the cross-language tests:
//!     peer write STORE KEY FORMAT SIZE
//!     peer read STORE KEY FORMAT SIZE       exit status 0 when the payload is as it has to be
//!     peer call CONFIG.json INPUT_KEY       writes the result's payload to standard output
use std::error::Error;
use std::io::Write;
use zcx::{Calculator, Store};
use zcx_tests::payload;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Err(error) = run(&arguments) {
        eprintln!("peer: {error}");
        std::process::exit(1);
    }
}

fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    match *arguments {
        ["write", store, key, format, size] => {
            payload::write(&Store::open(store)?, key, format, size.parse()?)?;
        }
        ["read", store, key, format, size] => {
            let store = Store::open(store)?;
            let view = store.view(key)?;
            payload::check(&view, format, size.parse()?)?;
        }
        ["call", config, key] => {
            let calculator = Calculator::open(&std::fs::read_to_string(config)?)?;
            let store = calculator.store().ok_or("the configuration has no store")?;
            let view = store.view(key)?;
            let answer = calculator.calculate_view(&view)?;
            std::io::stdout().write_all(answer.bytes())?;
        }
        _ => {
            return Err("usage: peer write|read STORE KEY FORMAT SIZE, peer call CONFIG KEY".into())
        }
    }
    Ok(())
}
