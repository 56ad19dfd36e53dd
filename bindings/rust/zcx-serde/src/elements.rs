use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use zcx::Pod;

/// The elements of a typed array of one dimension: a slice that is read where it lies. In JSON, and
/// with other crates' formats, a list of numbers, which is written only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elements<'a, T: Pod>(&'a [T]);

impl<'a, T: Pod> Elements<'a, T> {
    pub fn of(elements: &'a [T]) -> Elements<'a, T> {
        Elements(elements)
    }

    pub fn slice(&self) -> &'a [T] {
        self.0
    }
}

impl<T: Pod> Deref for Elements<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0
    }
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

impl<T: Pod + Serialize> Serialize for Elements<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            return to.collect_seq(self.0);
        }
        // The name, which no Rust type can have, is what zcx's Writer knows an array by.
        to.serialize_newtype_struct(T::DTYPE, &Bytes(zcx::Array::of(self.0, &[]).bytes()))
    }
}

impl<'de: 'a, 'a, T: Pod> Deserialize<'de> for Elements<'a, T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InPlace<T>(PhantomData<T>);
        impl<'de, T: Pod> Visitor<'de> for InPlace<T> {
            type Value = &'de [T];

            fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
                write!(to, "a typed array of dtype {} and one dimension", T::DTYPE)
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<&'de [T], E> {
                zcx::cast(bytes).map_err(E::custom)
            }
        }
        from.deserialize_newtype_struct(T::DTYPE, InPlace(PhantomData)).map(Elements)
    }
}
