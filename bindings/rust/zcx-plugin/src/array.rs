use crate::{abi, cast, pod, Mismatch, Pod};
use std::slice;

/// Which index of an array runs fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The last one: rows.
    C,
    /// The first one: columns.
    F,
}

impl Order {
    /// `b'C'` or `b'F'`, as the protocol has them; anything else is `C`.
    pub fn from_byte(byte: u8) -> Order {
        if byte == b'F' {
            Order::F
        } else {
            Order::C
        }
    }

    pub fn byte(self) -> u8 {
        match self {
            Order::C => b'C',
            Order::F => b'F',
        }
    }
}

/// An array of the input, read where it lies: contiguous, 64-byte aligned, nothing copied. Valid
/// until [`Calculator::calculate`](crate::Calculator::calculate) returns.
#[derive(Clone, Copy)]
pub struct Array<'c> {
    pub(crate) typed: &'c abi::Typed,
}

impl<'c> Array<'c> {
    /// NumPy's type string, `"<f8"`; JSON text if it has fields.
    pub fn dtype(&self) -> &'c str {
        // SAFETY: zcx hands out NUL-terminated text, which lives as long as the call.
        unsafe { pod::text(self.typed.dtype) }.unwrap_or("?") // the protocol has UTF-8 only
    }

    /// One size for each dimension.
    pub fn shape(&self) -> &'c [u64] {
        match self.typed.ndim {
            0 => &[],
            // SAFETY: zcx hands out `ndim` sizes, which live as long as the call.
            ndim => unsafe { slice::from_raw_parts(self.typed.shape, ndim as usize) },
        }
    }

    pub fn order(&self) -> Order {
        Order::from_byte(self.typed.order as u8)
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.typed.count as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements' bytes.
    pub fn bytes(&self) -> &'c [u8] {
        // SAFETY: zcx hands out `nbytes` readable bytes, which nobody changes during the call.
        unsafe { pod::bytes(self.typed.data, self.typed.nbytes) }
    }

    /// The elements in memory order. An error when they are of another type than `T`.
    pub fn slice<T: Pod>(&self) -> Result<&'c [T], Mismatch> {
        if !T::reads(self.dtype()) {
            return Err(Mismatch::of::<T>(self.dtype()));
        }
        cast(self.bytes())
    }
}
