//! The peer with itself: every format and size, a wrong payload, and a call.
use std::fs;
use std::process::{Command, Output};
use zcx_tests::place::Place;
use zcx_tests::rust_calculator;

fn peer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_peer")).args(arguments).output().expect("the peer")
}

#[test]
fn the_peer_reads_what_it_writes() {
    let place = Place::new();
    drop(place.store());
    let store = place.path().join("store");
    let store = store.to_str().unwrap();
    for format in ["raw", "json", "msgpack", "numpy"] {
        for size in ["0", "1", "1000", "1000000"] {
            assert!(peer(&["write", store, "key", format, size]).status.success());
            assert!(peer(&["read", store, "key", format, size]).status.success());
        }
        let wrong = peer(&["read", store, "key", format, "100"]);
        assert_eq!(wrong.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&wrong.stderr).contains("of 100 bytes"));
    }
    assert_eq!(peer(&["read", store, "none", "raw", "1"]).status.code(), Some(1));
    assert!(!peer(&[]).status.success());

    assert!(peer(&["write", store, "numbers", "msgpack", "64"]).status.success());
    let config = place.path().join("config.json");
    let more = r#", "options": {"operation": "clip", "high": 1, "array": "a"}"#;
    let plugin = rust_calculator("transform");
    fs::write(&config, place.config(&plugin, "transform", more)).unwrap();
    let called = peer(&["call", config.to_str().unwrap(), "numbers"]);
    assert!(called.status.success(), "{}", String::from_utf8_lossy(&called.stderr));
    let numbers: Vec<u8> =
        [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0f64].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(called.stdout, numbers);
}
