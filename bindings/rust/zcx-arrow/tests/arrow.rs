use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zcx::{Envelope, Store, StoreOptions};

/// A store in a directory that goes with it.
struct Place {
    store: Arc<Store>,
    path: PathBuf,
}

impl Place {
    fn new(name: &str) -> Place {
        let path = PathBuf::from(format!("/dev/shm/zcx-test-arrow-{}-{name}", std::process::id()));
        let options = StoreOptions { budget: 64 << 20, ..Default::default() };
        Place { store: Arc::new(Store::open_with(Some(&path), &options).unwrap()), path }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.path).unwrap();
    }
}

fn batch() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
    let reals: ArrayRef =
        Arc::new(Float64Array::from_iter((0..10_000).map(|i| (i % 7 != 0).then(|| f64::from(i)))));
    let names: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..10_000).map(|i| i.to_string())));
    RecordBatch::try_from_iter_with_nullable([
        ("number", numbers, false),
        ("real", reals, true),
        ("name", names, false),
    ])
    .unwrap()
}

#[test]
fn a_table_is_read_where_it_lies_and_holds_its_payload() {
    let place = Place::new("table");
    let batch = batch();
    let given = [batch.clone(), batch.slice(5, 3)];
    zcx_arrow::put(&place.store, "table", &batch.schema(), &given, &Envelope::raw()).unwrap();
    let view = place.store.shared_view("table").unwrap();
    assert_eq!(view.envelope().unwrap().format, zcx::Format::Arrow);
    let payload = view.bytes().as_ptr_range();
    let table = zcx_arrow::read(view).unwrap();
    assert_eq!((table.schema, &table.batches[..]), (batch.schema(), &given[..]));

    let numbers = table.batches[0].column(0).as_primitive::<Int64Type>();
    assert!(payload.contains(&numbers.values().as_ptr().cast()));
    let reals = table.batches[0].column(1).as_primitive::<Float64Type>();
    assert!(payload.contains(&reals.values().as_ptr().cast()));
    let names = table.batches[0].column(2).as_string::<i32>();
    assert!(payload.contains(&names.values().as_ptr()));

    place.store.put("table", &vec![0xff; 300_000], &Envelope::raw()).unwrap();
    place.store.delete("table").unwrap();
    let column = table.batches[0].column(2).clone();
    drop(table.batches);
    assert_eq!(column.as_string::<i32>().value(9_999), "9999");
    assert_eq!(column.len(), 10_000);
}

#[test]
fn the_vectors_are_read_and_the_bad_ones_refused() {
    let place = Place::new("vectors");
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../protocol/vectors/arrow");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(vectors).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let payload = std::fs::read(&path).unwrap();
        place.store.put("vector", &payload, &Envelope::arrow()).unwrap();
        let read = zcx_arrow::read(place.store.shared_view("vector").unwrap());
        match name.as_str() {
            "table" => same_table(&read.unwrap()),
            "empty" => assert!(read.unwrap().batches.iter().all(|batch| batch.num_rows() == 0)),
            _ => assert!(!read.unwrap_err().to_string().is_empty(), "{name}"),
        }
        names.push(name);
    }
    names.sort_unstable();
    assert_eq!(names, ["bad-cut", "bad-nothing", "bad-text", "empty", "table"]);
}

/// carrier ["UA", null, "DL"], delay [2.5, -1, null], number [1, 2, 3]
fn same_table(table: &zcx_arrow::Table) {
    let names: Vec<_> = table.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["carrier", "delay", "number"]);
    let mut rows = Vec::new();
    for batch in &table.batches {
        let carriers = batch.column(0).as_dictionary::<arrow_array::types::Int32Type>();
        let carriers = carriers.downcast_dict::<StringArray>().unwrap();
        let delays = batch.column(1).as_primitive::<arrow_array::types::Float32Type>();
        let numbers = batch.column(2).as_primitive::<Int64Type>();
        for ((carrier, delay), number) in carriers.into_iter().zip(delays).zip(numbers) {
            rows.push((carrier.map(str::to_owned), delay, number));
        }
    }
    let row =
        |carrier: Option<&str>, delay, number| (carrier.map(str::to_owned), delay, Some(number));
    assert_eq!(
        rows,
        [row(Some("UA"), Some(2.5), 1), row(None, Some(-1.0), 2), row(Some("DL"), None, 3)]
    );
}
