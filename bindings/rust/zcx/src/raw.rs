//! What every module needs to cross into C and back.
use crate::{Error, Result};
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_void};
use std::slice;
use std::time::Duration;

/// The text at `text`; `None` when that is NULL, or not UTF-8.
///
/// # Safety
/// It is NUL-terminated, and stays as it is for as long as `'a`.
pub unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    match text.is_null() {
        true => None,
        false => CStr::from_ptr(text).to_str().ok(),
    }
}

/// `length` bytes at `data`, which may be anything when there are none.
///
/// # Safety
/// They are readable and nobody writes them for as long as `'a`.
pub unsafe fn bytes<'a>(data: *const c_void, length: u64) -> &'a [u8] {
    match length {
        0 => &[],
        _ => slice::from_raw_parts(data.cast(), length as usize),
    }
}

/// As [`bytes`], to be written.
///
/// # Safety
/// They are writable, and nobody else touches them for as long as `'a`.
pub unsafe fn bytes_mut<'a>(data: *mut c_void, length: u64) -> &'a mut [u8] {
    match length {
        0 => &mut [],
        _ => slice::from_raw_parts_mut(data.cast(), length as usize),
    }
}

/// JSON text that C allocated, which is freed here.
///
/// # Safety
/// `json` is from a call of libzcx whose result `zcx_free` frees.
pub unsafe fn take_text(json: *mut c_char) -> String {
    let owned = text(json).unwrap_or_default().to_owned();
    zcx_sys::zcx_free(json.cast());
    owned
}

pub fn c_string(what: &str, text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::invalid(format!("the {what} has a NUL in it: {text:?}")))
}

/// A timeout as C has it: `None` is for ever.
pub fn timeout(time: Option<Duration>) -> i64 {
    time.map_or(-1, milliseconds)
}

/// Milliseconds, rounded up; more than there can be means for ever.
pub fn milliseconds(time: Duration) -> i64 {
    let whole = time.as_millis() + u128::from(time.subsec_nanos() % 1_000_000 != 0);
    i64::try_from(whole).unwrap_or(i64::MAX)
}
