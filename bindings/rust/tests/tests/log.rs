//! Where warnings go; in a program of its own, because the function is the process's.
use std::sync::Mutex;
use zcx::{set_log, Calculator, Envelope, Level};
use zcx_tests::{misbehaving, place::Place};

static SEEN: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

#[test]
fn warnings_go_where_they_are_to_go() {
    set_log(Some(|level, message| {
        SEEN.lock().unwrap().push((level, message.to_owned()));
        panic!("a logger that panics harms nobody; this line belongs here");
    }));
    let place = Place::new();
    let no_store = place.path().join("file");
    std::fs::write(&no_store, "").unwrap();
    let calculator = Calculator::open(&format!(
        r#"{{"name": "test", "type": "misbehave", "plugin": "{}", "lmdb_enabled": true,
            "lmdb_db_path": "{}", "options": {{"how": "shout"}}}}"#,
        misbehaving().display(),
        no_store.display()
    ));
    let calculator = calculator.unwrap();
    assert!(calculator.store().is_none());
    let answer = calculator.calculate(&[b'a'; 900], &Envelope::raw()).unwrap();
    assert_eq!(answer.bytes(), [b'A'; 900], "it went directly");
    set_log(None);
    let seen = SEEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].0, Level::Warning);
    assert!(seen[0].1.contains(no_store.to_str().unwrap()), "{seen:?}");
}
