//! The payloads of the cross-language tests: each language's peer writes and reads the same.
use zcx::{Array, Envelope, Result, Store, View};

fn raw(size: usize) -> Vec<u8> {
    (0..size).map(|i| ((i * 7 + 3) & 255) as u8).collect()
}

fn json(size: usize) -> String {
    format!(r#"{{"n": {size}, "s": "{}"}}"#, "x".repeat(size))
}

fn real(i: usize) -> f64 {
    i as f64 * 0.5
}

fn integer(i: usize) -> i32 {
    (i as i64 * 3 - 7) as i32
}

pub fn write(store: &Store, key: &str, format: &str, size: usize) -> Result<()> {
    match format {
        "raw" => store.put(key, &raw(size), &Envelope::raw()),
        "json" => store.put(key, json(size).as_bytes(), &Envelope::json()),
        "msgpack" => store.put_msgpack(key, &Envelope::msgpack(), |p| {
            p.map(2).str("n").uint(size as u64).str("a");
            p.array_with(&[size as u64 / 8], |elements| fill(elements, real));
        }),
        "numpy" => {
            let mut loan = store.loan(size as u64 / 4 * 4)?;
            fill(loan.slice_mut()?, integer);
            let envelope = Envelope::numpy::<i32>(&[size as u64 / 4]);
            Ok(loan.publish(key, size as u64 / 4 * 4, &envelope)?)
        }
        other => panic!("no such format: {other}"),
    }?;
    Ok(())
}

fn fill<T>(elements: &mut [T], value: fn(usize) -> T) {
    for (i, element) in elements.iter_mut().enumerate() {
        *element = value(i);
    }
}

/// What is wrong with the payload, if anything.
pub fn check(view: &View, format: &str, size: usize) -> std::result::Result<(), String> {
    let read = || -> Result<bool> {
        let named = view.envelope()?.format.name() == format;
        Ok(named
            && match format {
                "raw" => view.bytes() == raw(size),
                "json" => same_json(view.text()?, size),
                "msgpack" => {
                    let value = view.value()?;
                    let array = value.array("a")?;
                    value.get("n").and_then(|n| n.as_i64()) == Some(size as i64)
                        && same(array, &[size as u64 / 8], real, view)?
                }
                "numpy" => same(&view.array()?, &[size as u64 / 4], integer, view)?,
                other => panic!("no such format: {other}"),
            })
    };
    match read() {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("the payload is not {format} of {size} bytes")),
        Err(error) => Err(error.to_string()),
    }
}

/// Other writers may leave other spaces.
fn same_json(text: &str, size: usize) -> bool {
    let there = crate::json::parse(text.as_bytes());
    let wanted = crate::json::parse(json(size).as_bytes());
    there.is_ok() && there == wanted
}

/// Shape and elements are as wanted, and the elements lie in the view's payload.
fn same<T: zcx::Pod + PartialEq>(
    array: &Array,
    shape: &[u64],
    value: fn(usize) -> T,
    view: &View,
) -> Result<bool> {
    let (elements, payload) = (array.slice::<T>()?, view.bytes().as_ptr_range());
    let in_place = elements.is_empty() || payload.contains(&elements.as_ptr().cast());
    let equal = elements.iter().enumerate().all(|(i, element)| *element == value(i));
    Ok(array.shape() == shape && elements.len() as u64 == shape[0] && in_place && equal)
}
