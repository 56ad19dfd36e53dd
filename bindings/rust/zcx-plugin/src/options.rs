use crate::{abi, pod, Result};
use std::ffi::CString;
use std::ptr;

/// The object `options` of a calculator's configuration. One that is there with a wrong type makes
/// the opening fail with a sentence that names it, and so does one that nobody asked for: a
/// calculator need check neither.
pub struct Options<'c> {
    pub(crate) core: &'c abi::Core,
    pub(crate) handle: *mut abi::OptionsHandle,
}

impl Options<'_> {
    /// Text, or the fallback.
    pub fn string(&self, name: &str, fallback: &str) -> Result<String> {
        Ok(self.optional_string(name)?.unwrap_or_else(|| fallback.into()))
    }

    /// Text, if it is there.
    pub fn optional_string(&self, name: &str) -> Result<Option<String>> {
        let name = CString::new(name)?;
        // SAFETY: the handle is valid while create() runs, and so is what it returns.
        let text = unsafe {
            pod::text((self.core.option_string)(self.handle, name.as_ptr(), ptr::null()))
        };
        Ok(text.map(str::to_owned))
    }

    pub fn number(&self, name: &str, fallback: f64) -> Result<f64> {
        let name = CString::new(name)?;
        // SAFETY: the handle is valid while create() runs.
        Ok(unsafe { (self.core.option_number)(self.handle, name.as_ptr(), fallback) })
    }

    pub fn bool(&self, name: &str, fallback: bool) -> Result<bool> {
        let name = CString::new(name)?;
        // SAFETY: the handle is valid while create() runs.
        Ok(unsafe { (self.core.option_bool)(self.handle, name.as_ptr(), fallback.into()) } != 0)
    }

    /// A number or a list of numbers, at most `most`: more fail.
    pub fn numbers(&self, name: &str, most: usize, fallback: &[f64]) -> Result<Vec<f64>> {
        let name = CString::new(name)?;
        let mut values = vec![0.0; most];
        // SAFETY: the handle is valid while create() runs; `values` has room for `most`.
        let count = unsafe {
            (self.core.option_numbers)(
                self.handle,
                name.as_ptr(),
                values.as_mut_ptr(),
                most,
                fallback.as_ptr(),
                fallback.len(),
            )
        };
        values.truncate(count);
        Ok(values)
    }

    /// All options as JSON text, `{}` when there are none; each then counts as asked for.
    pub fn json(&self) -> Result<&str> {
        // SAFETY: the handle is valid while create() runs, and so is what it returns.
        let text = unsafe { pod::text((self.core.options_json)(self.handle)) };
        Ok(text.ok_or("there is no memory for the options")?)
    }
}
