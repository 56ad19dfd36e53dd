//! The C functions of libzcx, as `zcx.h`, `zcx_msgpack.h` and `zcx_calculator.h` declare them.
//!
//! The headers say what each does, who owns what, and which thread may call it; nothing here is
//! safe. The crate `zcx` is. A test compares every function, struct and constant with the headers.
#![allow(non_camel_case_types)]

/// Handles of libzcx: only pointers to them exist.
macro_rules! opaque {
    ($($name:ident)*) => {$(
        #[repr(C)]
        pub struct $name {
            _private: [u8; 0],
            _not_send: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
        }
    )*};
}

mod calculator;
mod msgpack;
mod status;
mod store;

pub use calculator::*;
pub use msgpack::*;
pub use status::*;
pub use store::*;
