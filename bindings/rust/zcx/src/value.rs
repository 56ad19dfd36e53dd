//! Reading msgpack in place.
use crate::error::check;
use crate::raw::{bytes, text};
use crate::{Array, Error, Order, Packer, Result};
use std::os::raw::{c_char, c_void};
use std::ptr;
use std::slice;
use zcx_sys::{zcx_array, zcx_builder, zcx_unpack};

/// A msgpack object. Texts, bytes and the elements of arrays lie in the payload.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX` only.
    Uint(u64),
    Real(f64),
    Str(&'a str),
    Bin(&'a [u8]),
    List(Vec<Value<'a>>),
    /// Of equal keys the last one counts.
    Map(Vec<(Value<'a>, Value<'a>)>),
    Array(Array<'a>),
    /// An extension of another type than zcx's arrays.
    Extension(i8, &'a [u8]),
}

impl<'a> Value<'a> {
    /// Reads exactly one object that fills all of `data`.
    pub fn unpack(data: &'a [u8]) -> Result<Value<'a>> {
        let mut out = ptr::null_mut();
        let (start, length) = (data.as_ptr().cast(), data.len() as u64);
        // SAFETY: the builder's callbacks make and take boxed values whose lifetime is that of the
        // payload, 'a.
        check(|e| unsafe { zcx_unpack(&mut out, start, length, &BUILDER, ptr::null_mut(), e) })?;
        // SAFETY: the reader returns what a callback made, and has let go of it.
        Ok(unsafe { take(out) })
    }

    /// The value at a text key of a map; `None` when it has none, or is no map.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        match self {
            Value::Map(pairs) => pairs
                .iter()
                .rev()
                .find(|(name, _)| *name == Value::Str(key))
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The array at a text key of a map.
    pub fn array(&self, key: &str) -> Result<&Array<'a>> {
        match self.get(key) {
            Some(Value::Array(array)) => Ok(array),
            Some(_) => {
                Err(Error::invalid(format!("what the payload has under '{key}' is no array")))
            }
            None => Err(Error::invalid(format!("the payload has nothing under '{key}'"))),
        }
    }

    pub fn as_str(&self) -> Option<&'a str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// Any number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(*value as f64),
            Value::Uint(value) => Some(*value as f64),
            Value::Real(value) => Some(*value),
            _ => None,
        }
    }

    /// Packs it again. An extension of another type is a failure: zcx writes only its own.
    pub fn pack(&self, packer: &mut Packer) {
        match self {
            Value::Nil => packer.nil(),
            Value::Bool(value) => packer.bool(*value),
            Value::Int(value) => packer.int(*value),
            Value::Uint(value) => packer.uint(*value),
            Value::Real(value) => packer.real(*value),
            Value::Str(text) => packer.str(text),
            Value::Bin(data) => packer.bin(data),
            Value::Array(array) => packer.array(array),
            Value::List(items) => {
                packer.list(items.len() as u64);
                items.iter().for_each(|item| item.pack(packer));
                packer
            }
            Value::Map(pairs) => {
                packer.map(pairs.len() as u64);
                for (key, value) in pairs {
                    key.pack(packer);
                    value.pack(packer);
                }
                packer
            }
            Value::Extension(kind, _) => {
                packer.fail(Error::invalid(format!("extension type {kind} cannot be written")))
            }
        };
    }
}

// What the reader calls. An object is a boxed Value; none of these can panic, but for want of memory,
// which aborts.

type Object = *mut c_void;

fn give(value: Value) -> Object {
    Box::into_raw(Box::new(value)).cast()
}

unsafe fn take<'a>(object: Object) -> Value<'a> {
    *Box::from_raw(object.cast::<Value<'a>>())
}

static BUILDER: zcx_builder = zcx_builder {
    struct_size: std::mem::size_of::<zcx_builder>(),
    nil: Some(nil),
    boolean: Some(boolean),
    integer: Some(integer),
    unsigned_integer: Some(unsigned_integer),
    real: Some(real),
    str: Some(string),
    bin: Some(bin),
    list: Some(list),
    add: Some(add),
    map: Some(map),
    set: Some(set),
    array: Some(array),
    extension: Some(extension),
    drop: Some(discard),
};

unsafe extern "C" fn nil(_: *mut c_void) -> Object {
    give(Value::Nil)
}

unsafe extern "C" fn boolean(_: *mut c_void, value: bool) -> Object {
    give(Value::Bool(value))
}

unsafe extern "C" fn integer(_: *mut c_void, value: i64) -> Object {
    give(Value::Int(value))
}

unsafe extern "C" fn unsigned_integer(_: *mut c_void, value: u64) -> Object {
    give(Value::Uint(value))
}

unsafe extern "C" fn real(_: *mut c_void, value: f64) -> Object {
    give(Value::Real(value))
}

unsafe extern "C" fn string(_: *mut c_void, text: *const c_char, length: u64) -> Object {
    match std::str::from_utf8(bytes(text.cast(), length)) {
        Ok(text) => give(Value::Str(text)),
        Err(_) => ptr::null_mut(), // the reader has looked already
    }
}

unsafe extern "C" fn bin(_: *mut c_void, data: *const c_void, length: u64) -> Object {
    give(Value::Bin(bytes(data, length)))
}

// A claimed count is not trusted for allocation: the vectors grow with what comes.

unsafe extern "C" fn list(_: *mut c_void, _items: u64) -> Object {
    give(Value::List(Vec::new()))
}

unsafe extern "C" fn add(_: *mut c_void, list: Object, _index: u64, item: Object) -> bool {
    let item = take(item);
    match &mut *list.cast::<Value>() {
        Value::List(items) => {
            items.push(item);
            true
        }
        _ => false,
    }
}

unsafe extern "C" fn map(_: *mut c_void, _pairs: u64) -> Object {
    give(Value::Map(Vec::new()))
}

unsafe extern "C" fn set(_: *mut c_void, map: Object, key: Object, value: Object) -> bool {
    let pair = (take(key), take(value));
    match &mut *map.cast::<Value>() {
        Value::Map(pairs) => {
            pairs.push(pair);
            true
        }
        _ => false,
    }
}

unsafe extern "C" fn array(_: *mut c_void, array: *const zcx_array) -> Object {
    let array = &*array;
    let shape = match array.ndim {
        0 => Vec::new(),
        ndim => slice::from_raw_parts(array.shape, ndim as usize).to_vec(),
    };
    let dtype = text(array.dtype).unwrap_or_default().to_owned();
    let order = Order::from_byte(array.order as u8);
    give(Value::Array(Array::new(dtype, shape, order, bytes(array.data, array.nbytes))))
}

unsafe extern "C" fn extension(
    _: *mut c_void,
    kind: i8,
    data: *const c_void,
    length: u64,
) -> Object {
    give(Value::Extension(kind, bytes(data, length)))
}

unsafe extern "C" fn discard(_: *mut c_void, object: Object) {
    drop(take(object));
}
