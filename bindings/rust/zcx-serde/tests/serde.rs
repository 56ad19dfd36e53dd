use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zcx::{Array, Envelope, Format, Store, StoreOptions};
use zcx_serde::{put_json, put_msgpack, read, Elements};

/// A store in a directory that goes with it.
struct Place {
    store: Store,
    path: PathBuf,
}

impl Place {
    fn new(name: &str) -> Place {
        let path = PathBuf::from(format!("/dev/shm/zcx-test-serde-{}-{name}", std::process::id()));
        let options = StoreOptions { budget: 64 << 20, ..Default::default() };
        Place { store: Store::open_with(Some(&path), &options).unwrap(), path }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.path).unwrap();
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    Newtype(i16),
    Tuple(u8, String),
    Struct { a: f32 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Everything<'a> {
    text: &'a str,
    owned: String,
    small: i8,
    large: u64,
    real: f64,
    letter: char,
    nothing: Option<bool>,
    something: Option<bool>,
    unit: (),
    pair: (u16, i64),
    kinds: Vec<Kind>,
    map: BTreeMap<String, Vec<i32>>,
}

fn everything() -> Everything<'static> {
    Everything {
        text: "in the store",
        owned: "Zürich".into(),
        small: -5,
        large: u64::MAX,
        real: 0.1,
        letter: 'é',
        nothing: None,
        something: Some(true),
        unit: (),
        pair: (7, i64::MIN),
        kinds: vec![
            Kind::Unit,
            Kind::Newtype(-1),
            Kind::Tuple(2, "x".into()),
            Kind::Struct { a: 1.5 },
        ],
        map: BTreeMap::from([("a".into(), vec![1, -2]), ("b".into(), vec![])]),
    }
}

#[test]
fn everything_comes_back_from_either_format() {
    let place = Place::new("everything");
    let given = everything();
    put_msgpack(&place.store, "msgpack", &given, &Envelope::raw()).unwrap();
    put_json(&place.store, "json", &given, &Envelope::raw()).unwrap();
    for (key, format) in [("msgpack", Format::Msgpack), ("json", Format::Json)] {
        let view = place.store.view(key).unwrap();
        assert_eq!(view.envelope().unwrap().format, format);
        let got: Everything = read(&view).unwrap();
        assert_eq!(got, given);
        let lies_in_the_store = view.bytes().as_ptr_range().contains(&got.text.as_ptr());
        assert!(lies_in_the_store, "{key}");
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Prices<'a> {
    #[serde(borrow)]
    prices: Elements<'a, f64>,
    #[serde(borrow)]
    flags: Elements<'a, u8>,
}

#[test]
fn arrays_are_read_where_they_lie() {
    let place = Place::new("arrays");
    let prices: Vec<f64> = (0..1000).map(f64::from).collect();
    let given = Prices { prices: Elements::of(&prices), flags: Elements::of(&[]) };
    put_msgpack(&place.store, "key", &given, &Envelope::raw()).unwrap();
    let view = place.store.view("key").unwrap();
    let got: Prices = read(&view).unwrap();
    assert_eq!(got, given);
    assert!(view.bytes().as_ptr_range().contains(&got.prices.slice().as_ptr().cast()));
    assert_eq!(view.value().unwrap().array("prices").unwrap().shape(), [1000]);

    put_json(&place.store, "json", &given, &Envelope::raw()).unwrap();
    assert!(place.store.view("json").unwrap().text().unwrap().starts_with(r#"{"prices":[0.0,1.0"#));
}

#[test]
fn typed_arrays_are_lists_of_numbers_too() {
    let place = Place::new("lists");
    macro_rules! check {
        ($($type:ty)*) => {$(
            let values: [$type; 3] = [1 as $type, 2 as $type, 3 as $type];
            place.store.put_msgpack("key", &Envelope::raw(), |p| {
                p.array(&Array::of(&values, &[3]));
            }).unwrap();
            let view = place.store.view("key").unwrap();
            assert_eq!(read::<Vec<$type>>(&view).unwrap(), values);
            assert_eq!(read::<Elements<$type>>(&view).unwrap().slice(), values);
        )*};
    }
    check! { i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 }
}

#[test]
fn what_does_not_fit_says_why() {
    let place = Place::new("wrong");
    let put = |write: &dyn Fn(&mut zcx::Packer)| {
        place.store.put_msgpack("key", &Envelope::raw(), write).unwrap();
        place.store.view("key").unwrap()
    };
    let why = |result: Result<(), zcx_serde::Error>| result.unwrap_err().to_string();
    let view = put(&|p| {
        p.array(&Array::of(&[1.0, 2.0], &[1, 2]));
    });
    assert!(why(read::<Vec<f64>>(&view).map(drop)).contains("[1, 2]"));
    assert!(why(read::<Elements<f64>>(&view).map(drop)).contains("one dimension"));
    let view = put(&|p| {
        p.array(&Array::of(&[1i32], &[1]));
    });
    assert!(why(read::<Elements<f64>>(&view).map(drop)).contains("<i4"));
    let view = put(&|p| {
        p.str("text");
    });
    assert!(why(read::<u32>(&view).map(drop)).contains("invalid type"));
    assert!(why(read::<Kind>(&view).map(drop)).contains("unknown variant"));
    assert!(why(read::<Elements<u8>>(&view).map(drop)).contains("typed array"));
    place.store.put("key", b"{", &Envelope::json()).unwrap();
    assert!(why(read::<u32>(&place.store.view("key").unwrap()).map(drop)).contains("the payload: "));
    place.store.put("key", b"", &Envelope::raw()).unwrap();
    assert!(why(read::<u32>(&place.store.view("key").unwrap()).map(drop)).contains("raw"));

    #[derive(Serialize)]
    struct Flat {
        #[serde(flatten)]
        map: BTreeMap<String, i32>,
    }
    let flat = Flat { map: BTreeMap::new() };
    let failed = put_msgpack(&place.store, "key", &flat, &Envelope::raw()).unwrap_err();
    assert!(failed.to_string().contains("flattened"), "{failed}");
}

#[test]
fn the_json_vectors_are_read_and_the_bad_ones_refused() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../protocol/vectors/json");
    let mut count = 0;
    for entry in std::fs::read_dir(vectors).unwrap() {
        let path = entry.unwrap().path();
        let bad = path.file_name().unwrap().to_str().unwrap().starts_with("bad-");
        let bytes = std::fs::read(&path).unwrap();
        let read = zcx_serde::read_bytes::<serde_json::Value>(&bytes, Format::Json);
        assert_eq!(read.is_err(), bad, "{}", path.display());
        count += 1;
    }
    assert_eq!(count, 15);
}
