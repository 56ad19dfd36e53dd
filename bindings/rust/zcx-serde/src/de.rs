//! msgpack to serde's data model.
use crate::{Error, Result};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use zcx::{Array, Pod, Value};

/// A value, to be read once.
pub struct Reader<'de>(pub Value<'de>);

impl<'de> IntoDeserializer<'de, Error> for Reader<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Nil => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Int(value) => visitor.visit_i64(value),
            Value::Uint(value) => visitor.visit_u64(value),
            Value::Real(value) => visitor.visit_f64(value),
            Value::Str(text) => visitor.visit_borrowed_str(text),
            Value::Bin(data) => visitor.visit_borrowed_bytes(data),
            Value::List(items) => list(items, visitor),
            Value::Map(pairs) => {
                let pairs = pairs.into_iter().map(|(key, value)| (Reader(key), Reader(value)));
                let mut pairs = MapDeserializer::new(pairs);
                let read = visitor.visit_map(&mut pairs)?;
                pairs.end()?;
                Ok(read)
            }
            Value::Array(array) => numbers(&array, visitor),
            Value::Extension(kind, _) => {
                Err(Error::custom(format!("extension type {kind} is no type of serde's")))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// A newtype is its content; a name that no Rust type can have asks for an array's elements.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        match self.0 {
            _ if !name.starts_with(['<', '|']) => visitor.visit_newtype_struct(self),
            Value::Array(array) if array.dtype() == name && array.shape().len() == 1 => {
                visitor.visit_borrowed_bytes(array.bytes())
            }
            Value::Array(array) => {
                let there =
                    format!("an array of dtype {}, shape {:?}", array.dtype(), array.shape());
                Err(Error::invalid_type(Unexpected::Other(&there), &visitor))
            }
            _ => Err(Error::invalid_type(Unexpected::Other("no typed array"), &visitor)),
        }
    }

    /// Text is a variant without content, a map of one pair one with.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.0 {
            Value::Map(mut pairs) if pairs.len() == 1 => {
                let (name, content) = pairs.remove(0);
                visitor.visit_enum(Variant { name, content: Some(content) })
            }
            name => visitor.visit_enum(Variant { name, content: None }),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

fn list<'de, V: Visitor<'de>>(items: Vec<Value<'de>>, visitor: V) -> Result<V::Value> {
    let mut items = SeqDeserializer::new(items.into_iter().map(Reader));
    let read = visitor.visit_seq(&mut items)?;
    items.end()?;
    Ok(read)
}

/// A typed array of one dimension as a list of numbers.
fn numbers<'de, V: Visitor<'de>>(array: &Array<'de>, visitor: V) -> Result<V::Value> {
    fn of<'de, T, V>(array: &Array<'de>, visitor: V) -> Result<V::Value>
    where
        T: Pod + IntoDeserializer<'de, Error>,
        V: Visitor<'de>,
    {
        visitor.visit_seq(SeqDeserializer::new(array.slice::<T>()?.iter().copied()))
    }
    if array.shape().len() != 1 {
        let shape = array.shape();
        return Err(Error::custom(format!("an array of shape {shape:?} is no list of numbers")));
    }
    match array.dtype() {
        "<f8" => of::<f64, V>(array, visitor),
        "<f4" => of::<f32, V>(array, visitor),
        "<i8" => of::<i64, V>(array, visitor),
        "<i4" => of::<i32, V>(array, visitor),
        "<i2" => of::<i16, V>(array, visitor),
        "|i1" => of::<i8, V>(array, visitor),
        "<u8" => of::<u64, V>(array, visitor),
        "<u4" => of::<u32, V>(array, visitor),
        "<u2" => of::<u16, V>(array, visitor),
        "|u1" => of::<u8, V>(array, visitor),
        other => Err(Error::custom(format!("an array of dtype {other} is no list of numbers"))),
    }
}

struct Variant<'de> {
    name: Value<'de>,
    content: Option<Value<'de>>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let name = seed.deserialize(Reader(self.name))?;
        Ok((name, Variant { name: Value::Nil, content: self.content }))
    }
}

impl<'de> Variant<'de> {
    fn content(self) -> Result<Reader<'de>> {
        self.content.map(Reader).ok_or_else(|| Error::custom("the variant has no content"))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        match self.content {
            None | Some(Value::Nil) => Ok(()),
            Some(_) => Err(Error::custom("the variant has content that it should not have")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_any(self.content()?, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        de::Deserializer::deserialize_any(self.content()?, visitor)
    }
}
