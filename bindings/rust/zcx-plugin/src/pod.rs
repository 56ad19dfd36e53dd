//! Types whose values may be read where they lie.
use std::ffi::CStr;
use std::fmt;
use std::mem::{align_of, size_of};
use std::os::raw::{c_char, c_void};
use std::slice;

mod sealed {
    pub trait Sealed {}
}

/// A number that a typed array may hold: any bytes are a valid value, and it has no padding. Sealed:
/// the integers and floats of the protocol, and nothing else.
pub trait Pod: sealed::Sealed + Copy + Send + Sync + 'static {
    /// NumPy's type string, as in `"<f8"`.
    const DTYPE: &'static str;

    /// Does an array of this dtype hold values of the type? Booleans are read as `u8`, times and
    /// durations as `i64`.
    fn reads(dtype: &str) -> bool {
        let time = dtype.starts_with("<M8") || dtype.starts_with("<m8");
        match Self::DTYPE {
            same if same == dtype => true,
            "|u1" => matches!(dtype, "|b1" | "<b1" | ">b1" | "<u1" | ">u1"),
            "|i1" => matches!(dtype, "<i1" | ">i1"),
            "<i8" => time,
            _ => false,
        }
    }
}

macro_rules! pod {
    ($($type:ty: $dtype:literal)*) => {$(
        impl sealed::Sealed for $type {}
        impl Pod for $type {
            const DTYPE: &'static str = $dtype;
        }
    )*};
}

pod! {
    u8: "|u1" u16: "<u2" u32: "<u4" u64: "<u8"
    i8: "|i1" i16: "<i2" i32: "<i4" i64: "<i8"
    f32: "<f4" f64: "<f8"
}

/// Why bytes are no slice of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch(String);

impl fmt::Display for Mismatch {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}

impl Mismatch {
    /// An array of `dtype` was to be read as `T`.
    pub fn of<T: Pod>(dtype: &str) -> Mismatch {
        Mismatch(format!("the array has dtype {dtype}, not {}", T::DTYPE))
    }
}

fn check<T: Pod>(bytes: &[u8]) -> Result<usize, Mismatch> {
    let (size, name) = (size_of::<T>(), T::DTYPE);
    if bytes.len() % size != 0 {
        let length = bytes.len();
        return Err(Mismatch(format!(
            "{length} bytes are no whole number of {name}, {size} bytes each"
        )));
    }
    if bytes.as_ptr() as usize % align_of::<T>() != 0 && !bytes.is_empty() {
        return Err(Mismatch(format!(
            "the bytes do not begin where a {name} may: every {size} bytes"
        )));
    }
    Ok(bytes.len() / size)
}

/// The same bytes as values of `T`, when their length and place allow it.
pub fn cast<T: Pod>(bytes: &[u8]) -> Result<&[T], Mismatch> {
    match check::<T>(bytes)? {
        0 => Ok(&[]),
        // SAFETY: length and alignment were checked, and any bytes are a T (Pod).
        count => Ok(unsafe { slice::from_raw_parts(bytes.as_ptr().cast(), count) }),
    }
}

/// As [`cast`], to be written.
pub fn cast_mut<T: Pod>(bytes: &mut [u8]) -> Result<&mut [T], Mismatch> {
    match check::<T>(bytes)? {
        0 => Ok(&mut []),
        // SAFETY: as in cast; the borrow is exclusive, and a T has no padding that would spoil bytes.
        count => Ok(unsafe { slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), count) }),
    }
}

/// `length` bytes at `data`, which may be anything when there are none.
///
/// # Safety
/// They are readable and nobody writes them for as long as `'a`.
pub(crate) unsafe fn bytes<'a>(data: *const c_void, length: u64) -> &'a [u8] {
    match length {
        0 => &[],
        _ => slice::from_raw_parts(data.cast(), length as usize),
    }
}

/// As [`bytes`], to be written.
///
/// # Safety
/// They are writable, and nobody else touches them for as long as `'a`.
pub(crate) unsafe fn bytes_mut<'a>(data: *mut c_void, length: u64) -> &'a mut [u8] {
    match length {
        0 => &mut [],
        _ => slice::from_raw_parts_mut(data.cast(), length as usize),
    }
}

/// The text at `text`; `None` when that is NULL, or not UTF-8.
///
/// # Safety
/// It is NUL-terminated, and stays as it is for as long as `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    match text.is_null() {
        true => None,
        false => CStr::from_ptr(text).to_str().ok(),
    }
}
