use crate::array::reads_payload;
use crate::call::Handle;
use crate::envelope::empty;
use crate::error::check;
use crate::raw::{self, c_string};
use crate::{Array, Calculator, Envelope, Error, Packer, Result};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::time::Duration;
use zcx_sys::*;

/// Takes requests from the queue of a calculator's configuration. Used by all threads at once.
///
/// ```no_run
/// # fn main() -> zcx::Result<()> {
/// let worker = zcx::Worker::open(r#"{"name": "sums", "queue": "sums", "lmdb_enabled": true}"#)?;
/// loop {
///     let request = worker.take(None)?; // Err(Closed) after worker.stop()
///     let sum: f64 = match request.slice::<f64>() {
///         Ok(numbers) => numbers.iter().sum(),
///         Err(error) => {
///             request.fail(error.message(), None);
///             continue;
///         }
///     };
///     request.answer_array(&zcx::Array::of(&[sum], &[]))?;
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Worker {
    raw: NonNull<zcx_worker>,
}

// SAFETY: the core lets all threads use a worker at once.
unsafe impl Send for Worker {}
// SAFETY: as above.
unsafe impl Sync for Worker {}

impl Worker {
    /// InvalidArgument (no `queue`, or `lmdb_enabled` false), and what opening a store fails with.
    pub fn open(json: &str) -> Result<Worker> {
        let (json, mut raw) = (c_string("configuration", json)?, ptr::null_mut());
        // SAFETY: the text is valid during the call.
        check(|e| unsafe { zcx_worker_open(&mut raw, json.as_ptr(), e) })?;
        // SAFETY: on success it is a new worker.
        Ok(Worker { raw: unsafe { NonNull::new_unchecked(raw) } })
    }

    /// Claims the next request; waits at most `timeout` (`None`: for ever). TimedOut; Closed after
    /// [`stop`](Worker::stop).
    pub fn take(&self, timeout: Option<Duration>) -> Result<Request> {
        let (worker, mut raw) = (self.raw.as_ptr(), ptr::null_mut());
        // SAFETY: the worker is open.
        check(|e| unsafe { zcx_worker_take(&mut raw, worker, raw::timeout(timeout), e) })?;
        // SAFETY: on success it is a new call, which stays valid when the worker is closed.
        let handle = unsafe { Handle::from_raw(raw) };
        let (mut data, mut length) = (ptr::null(), 0);
        let call = handle.as_ptr();
        // SAFETY: the call is ours.
        check(|e| unsafe { zcx_call_read(&mut data, &mut length, ptr::null_mut(), call, e) })?;
        // SAFETY: the bytes are valid until the call is answered, and nobody changes them.
        let data = NonNull::from(unsafe { raw::bytes(data, length) });
        Ok(Request { handle, data, lent: Cell::new(false) })
    }

    /// From now on nothing is taken, and takes that wait end with [`Error::Closed`]. May be called in
    /// a signal handler.
    pub fn stop(&self) {
        // SAFETY: the worker is open.
        unsafe { zcx_worker_stop(self.raw.as_ptr()) }
    }

    /// Closes it, as drop does. Requests that were taken stay valid.
    pub fn close(self) -> Result<()> {
        let worker = ManuallyDrop::new(self);
        // SAFETY: nobody else has the handle, so no take waits; it is not used again.
        check(|e| unsafe { zcx_worker_close(worker.raw.as_ptr(), e) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // SAFETY: closed once, and no take waits: each borrows the worker.
        unsafe { zcx_worker_close(self.raw.as_ptr(), ptr::null_mut()) };
    }
}

/// A request that a worker took: read where it lies, and answered, by one thread at a time. Dropped
/// unanswered, it has failed.
#[derive(Debug)]
pub struct Request {
    handle: Handle,
    data: NonNull<[u8]>,
    lent: Cell<bool>, // the output's memory
}

// SAFETY: the core lets one thread at a time use a call, whichever; the data does not change.
unsafe impl Send for Request {}

impl Request {
    /// 16 hex digits, unique in the store.
    pub fn id(&self) -> &str {
        self.handle.id()
    }

    /// The input, where it lies; 64-byte aligned.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: valid until the call is answered, for which it is consumed.
        unsafe { self.data.as_ref() }
    }

    pub fn envelope(&self) -> Result<Envelope> {
        let (mut data, mut length, mut envelope) = (ptr::null(), 0, empty());
        let call = self.handle.as_ptr();
        // SAFETY: the call is ours, and struct_size is set.
        check(|e| unsafe { zcx_call_read(&mut data, &mut length, &mut envelope, call, e) })?;
        // SAFETY: just filled; its pointers are valid until the call is answered.
        Ok(unsafe { Envelope::from_raw(&envelope) })
    }

    reads_payload!();

    /// Memory for an answer of at most `size` bytes, 64-byte aligned, not zeroed; once.
    #[allow(clippy::mut_from_ref)] // handed out once, and apart from the input
    pub fn output(&self, size: u64) -> Result<&mut [u8]> {
        if self.lent.replace(true) {
            return Err(Error::invalid(format!("call {} has its output already", self.id())));
        }
        let mut data = ptr::null_mut();
        let lent = check(|e| {
            // SAFETY: the call is ours.
            unsafe { zcx_call_output(&mut data, self.handle.as_ptr(), size, e) }
        });
        self.lent.set(lent.is_ok());
        // SAFETY: `size` bytes are ours until the call is answered, for which it is consumed.
        lent.map(|()| unsafe { raw::bytes_mut(data, size) })
    }

    /// The first `length` bytes of [`output`](Request::output) are the answer.
    /// [`Error::Cancelled`] when nobody wants it any more.
    pub fn answer(self, length: u64, envelope: &Envelope) -> Result<()> {
        let envelope = envelope.to_raw()?;
        // SAFETY: the call is ours, the envelope valid during the call.
        check(|e| unsafe { zcx_call_answer(self.handle.as_ptr(), length, &envelope.raw, e) })
    }

    /// Answers with a copy of `data`.
    pub fn answer_with(self, data: &[u8], envelope: &Envelope) -> Result<()> {
        self.output(data.len() as u64)?.copy_from_slice(data);
        self.answer(data.len() as u64, envelope)
    }

    /// Answers with a copy of an array.
    pub fn answer_array(self, array: &Array) -> Result<()> {
        self.answer_with(array.bytes(), &array.envelope())
    }

    /// Answers with what `write` packs, in its place. It is called twice: once to count.
    pub fn answer_msgpack(self, write: impl Fn(&mut Packer)) -> Result<()> {
        let output = self.output(crate::packed_length(&write)?)?;
        let length = crate::pack_into(output, &write)?;
        self.answer(length, &Envelope::msgpack())
    }

    /// Answers with what a plug-in of this process makes of it.
    pub fn answer_by(self, calculator: &Calculator) -> Result<()> {
        let call = self.handle.as_ptr();
        // SAFETY: calculator and call are valid, and the call is ours.
        check(|e| unsafe { zcx_calculator_call(calculator.as_ptr(), call, e) })
    }

    /// There is no answer: one sentence says why, and perhaps a trace.
    pub fn fail(self, message: &str, trace: Option<&str>) {
        let clean = |text: &str| c_string("text", &text.replace('\0', "\u{fffd}")).ok();
        let (message, trace) = (clean(message), trace.and_then(clean));
        let text =
            |text: &Option<std::ffi::CString>| text.as_ref().map_or(ptr::null(), |t| t.as_ptr());
        // SAFETY: the call is ours, the texts are valid during the call.
        unsafe { zcx_call_fail(self.handle.as_ptr(), text(&message), text(&trace)) }
    }
}
