//! Any serde type as a msgpack or JSON payload of zcx. Text, bytes and [`Elements`] are read where they
//! lie in the store; a `Vec` of numbers takes a typed array's elements, too.
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//! use zcx_serde::Elements;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Request<'a> {
//!     name: &'a str,
//!     window: u32,
//!     #[serde(borrow)]
//!     prices: Elements<'a, f64>,
//! }
//!
//! # fn main() -> zcx_serde::Result<()> {
//! let store = zcx::Store::open_default()?;
//! let prices = Elements::of(&[1.0, 2.0]);
//! let request = Request { name: "mean", window: 20, prices };
//! zcx_serde::put_msgpack(&store, "request", &request, &Default::default())?;
//!
//! let view = store.view("request")?;
//! let request: Request = zcx_serde::read(&view)?;
//! println!("{} {}", request.name, request.prices.len()); // both in the store
//! # Ok(()) }
//! ```
mod de;
mod elements;
mod ser;

pub use elements::Elements;

use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fmt;
use zcx::{Answer, Calculator, Envelope, Format, Packer, Store, Value, View};

pub type Result<T> = std::result::Result<T, Error>;

/// What failed: zcx, or serde and the types.
#[derive(Debug)]
pub enum Error {
    Zcx(zcx::Error),
    Serde(String),
}

impl fmt::Display for Error {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Zcx(error) => error.fmt(to),
            Error::Serde(why) => to.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

impl From<zcx::Error> for Error {
    fn from(error: zcx::Error) -> Error {
        Error::Zcx(error)
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(why: T) -> Error {
        Error::Serde(why.to_string())
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(why: T) -> Error {
        Error::Serde(why.to_string())
    }
}

/// Publishes `value` as msgpack at `key`, built in its place, and returns LMDB's transaction id. Of
/// the envelope all but the format counts.
pub fn put_msgpack<T: Serialize + ?Sized>(
    store: &Store,
    key: impl AsRef<[u8]>,
    value: &T,
    envelope: &Envelope,
) -> Result<u64> {
    packed(value, |write| store.put_msgpack(key, envelope, write))
}

/// Calls a calculator with `value` as msgpack, built in its place.
pub fn calculate<T: Serialize + ?Sized>(calculator: &Calculator, value: &T) -> Result<Answer> {
    packed(value, |write| calculator.calculate_msgpack(write))
}

/// Publishes `value` as JSON at `key`, and returns LMDB's transaction id.
pub fn put_json<T: Serialize + ?Sized>(
    store: &Store,
    key: impl AsRef<[u8]>,
    value: &T,
    envelope: &Envelope,
) -> Result<u64> {
    let text = serde_json::to_vec(value).map_err(|why| Error::Serde(why.to_string()))?;
    let envelope = Envelope { format: Format::Json, ..envelope.clone() };
    Ok(store.put(key, &text, &envelope)?)
}

/// Reads a payload of format msgpack or json.
pub fn read<'a, T: Deserialize<'a>>(view: &'a View) -> Result<T> {
    read_bytes(view.bytes(), view.envelope()?.format)
}

/// Reads a result of format msgpack or json.
pub fn read_answer<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T> {
    read_bytes(answer.bytes(), answer.envelope()?.format)
}

/// Reads bytes of format msgpack or json.
pub fn read_bytes<'a, T: Deserialize<'a>>(bytes: &'a [u8], format: Format) -> Result<T> {
    match format {
        Format::Json => {
            serde_json::from_slice(bytes).map_err(|why| Error::Serde(format!("the payload: {why}")))
        }
        Format::Msgpack => T::deserialize(de::Reader(Value::unpack(bytes)?)),
        other => Err(Error::Serde(format!("the payload is {}, not msgpack or json", other.name()))),
    }
}

/// Packs `value` by a call that takes what writes it; the first failure wins.
fn packed<T: Serialize + ?Sized, R>(
    value: &T,
    call: impl FnOnce(&dyn Fn(&mut Packer)) -> zcx::Result<R>,
) -> Result<R> {
    let failed = RefCell::new(None);
    let write = |packer: &mut Packer| {
        if let Err(error) = value.serialize(&mut ser::Writer::new(packer)) {
            failed.borrow_mut().get_or_insert(error);
        }
    };
    let result = call(&write);
    match failed.into_inner() {
        Some(error) => Err(error),
        None => Ok(result?),
    }
}
