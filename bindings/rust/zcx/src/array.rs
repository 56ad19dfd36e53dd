//! Arrays, and payloads read as arrays, numbers and text.
use crate::{Envelope, Error, Format, Result, Value};
use std::borrow::Cow;
use std::mem::size_of_val;
use std::slice;
use zcx_plugin::{cast, Mismatch, Order, Pod};

/// An array: what describes its elements, and the elements where they lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array<'a> {
    dtype: Cow<'a, str>,
    shape: Cow<'a, [u64]>,
    order: Order,
    bytes: &'a [u8],
}

impl<'a> Array<'a> {
    /// Values in C order. Their number is to be the product of the sizes: who takes the array checks.
    pub fn of<T: Pod>(values: &'a [T], shape: &'a [u64]) -> Array<'a> {
        // SAFETY: a Pod has no padding, so all of its bytes are initialised.
        let bytes = unsafe { slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) };
        Array::new(T::DTYPE, shape, Order::C, bytes)
    }

    /// Elements of any dtype. Nothing is checked here: who takes the array does.
    pub fn new(
        dtype: impl Into<Cow<'a, str>>,
        shape: impl Into<Cow<'a, [u64]>>,
        order: Order,
        bytes: &'a [u8],
    ) -> Array<'a> {
        Array { dtype: dtype.into(), shape: shape.into(), order, bytes }
    }

    /// NumPy's type string, `"<f8"`; JSON text if it has fields.
    pub fn dtype(&self) -> &str {
        &self.dtype
    }

    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    pub fn order(&self) -> Order {
        self.order
    }

    /// The elements' bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The elements in memory order. An error when they are of another type than `T`.
    pub fn slice<T: Pod>(&self) -> Result<&'a [T]> {
        if !T::reads(&self.dtype) {
            return Err(Mismatch::of::<T>(&self.dtype).into());
        }
        Ok(cast(self.bytes)?)
    }

    /// The envelope of a record that holds this array.
    pub fn envelope(&self) -> Envelope {
        Envelope::numpy_of(&self.dtype, &self.shape, self.order)
    }
}

pub(crate) fn payload_slice<'a, T: Pod>(bytes: &'a [u8], envelope: &Envelope) -> Result<&'a [T]> {
    match envelope.format {
        Format::Raw | Format::Unknown(_) => Ok(cast(bytes)?),
        _ => payload_array(bytes, envelope)?.slice(),
    }
}

pub(crate) fn payload_array<'a>(bytes: &'a [u8], envelope: &Envelope) -> Result<Array<'a>> {
    match (envelope.format, &envelope.dtype) {
        (Format::Numpy, Some(dtype)) => {
            let order = envelope.order.unwrap_or(Order::C);
            Ok(Array::new(dtype.clone(), envelope.shape.clone(), order, bytes))
        }
        (Format::Msgpack, _) => match Value::unpack(bytes)? {
            Value::Array(array) => Ok(array),
            _ => Err(Error::invalid("the payload is msgpack, but not one typed array".into())),
        },
        (format, _) => Err(Error::invalid(format!("the payload is {}, no array", format.name()))),
    }
}

pub(crate) fn payload_text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|why| Error::corrupt(format!("the payload is no text in UTF-8: {why}")))
}

/// What every payload is read as, in the impl of a type with `bytes` and `envelope`.
macro_rules! reads_payload {
    () => {
        /// The payload as values of `T`: an array's elements in memory order (its dtype has to be `T`'s),
        /// or raw bytes (whose length has to be a whole number of them).
        pub fn slice<T: $crate::Pod>(&self) -> $crate::Result<&[T]> {
            $crate::array::payload_slice(self.bytes(), &self.envelope()?)
        }

        /// The payload as an array: format numpy, or msgpack that is one typed array.
        pub fn array(&self) -> $crate::Result<$crate::Array<'_>> {
            $crate::array::payload_array(self.bytes(), &self.envelope()?)
        }

        /// The payload as text, when it is UTF-8: JSON, for instance.
        pub fn text(&self) -> $crate::Result<&str> {
            $crate::array::payload_text(self.bytes())
        }

        /// A msgpack payload, whose texts, bytes and arrays stay where they lie.
        pub fn value(&self) -> $crate::Result<$crate::Value<'_>> {
            $crate::Value::unpack(self.bytes())
        }
    };
}
pub(crate) use reads_payload;
