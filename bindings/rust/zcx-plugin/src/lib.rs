//! Calculators for [zcx](https://docs.rs/zcx) in Rust: a trait, and one macro that exports it.
//!
//! A calculator reads its input where it lies, and builds the answer where it will be read, so it
//! copies nothing, whatever the size:
//!
//! ```
//! use zcx_plugin::{Call, Calculator, Options, Result};
//!
//! struct Scale {
//!     factor: f64,
//! }
//!
//! impl Calculator for Scale {
//!     fn create(options: &Options) -> Result<Self> {
//!         Ok(Scale { factor: options.number("factor", 2.0)? })
//!     }
//!
//!     fn calculate(&self, call: &Call) -> Result<()> {
//!         let input = call.array(None, "<f8")?;
//!         let output = call.answer_like::<f64>(&input)?;
//!         for (to, from) in output.iter_mut().zip(input.slice::<f64>()?) {
//!             *to = self.factor * from;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! zcx_plugin::export!("scale", Scale);
//! # fn main() {}
//! ```
//!
//! The crate is built as a shared object (`crate-type = ["cdylib"]`), which links nothing of zcx: it
//! reaches zcx through the functions that it is handed. The name given to `export!` is what the
//! `type` of a calculator's configuration has to say.
//!
//! An `Err` is the calculator's failure, and so is a panic, which goes no further than the call: its
//! message and place become the error that the caller gets.
#[cfg(not(all(target_os = "linux", target_endian = "little", target_pointer_width = "64")))]
compile_error!("zcx runs on 64-bit little-endian Linux only");
#[cfg(not(panic = "unwind"))]
compile_error!(
    "a plug-in built with panic = \"abort\" would end its caller: leave it at \"unwind\""
);

pub mod abi;
mod array;
mod call;
mod export;
mod options;
mod pod;

pub use array::{Array, Order};
pub use call::{Call, Column, Columns, Input};
pub use export::{descriptor, Calculator};
pub use options::Options;
pub use pod::{cast, cast_mut, Mismatch, Pod};

/// What a calculator returns; `?` takes any error, and `Err("text".into())` is one too.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
