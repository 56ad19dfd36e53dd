//! Replays protocol/vectors: every case of index.json, and no file may be left over. Records are put
//! into a store by a process that knows LMDB only; payloads as sound records of their format.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use zcx::{Encoding, Envelope, Error, Order, Reference, ScanOptions, Store, Value};
use zcx_tests::json::{parse, Json};
use zcx_tests::place::Place;
use zcx_tests::source;

fn vectors() -> PathBuf {
    source().join("protocol/vectors")
}

fn hex(bytes: &[u8]) -> Json {
    Json::Text(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn map(pairs: Vec<(&str, Json)>) -> Json {
    Json::Map(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn text(text: impl ToString) -> Json {
    Json::Text(text.to_string())
}

/// A size as the index has it: text when it is beyond a signed integer.
fn size(size: &u64) -> Json {
    i64::try_from(*size).map_or_else(|_| text(size), |size| Json::Int(size.into()))
}

fn real(value: f64) -> Json {
    map(vec![("float", text(format!("{:016x}", value.to_bits())))])
}

fn array(array: &zcx::Array) -> Json {
    let about = map(vec![
        ("dtype", text(array.dtype())),
        ("shape", Json::List(array.shape().iter().map(size).collect())),
        ("order", text(char::from(array.order().byte()))),
        ("elements", hex(array.bytes())),
    ]);
    map(vec![("array", about)])
}

/// A msgpack object as the index writes it.
fn written(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => map(vec![("int", text(value))]),
        Value::Uint(value) => map(vec![("int", text(value))]),
        Value::Real(value) => real(*value),
        Value::Str(value) => text(value),
        Value::Bin(data) => map(vec![("bin", hex(data))]),
        Value::List(items) => Json::List(items.iter().map(written).collect()),
        Value::Map(pairs) => {
            let pair = |pair: &(Value, Value)| Json::List(vec![written(&pair.0), written(&pair.1)]);
            map(vec![("map", Json::List(pairs.iter().map(pair).collect()))])
        }
        Value::Array(value) => array(value),
        Value::Extension(kind, data) => {
            map(vec![("ext", Json::List(vec![Json::Int((*kind).into()), hex(data)]))])
        }
    }
}

/// A JSON payload as the index writes it.
fn written_json(value: &Json) -> Json {
    match value {
        Json::Int(value) => map(vec![("int", text(value))]),
        Json::Real(value) => real(*value),
        Json::List(items) => Json::List(items.iter().map(written_json).collect()),
        Json::Map(pairs) => {
            let pair =
                |pair: &(String, Json)| Json::List(vec![text(&pair.0), written_json(&pair.1)]);
            map(vec![("map", Json::List(pairs.iter().map(pair).collect()))])
        }
        same => same.clone(),
    }
}

/// Objects compare without regard to the order of names, as they do in the index.
fn same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Map(one), Json::Map(two)) => {
            one.len() == two.len() && one.iter().all(|(name, value)| same(value, other.get(name)))
        }
        (Json::List(one), Json::List(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        _ => one == other,
    }
}

/// {"nested": [kind, depth, object]} written out.
fn expand(expect: &Json) -> Json {
    let nested = match expect.get("nested") {
        Json::List(items) => items,
        _ => return expect.clone(),
    };
    (0..nested[1].int()).fold(nested[2].clone(), |object, _| match nested[0].text() {
        "map" => {
            let key = map(vec![("int", text(1))]);
            map(vec![("map", Json::List(vec![Json::List(vec![key, object])]))])
        }
        _ => Json::List(vec![object]),
    })
}

// ---- replaying a case of each kind: what it gave, or the error ---------------------------------

type Replayed = Result<Json, Error>;

fn replay_payload(store: &Store, case: &Json, name: &str) -> Replayed {
    let about = case.get("envelope");
    let envelope = match case.get("kind").text() {
        "numpy" => {
            let shape: Vec<u64> =
                about.get("shape").list().iter().map(|size| size.int() as u64).collect();
            let order = Order::from_byte(about.get("order").text().as_bytes()[0]);
            Envelope::numpy_of(about.get("dtype").text(), &shape, order)
        }
        format => Envelope::of(format.parse()?),
    };
    store.put(name, &fs::read(vectors().join(name)).unwrap(), &envelope)?;
    let view = store.view(name)?;
    match case.get("kind").text() {
        "raw" => Ok(map(vec![("bin", hex(view.bytes()))])),
        "numpy" => Ok(array(&view.array()?)),
        "msgpack" => Ok(written(&view.value()?)),
        kind => panic!("{kind} has its own replay"),
    }
}

fn replay_record(store: &Store, name: &str, expect: &Json) -> Replayed {
    if expect.get("in_slot") == &Json::Bool(true) {
        // A slot that this store does not have: the scan shows the envelope, nobody the payload.
        let options = ScanOptions { prefix: name.as_bytes(), expired: true, ..Default::default() };
        let entry = store.scan(&options)?.next().expect("the record")?;
        assert!(matches!(store.view(name), Err(Error::Corrupt(_))), "{name}");
        return Ok(record(&entry.envelope.unwrap(), None));
    }
    match store.view(name) {
        Err(Error::Expired(_)) => {
            assert_eq!(expect.get("expires").int(), 2000, "{name}");
            Ok(expect.clone())
        }
        Err(error) => Err(error),
        Ok(view) => {
            let envelope = view.envelope()?;
            if envelope.checksum {
                view.verify()?;
            }
            Ok(record(&envelope, Some(view.bytes())))
        }
    }
}

fn record(envelope: &Envelope, payload: Option<&[u8]>) -> Json {
    let number = |value: u64| Json::Int(value.into());
    let flags = u64::from(envelope.error) * 2 + u64::from(envelope.checksum) * 4;
    let mut said = vec![
        ("format", number(envelope.format.tag().into())),
        ("flags", number(flags)),
        ("in_slot", Json::Bool(envelope.in_slot)),
        ("length", number(envelope.length)),
        ("transaction", number(envelope.transaction)),
        ("created", number(envelope.created)),
        ("expires", number(envelope.expires)),
        ("slot", number(envelope.slot.into())),
        ("generation", number(envelope.generation.into())),
        ("checksum", number(envelope.crc32c.into())),
    ];
    for (name, value) in [
        ("source", &envelope.source),
        ("target", &envelope.target),
        ("content_type", &envelope.content_type),
        ("dtype", &envelope.dtype),
    ] {
        said.extend(value.as_ref().map(|value| (name, text(value))));
    }
    if let Some(order) = envelope.order {
        said.push(("shape", Json::List(envelope.shape.iter().map(size).collect())));
        said.push(("order", text(char::from(order.byte()))));
    }
    said.extend(payload.map(|payload| ("payload", hex(payload))));
    map(said)
}

fn reference(reference: &Reference) -> Json {
    let mut said = vec![];
    for (name, value) in [
        ("_lmdb_input_key", reference.input_key()),
        ("_lmdb_output_key", reference.output_key()),
        ("_lmdb_db_path", reference.db_path()),
        ("_lmdb_db_name", reference.db_name()),
        ("_lmdb_format", reference.format()),
        ("_txn_id", reference.call_id()),
    ] {
        said.extend(value.map(|value| (name, text(value))));
    }
    said.extend(reference.data().map(|data| ("_lmdb_data", hex(data))));
    map(said)
}

/// Read, and written and read again in both encodings.
fn replay_reference(encoding: Encoding, name: &str, expect: &Json) -> Replayed {
    let bytes = fs::read(vectors().join(name)).unwrap();
    let read = Reference::parse(encoding, &bytes)?;
    assert!(Reference::is(encoding, &bytes), "{name}");
    for encoding in [Encoding::Msgpack, Encoding::Json] {
        let again = Reference::parse(encoding, &read.write(encoding)?)?;
        assert_eq!(reference(&again), reference(&read), "{name}");
    }
    let is = |name| expect.get(name) == &Json::Bool(true);
    assert_eq!(read.written(), is("_lmdb_output_written"), "{name}");
    let mut said = match reference(&read) {
        Json::Map(said) => said,
        _ => unreachable!(),
    };
    for flag in ["_lmdb_ref", "_lmdb_output_written"] {
        let there = expect.get(flag); // of which a reader is told no more than `written`
        if there != &Json::Null {
            said.push((flag.into(), there.clone()));
        }
    }
    Ok(Json::Map(said))
}

/// The payloads that zcx itself does not read. The crates zcx-serde and zcx-arrow replay them too.
fn replay_foreign(case: &Json, name: &str) -> Result<Json, ()> {
    let bytes = fs::read(vectors().join(name)).unwrap();
    if case.get("kind").text() == "json" {
        return parse(&bytes).map(|value| written_json(&value)).map_err(drop);
    }
    let whole =
        bytes.starts_with(&[0xff; 4]) && bytes.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    if whole {
        Ok(case.get("expect").clone())
    } else {
        Err(())
    }
}

// ---- the index ---------------------------------------------------------------------------------

fn put_by_a_stranger(place: &Place, records: &[&str]) {
    drop(place.store());
    let about = parse(&fs::read(place.path().join("store/store.json")).unwrap()).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_stranger"))
        .arg(place.path().join("store"))
        .arg(about.get("map_size").int().to_string())
        .args(records)
        .current_dir(vectors())
        .status();
    assert!(done.unwrap().success());
}

fn check(case: &Json, name: &str, got: Replayed) {
    let status = got.as_ref().map_or_else(|error| error.name(), |_| "ZCX_OK");
    assert_eq!(&status[4..], case.get("status").text(), "{name}: {got:?}");
    match got {
        Ok(got) => {
            let expect = expand(case.get("expect"));
            assert!(same(&got, &expect), "{name} says\n{got:?}\nnot\n{expect:?}");
        }
        Err(error) => assert!(error.message().len() > 10, "{name}: {error}"),
    }
}

#[test]
fn every_case_gives_what_the_index_says_and_every_file_is_one() {
    let index = parse(&fs::read(vectors().join("index.json")).unwrap()).unwrap();
    assert_eq!(index.get("protocol").int(), 1);
    let cases = index.get("cases").list();
    let place = Place::new();
    let is_record = |case: &&Json| case.get("kind").text() == "record";
    let records: Vec<&str> = cases.iter().filter(is_record).map(|c| c.get("file").text()).collect();
    put_by_a_stranger(&place, &records);
    let store = place.store();
    let mut replayed = BTreeSet::new();
    for case in cases {
        let name = case.get("file").text();
        let expect = case.get("expect");
        match case.get("kind").text() {
            "record" => check(case, name, replay_record(&store, name, expect)),
            "reference-json" => check(case, name, replay_reference(Encoding::Json, name, expect)),
            "reference-msgpack" => {
                check(case, name, replay_reference(Encoding::Msgpack, name, expect));
            }
            "json" | "arrow" => {
                let got = replay_foreign(case, name);
                assert_eq!(got.is_ok(), case.get("status").text() == "OK", "{name}: {got:?}");
                assert!(got.map_or(true, |got| same(&got, expect)), "{name}");
            }
            _ => check(case, name, replay_payload(&store, case, name)),
        }
        assert!(replayed.insert(name.to_owned()), "{name} comes twice");
    }
    assert!(replayed.len() > 300);
    assert_eq!(files(&vectors(), ""), replayed);
}

/// The files that are to be replayed: all but the index and its generator.
fn files(directory: &Path, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if name.starts_with("generat") || name == "index.json" {
            continue;
        }
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path(), &format!("{name}/"))),
            false => drop(found.insert(name)),
        }
    }
    found
}
