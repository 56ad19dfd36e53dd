use crate::error::check;
use crate::raw::{bytes, text};
use crate::Result;
use std::ptr::{self, NonNull};
use zcx_sys::*;

/// How a reference is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Msgpack,
    Json,
}

impl Encoding {
    fn raw(self) -> zcx_encoding {
        match self {
            Encoding::Msgpack => ZCX_ENCODING_MSGPACK,
            Encoding::Json => ZCX_ENCODING_JSON,
        }
    }
}

/// A request or an answer of the reference protocol (`protocol/SPEC.md`): what travels instead of a
/// payload. Immutable, and read by all threads.
#[derive(Debug)]
pub struct Reference {
    raw: NonNull<zcx_reference>,
}

// SAFETY: the core lets all threads read a reference.
unsafe impl Send for Reference {}
// SAFETY: as above.
unsafe impl Sync for Reference {}

impl Reference {
    /// Reads one that came from anywhere.
    pub fn parse(encoding: Encoding, data: &[u8]) -> Result<Reference> {
        let (start, length) = (data.as_ptr().cast(), data.len() as u64);
        Reference::made(|out, e| {
            // SAFETY: the bytes are valid during the call, which copies what it keeps.
            unsafe { zcx_reference_parse(out, encoding.raw(), start, length, e) }
        })
    }

    /// Does this look like a reference, to somebody who may also get plain payloads?
    pub fn is(encoding: Encoding, data: &[u8]) -> bool {
        // SAFETY: the bytes are valid during the call.
        unsafe { zcx_reference_is(encoding.raw(), data.as_ptr().cast(), data.len() as u64) }
    }

    /// The answer to a request whose output was written.
    pub fn answer(&self) -> Result<Reference> {
        // SAFETY: the request is valid.
        Reference::made(|out, e| unsafe { zcx_reference_answer(out, self.as_ptr(), e) })
    }

    pub(crate) fn made(
        make: impl FnOnce(*mut *mut zcx_reference, *mut zcx_error) -> zcx_status,
    ) -> Result<Reference> {
        let mut raw = ptr::null_mut();
        check(|e| make(&mut raw, e))?;
        // SAFETY: on success it is a new reference.
        Ok(Reference { raw: unsafe { NonNull::new_unchecked(raw) } })
    }

    pub(crate) fn as_ptr(&self) -> *const zcx_reference {
        self.raw.as_ptr()
    }

    /// Its bytes.
    pub fn write(&self, encoding: Encoding) -> Result<Vec<u8>> {
        let (mut length, encoding) = (0, encoding.raw());
        let mut write = |buffer, capacity| {
            // SAFETY: the buffer has room for `capacity`.
            check(|e| unsafe {
                zcx_reference_write(&mut length, self.as_ptr(), encoding, buffer, capacity, e)
            })?;
            Ok(length)
        };
        let length: Result<u64> = write(ptr::null_mut(), 0);
        let mut out = vec![0; length? as usize];
        write(out.as_mut_ptr().cast(), out.len() as u64)?;
        Ok(out)
    }

    fn text(&self, field: zcx_reference_field) -> Option<&str> {
        // SAFETY: the text is valid as long as the reference.
        unsafe { text(zcx_reference_text(self.as_ptr(), field)) }
    }

    /// `_lmdb_input_key`.
    pub fn input_key(&self) -> Option<&str> {
        self.text(ZCX_REFERENCE_INPUT_KEY)
    }

    /// `_lmdb_output_key`.
    pub fn output_key(&self) -> Option<&str> {
        self.text(ZCX_REFERENCE_OUTPUT_KEY)
    }

    /// `_lmdb_db_path`.
    pub fn db_path(&self) -> Option<&str> {
        self.text(ZCX_REFERENCE_DB_PATH)
    }

    /// `_lmdb_db_name`.
    pub fn db_name(&self) -> Option<&str> {
        self.text(ZCX_REFERENCE_DB_NAME)
    }

    /// `_lmdb_format`.
    pub fn format(&self) -> Option<&str> {
        self.text(ZCX_REFERENCE_FORMAT)
    }

    /// `_txn_id`: 16 hex digits.
    pub fn call_id(&self) -> Option<&str> {
        self.text(ZCX_REFERENCE_CALL_ID)
    }

    /// `_lmdb_data`.
    pub fn data(&self) -> Option<&[u8]> {
        let mut length = 0;
        // SAFETY: the bytes are valid as long as the reference.
        unsafe {
            let data = zcx_reference_data(self.as_ptr(), &mut length);
            (!data.is_null()).then(|| bytes(data, length))
        }
    }

    /// `_lmdb_output_written` is there and true.
    pub fn written(&self) -> bool {
        // SAFETY: the reference is valid.
        unsafe { zcx_reference_written(self.as_ptr()) }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { zcx_reference_free(self.raw.as_ptr()) }
    }
}
