//! zcx hands large payloads between programs in different languages in place, by reference, over one
//! LMDB file. A producer takes a loan (memory of the store), fills it, and publishes it at a key; a
//! consumer views the key and reads the payload where it lies. Nothing is copied, whatever the size.
//!
//! ```no_run
//! use zcx::{Envelope, Store};
//!
//! fn main() -> zcx::Result<()> {
//!     let store = Store::open_default()?;
//!     let mut loan = store.loan(8_000_000)?;
//!     for (i, x) in loan.slice_mut::<f64>()?.iter_mut().enumerate() {
//!         *x = i as f64;
//!     }
//!     loan.publish("numbers", 8_000_000, &Envelope::numpy::<f64>(&[1_000_000]))?;
//!
//!     let view = store.view("numbers")?; // holds the payload, whatever happens to the key
//!     let sum: f64 = view.slice::<f64>()?.iter().sum();
//!     println!("{sum}");
//!     Ok(())
//! }
//! ```
//!
//! Nobody who uses this crate writes `unsafe`: a view cannot outlive its store, a slice its view, or
//! a loan's slice its publishing.
//!
//! | type | threads |
//! |---|---|
//! | [`Store`], [`View`], [`SharedView`], [`Calculator`], [`Worker`], [`Reference`] | used by all at once |
//! | [`Loan`], [`Scan`], [`Batch`], [`Packer`] | by one at a time; may move |
//! | [`Call`], [`Pending`], [`Answer`], [`Request`] | by one at a time; may move |
//!
//! After `fork` a child gets [`Error::Fork`] from what it inherited, and opens its own.
//!
//! Calculators *in* Rust are plug-ins: see [`plugin`].
mod array;
mod batch;
mod calculator;
mod call;
mod envelope;
mod error;
mod loan;
mod log;
mod msgpack;
mod raw;
mod reference;
mod scan;
mod store;
mod value;
mod view;
mod worker;

pub use array::Array;
pub use batch::Batch;
pub use calculator::{Calculator, Mode};
pub use call::{Answer, Call, Pending};
pub use envelope::{Envelope, Format, Ttl};
pub use error::{Details, Error, Kept, Result};
pub use loan::Loan;
pub use log::{set_log, Level};
pub use msgpack::{pack_into, packed_length, Packer};
pub use reference::{Encoding, Reference};
pub use scan::{Entry, Scan, ScanOptions};
pub use store::{Durability, Store, StoreOptions};
pub use value::Value;
pub use view::{SharedView, View};
pub use worker::{Request, Worker};
#[doc(no_inline)]
pub use zcx_plugin as plugin;
pub use zcx_plugin::{cast, cast_mut, Mismatch, Order, Pod};

/// libzcx's version, as in `"0.1.0"`.
pub fn version() -> &'static str {
    // SAFETY: static text.
    unsafe { raw::text(zcx_sys::zcx_version()) }.unwrap_or_default()
}
