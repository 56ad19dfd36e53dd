//! serde's data model to msgpack: structs are maps, variants are text or a map of one pair, as in
//! serde_json.
use crate::{Error, Result};
use serde::ser::{self, Error as _, Serialize};
use zcx::{Array, Order, Packer};

pub struct Writer<'w, 'p> {
    packer: &'w mut Packer<'p>,
    dtype: Option<&'static str>, // the next bytes are an array's elements
}

impl<'w, 'p> Writer<'w, 'p> {
    pub fn new(packer: &'w mut Packer<'p>) -> Writer<'w, 'p> {
        Writer { packer, dtype: None }
    }

    fn variant(&mut self, name: &str) -> &mut Self {
        self.packer.map(1).str(name);
        self
    }

    fn elements(&mut self, dtype: &'static str, bytes: &[u8]) -> Result<()> {
        let size = u64::from(dtype.as_bytes()[2] - b'0'); // a Pod's: "<f8"
        self.packer.array(&Array::new(dtype, vec![bytes.len() as u64 / size], Order::C, bytes));
        Ok(())
    }
}

/// Writes its items into the container that was opened.
type Container<'c, 'w, 'p> = &'c mut Writer<'w, 'p>;

macro_rules! plain {
    ($($name:ident($type:ty) $pack:ident as $as:ty;)*) => {$(
        fn $name(self, value: $type) -> Result<()> {
            self.packer.$pack(<$as>::from(value));
            Ok(())
        }
    )*};
}

impl<'c, 'w, 'p> ser::Serializer for Container<'c, 'w, 'p> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    plain! {
        serialize_bool(bool) bool as bool;
        serialize_i8(i8) int as i64;
        serialize_i16(i16) int as i64;
        serialize_i32(i32) int as i64;
        serialize_i64(i64) int as i64;
        serialize_u8(u8) uint as u64;
        serialize_u16(u16) uint as u64;
        serialize_u32(u32) uint as u64;
        serialize_u64(u64) uint as u64;
        serialize_f32(f32) real as f64;
        serialize_f64(f64) real as f64;
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        self.packer.str(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        match self.dtype.take() {
            Some(dtype) => self.elements(dtype, value)?,
            None => drop(self.packer.bin(value)),
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.packer.nil();
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<()> {
        self.dtype = name.starts_with(['<', '|']).then_some(name);
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self.variant(variant))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self> {
        let length = length.ok_or_else(|| Error::custom("the length of a list is not known"))?;
        self.packer.list(length as u64);
        Ok(self)
    }

    fn serialize_tuple(self, length: usize) -> Result<Self> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Self> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self> {
        self.variant(variant).serialize_seq(Some(length))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self> {
        let why = "the length of a map is not known (a flattened field hides it)";
        self.packer.map(length.ok_or_else(|| Error::custom(why))? as u64);
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Self> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self> {
        self.variant(variant).serialize_map(Some(length))
    }
}

macro_rules! items {
    ($($trait:ident $function:ident)*) => {$(
        impl ser::$trait for Container<'_, '_, '_> {
            type Ok = ();
            type Error = Error;

            fn $function<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<()> {
                Ok(())
            }
        }
    )*};
}

items! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Container<'_, '_, '_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<()> {
                self.packer.str(name);
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<()> {
                Ok(())
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Container<'_, '_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<()> {
        Ok(())
    }
}
