//! A plug-in that fails, panics, or answers wrongly: each is an error at the caller, who goes on.
use zcx::{Answer, Array, Calculator, Envelope, Error, Result};
use zcx_tests::misbehaving;

fn open(how: &str) -> Result<Calculator> {
    let plugin = misbehaving();
    Calculator::open(&format!(
        r#"{{"name": "test", "type": "misbehave", "plugin": "{}", "options": {{"how": "{how}"}}}}"#,
        plugin.display()
    ))
}

fn calculate(how: &str, data: &[u8]) -> Result<Answer> {
    open(how).unwrap().calculate(data, &Envelope::json())
}

fn fails(how: &str, says: &[&str]) {
    let error = calculate(how, b"12345").unwrap_err();
    assert!(matches!(error, Error::Failed(_)), "{how}: {error:?}");
    assert!(error.message().starts_with("calculator 'test': "), "{error}");
    for says in says {
        assert!(error.message().contains(says), "{how}: {error}");
    }
}

#[test]
fn a_panic_is_the_callers_error_with_message_and_place() {
    fails("panic", &["it panicked: at 5 bytes, 100% of %s", "misbehave.rs:"]);
    fails("panic with a number", &["it panicked: no message", "misbehave.rs:"]);
    fails("index", &["it panicked: index out of bounds"]);
}

#[test]
fn a_calculator_goes_on_after_a_panic() {
    let calculator = open("panic").unwrap();
    for _ in 0..3 {
        calculator.calculate(b"12345", &Envelope::raw()).unwrap_err();
    }
    calculator.close().unwrap();
}

#[test]
fn panics_of_others_are_printed_as_ever() {
    let calculator = open("").unwrap();
    let panicked = std::thread::spawn(|| panic!("of a test; this line belongs here")).join();
    assert!(panicked.is_err());
    drop(calculator);
}

#[test]
fn a_failure_is_the_callers_error() {
    fails("fail", &["it cannot do %s and %n"]);
    fails("parse", &["invalid float"]);
    fails("answer twice", &["answered twice"]);
    fails("nothing", &["without an answer"]);
    fails("wrong type", &["is no array"]);
    fails("too many rows", &["4 rows"]);
    let large = calculate("too large", b"").unwrap_err();
    assert!(matches!(large, Error::LimitExceeded(_)), "{large:?}");
    fails("no such dtype", &["<q9"]);
}

#[test]
fn what_cannot_be_created_is_not_opened() {
    assert!(open("create fails").unwrap_err().message().contains("it does not want to"));
    assert!(open("create panics").unwrap_err().message().contains("it panicked: it cannot"));
}

#[test]
fn a_panic_in_drop_goes_nowhere() {
    open("drop panics").unwrap().close().unwrap();
}

#[test]
fn answers_of_each_kind_arrive() {
    let rows = calculate("rows", b"").unwrap();
    let array = rows.array().unwrap();
    assert_eq!((array.shape(), array.slice::<i32>().unwrap()), (&[2, 2][..], &[1, 2, 3, 4][..]));
    let shout = calculate("shout", "\"zürich\"".as_bytes()).unwrap();
    assert_eq!(shout.text().unwrap(), "\"ZÜRICH\"");
    let columns = calculate("columns", b"").unwrap();
    let value = columns.value().unwrap();
    assert_eq!(value.array("t").unwrap().slice::<i64>().unwrap(), [5, 6]);
    assert_eq!(value.array("u").unwrap().slice::<u8>().unwrap(), [7, 8]);
    let optional = open("optional").unwrap();
    let optional = optional.calculate_msgpack(|p| {
        p.map(1).str("there").array(&Array::of(&[1i8], &[1]));
    });
    assert_eq!(optional.unwrap().slice::<u8>().unwrap(), [1, 0]);
}
