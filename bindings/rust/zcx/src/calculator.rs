use crate::error::check;
use crate::raw::{c_string, text};
use crate::{Answer, Array, Call, Envelope, Format, Packer, Reference, Result, Store, View};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::time::Duration;
use zcx_sys::*;

/// Which legs of a call may go by reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Input,
    Output,
    Both,
    /// Always, at any size; the result is a reference that the next call accepts.
    Reference,
}

/// A calculator, opened from its JSON configuration (the options are in `zcx_calculator.h`): a plug-in
/// in this process. Used by all threads at once; calls of a plug-in that allows one thread wait.
///
/// A plug-in's code runs with all rights of this process, and its crash is ours.
#[derive(Debug)]
pub struct Calculator {
    raw: NonNull<zcx_calculator>,
    store: Option<ManuallyDrop<Store>>, // the exchange's, who closes it
}

// SAFETY: the core lets all threads use a calculator at once.
unsafe impl Send for Calculator {}
// SAFETY: as above.
unsafe impl Sync for Calculator {}

impl Calculator {
    /// InvalidArgument (names the option), NotFound (no such plug-in), UnsupportedVersion (another
    /// ABI), Failed (it could not be created), Unsupported.
    pub fn open(json: &str) -> Result<Calculator> {
        let (json, mut raw) = (c_string("configuration", json)?, ptr::null_mut());
        // SAFETY: the text is valid during the call.
        check(|e| unsafe { zcx_calculator_open(&mut raw, json.as_ptr(), e) })?;
        // SAFETY: on success it is a new calculator, whose exchange and store live as long as it.
        unsafe {
            let store = zcx_exchange_store(zcx_calculator_exchange(raw));
            let store = (!store.is_null()).then(|| ManuallyDrop::new(Store::from_raw(store)));
            Ok(Calculator { raw: NonNull::new_unchecked(raw), store })
        }
    }

    /// Closes it, as drop does. Results stay valid.
    pub fn close(self) -> Result<()> {
        let calculator = ManuallyDrop::new(self);
        // SAFETY: nobody else has the handle, and it is not used again.
        check(|e| unsafe { zcx_calculator_close(calculator.as_ptr(), e) })
    }

    pub(crate) fn as_ptr(&self) -> *mut zcx_calculator {
        self.raw.as_ptr()
    }

    pub(crate) fn exchange(&self) -> *mut zcx_exchange {
        // SAFETY: the calculator is open.
        unsafe { zcx_calculator_exchange(self.as_ptr()) }
    }

    /// `name`, which is part of the keys.
    pub fn name(&self) -> &str {
        // SAFETY: the exchange lives as long as the calculator.
        unsafe { text(zcx_exchange_name(self.exchange())) }.unwrap_or_default()
    }

    /// `calculator`, the language that it is written in.
    pub fn language(&self) -> Option<&str> {
        // SAFETY: the exchange lives as long as the calculator.
        unsafe { text(zcx_exchange_language(self.exchange())) }
    }

    /// `lmdb_enabled`.
    pub fn enabled(&self) -> bool {
        // SAFETY: the exchange lives as long as the calculator.
        unsafe { zcx_exchange_enabled(self.exchange()) }
    }

    /// `lmdb_exchange_mode`.
    pub fn mode(&self) -> Mode {
        // SAFETY: the exchange lives as long as the calculator.
        match unsafe { zcx_exchange_mode(self.exchange()) } {
            ZCX_MODE_INPUT => Mode::Input,
            ZCX_MODE_OUTPUT => Mode::Output,
            ZCX_MODE_REFERENCE => Mode::Reference,
            _ => Mode::Both,
        }
    }

    /// `lmdb_data_format`.
    pub fn format(&self) -> Format {
        // SAFETY: the exchange lives as long as the calculator.
        Format::from_tag(unsafe { zcx_exchange_format(self.exchange()) })
    }

    /// `lmdb_wait_timeout`.
    pub fn wait_timeout(&self) -> Duration {
        // SAFETY: the exchange lives as long as the calculator.
        let time = unsafe { zcx_exchange_wait_timeout_ms(self.exchange()) };
        Duration::from_millis(time.max(0) as u64)
    }

    /// Its store; `None` when it is disabled, or could not be opened.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_deref()
    }

    /// Deletes the records that dropped results left, now. The next call does so too.
    pub fn sweep(&self) -> Result<()> {
        // SAFETY: the exchange is open.
        check(|e| unsafe { zcx_exchange_sweep(self.exchange(), e) })
    }

    /// A call whose input is to be given.
    pub fn call(&self) -> Result<Call<'_>> {
        Call::open(self)
    }

    /// Calls it with a copy of `data`.
    pub fn calculate(&self, data: &[u8], envelope: &Envelope) -> Result<Answer> {
        let mut call = self.call()?;
        let input = call.input(data.len() as u64)?;
        // SAFETY: both have data.len() bytes; the input is nobody else's memory.
        unsafe { zcx_copy(input.as_mut_ptr().cast(), data.as_ptr().cast(), data.len()) };
        call.submit(data.len() as u64, envelope)?;
        call.run()
    }

    /// Calls it with a copy of an array.
    pub fn calculate_array(&self, array: &Array) -> Result<Answer> {
        self.calculate(array.bytes(), &array.envelope())
    }

    /// Calls it with what `write` packs, in its place. It is called twice: once to count.
    pub fn calculate_msgpack(&self, write: impl Fn(&mut Packer)) -> Result<Answer> {
        let mut call = self.call()?;
        let input = call.input(crate::packed_length(&write)?)?;
        let length = crate::pack_into(input, &write)?;
        call.submit(length, &Envelope::msgpack())?;
        call.run()
    }

    /// Calls it with the payload of a view; nothing is copied when that is in the calculator's store.
    pub fn calculate_view(&self, view: &View) -> Result<Answer> {
        let mut call = self.call()?;
        call.input_view(view)?;
        call.run()
    }

    /// Calls it with what an earlier answer's reference refers to; nothing is copied.
    pub fn calculate_reference(&self, reference: &Reference) -> Result<Answer> {
        let mut call = self.call()?;
        call.input_reference(reference)?;
        call.run()
    }
}

impl Drop for Calculator {
    fn drop(&mut self) {
        // SAFETY: no call runs, for each borrows the calculator.
        unsafe { zcx_calculator_close(self.as_ptr(), ptr::null_mut()) };
    }
}
