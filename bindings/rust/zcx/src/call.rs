use crate::array::reads_payload;
use crate::envelope::empty;
use crate::error::check;
use crate::{raw, Calculator, Envelope, Error, Kept, Reference, Result, View};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::time::Duration;
use zcx_sys::*;

/// One call, until it is run. The input is given in one of three ways: memory to fill
/// ([`input`](Call::input), [`submit`](Call::submit)), a view, or a reference. Used by one thread at a
/// time; dropped, it is taken back.
///
/// A view that is its input lives as long as it:
///
/// ```compile_fail,E0505
/// # fn main() -> zcx::Result<()> {
/// let (store, calculator) = (zcx::Store::open_default()?, zcx::Calculator::open("{}")?);
/// let view = store.view("key")?;
/// let mut call = calculator.call()?;
/// call.input_view(&view)?;
/// drop(view); // error: `view` is borrowed by `call`
/// call.run()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Call<'c> {
    handle: Handle,
    calculator: &'c Calculator,
    input: PhantomData<&'c View<'c>>,
}

/// A call of the core's, closed once.
#[derive(Debug)]
pub(crate) struct Handle(NonNull<zcx_call>);

// SAFETY: the core lets one thread at a time use a call, whichever.
unsafe impl Send for Handle {}

impl Handle {
    /// # Safety
    /// `raw` is a call of nobody else's.
    pub unsafe fn from_raw(raw: *mut zcx_call) -> Handle {
        Handle(NonNull::new_unchecked(raw))
    }

    pub fn as_ptr(&self) -> *mut zcx_call {
        self.0.as_ptr()
    }

    pub fn id(&self) -> &str {
        // SAFETY: the text is valid as long as the call.
        unsafe { raw::text(zcx_call_id(self.as_ptr())) }.unwrap_or_default()
    }

    /// An error with the trace that a failed calculator left.
    fn traced(&self, error: Error) -> Error {
        // SAFETY: the text is valid as long as the call.
        error.with_trace(unsafe { raw::text(zcx_call_trace(self.as_ptr())) })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: closed once.
        unsafe { zcx_call_close(self.as_ptr()) }
    }
}

impl<'c> Call<'c> {
    pub(crate) fn open(calculator: &'c Calculator) -> Result<Call<'c>> {
        let mut raw = ptr::null_mut();
        // SAFETY: the exchange lives as long as the calculator.
        check(|e| unsafe { zcx_call_open(&mut raw, calculator.exchange(), e) })?;
        // SAFETY: on success it is a new call.
        let handle = unsafe { Handle::from_raw(raw) };
        Ok(Call { handle, calculator, input: PhantomData })
    }

    /// 16 hex digits, unique in the store.
    pub fn id(&self) -> &str {
        self.handle.id()
    }

    /// Would an input of `size` bytes go by reference?
    pub fn input_by_reference(&self, size: u64) -> bool {
        // SAFETY: the call is ours.
        unsafe { zcx_call_input_by_reference(self.handle.as_ptr(), size) }
    }

    /// Would a result of `size` bytes go by reference?
    pub fn output_by_reference(&self, size: u64) -> bool {
        // SAFETY: the call is ours.
        unsafe { zcx_call_output_by_reference(self.handle.as_ptr(), size) }
    }

    /// Memory for an input of `size` bytes, 64-byte aligned, not zeroed: a loan when it goes by
    /// reference.
    pub fn input(&mut self, size: u64) -> Result<&mut [u8]> {
        let mut data = ptr::null_mut();
        // SAFETY: the call is ours.
        check(|e| unsafe { zcx_call_input(&mut data, self.handle.as_ptr(), size, e) })?;
        // SAFETY: `size` bytes are ours until submit, which needs the call exclusively, too.
        Ok(unsafe { raw::bytes_mut(data, size) })
    }

    /// The first `length` bytes of that memory are the input. The TTL is the configuration's.
    pub fn submit(&mut self, length: u64, envelope: &Envelope) -> Result<()> {
        let envelope = envelope.to_raw()?;
        // SAFETY: the envelope is valid during the call, which copies it.
        check(|e| unsafe { zcx_call_submit(self.handle.as_ptr(), length, &envelope.raw, e) })
    }

    /// The input is a view's payload, whole; it is never deleted by the call.
    pub fn input_view(&mut self, view: &'c View<'_>) -> Result<()> {
        // SAFETY: the view is held at least as long as the call, which borrows it ('c).
        check(|e| unsafe { zcx_call_input_view(self.handle.as_ptr(), view.as_ptr(), e) })
    }

    /// The input is what an earlier answer's reference refers to.
    pub fn input_reference(&mut self, reference: &Reference) -> Result<()> {
        let (call, reference) = (self.handle.as_ptr(), reference.as_ptr());
        // SAFETY: the reference is valid during the call.
        check(|e| unsafe { zcx_call_input_reference(call, reference, e) })
    }

    /// Runs the calculator, or waits for a worker, as long as `lmdb_wait_timeout` says.
    /// [`Error::Failed`](crate::Error::Failed) with the calculator's message when it failed.
    pub fn run(self) -> Result<Answer> {
        let (calculator, call) = (self.calculator.as_ptr(), self.handle.as_ptr());
        // SAFETY: the call is of this calculator's exchange, and ours.
        let ran = check(|e| unsafe { zcx_calculator_call(calculator, call, e) });
        ran.map_err(|error| self.handle.traced(error))?;
        Answer::of(self.handle).map_err(|(error, _)| error)
    }

    /// Sends the call to a worker, and does not wait. (In process: does the whole call.)
    pub fn send(self) -> Result<Pending<'c>> {
        let (calculator, call) = (self.calculator.as_ptr(), self.handle.as_ptr());
        // SAFETY: the call is of this calculator's exchange, and ours.
        check(|e| unsafe { zcx_calculator_send(calculator, call, e) })
            .map_err(|error| self.handle.traced(error))?;
        Ok(Pending { handle: self.handle, input: PhantomData })
    }
}

/// A call that was sent to a worker. Dropped, it is cancelled.
#[derive(Debug)]
pub struct Pending<'c> {
    handle: Handle,
    input: PhantomData<&'c View<'c>>,
}

impl<'c> Pending<'c> {
    /// 16 hex digits, unique in the store.
    pub fn id(&self) -> &str {
        self.handle.id()
    }

    /// The answer, when it is there within `timeout` (`None`: for ever). On an error the call comes
    /// back with it: [`Error::TimedOut`](crate::Error::TimedOut) says that it is still under way, any
    /// other that it has ended.
    pub fn wait(self, timeout: Option<Duration>) -> std::result::Result<Answer, Kept<Pending<'c>>> {
        let call = self.handle.as_ptr();
        // SAFETY: the call is ours.
        match check(|e| unsafe { zcx_call_wait(call, raw::timeout(timeout), e) }) {
            Ok(()) => Answer::of(self.handle).map_err(|(error, handle)| Kept {
                error,
                kept: Pending { handle, input: PhantomData },
            }),
            Err(error) => Err(Kept { error: self.handle.traced(error), kept: self }),
        }
    }

    /// Nobody wants the answer any more: a request that no worker has is gone, the answer of one that
    /// has it is dropped.
    pub fn cancel(self) -> Result<()> {
        // SAFETY: the call is ours.
        check(|e| unsafe { zcx_call_cancel(self.handle.as_ptr(), e) })
    }
}

/// The result of a call, for as long as it lives. It may outlive its calculator. Used by one thread
/// at a time; its [`view`](Answer::view) by all. When it is dropped, the record that the call wrote
/// is queued for deletion.
#[derive(Debug)]
pub struct Answer {
    handle: Handle,
    data: NonNull<[u8]>,
    view: Option<ManuallyDrop<View<'static>>>, // the call's, who releases it
}

// SAFETY: the core lets one thread at a time use a call, whichever; the data does not change.
unsafe impl Send for Answer {}

impl Answer {
    fn of(handle: Handle) -> std::result::Result<Answer, (Error, Handle)> {
        let (mut data, mut length) = (ptr::null(), 0);
        let call = handle.as_ptr();
        // SAFETY: the call is ours.
        let read =
            check(|e| unsafe { zcx_call_result(&mut data, &mut length, ptr::null_mut(), call, e) });
        if let Err(error) = read {
            return Err((handle.traced(error), handle));
        }
        // SAFETY: the bytes are valid until the call is closed, and nobody changes them; the view
        // belongs to the call, and nobody but this value, which owns the call, shows it.
        let (data, view) = unsafe {
            let view = zcx_call_result_view(call);
            let view = (!view.is_null()).then(|| ManuallyDrop::new(View::from_raw(view)));
            (NonNull::from(raw::bytes(data, length)), view)
        };
        Ok(Answer { handle, data, view })
    }

    /// The payload, where it lies.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: valid until the call is closed.
        unsafe { self.data.as_ref() }
    }

    pub fn envelope(&self) -> Result<Envelope> {
        let (mut data, mut length, mut envelope) = (ptr::null(), 0, empty());
        let call = self.handle.as_ptr();
        // SAFETY: the call is ours, and struct_size is set.
        check(|e| unsafe { zcx_call_result(&mut data, &mut length, &mut envelope, call, e) })?;
        // SAFETY: just filled; its pointers are valid until the call is closed.
        Ok(unsafe { Envelope::from_raw(&envelope) })
    }

    reads_payload!();

    /// The result as a view, to be the input of another call; `None` when it came directly.
    pub fn view(&self) -> Option<&View<'_>> {
        self.view.as_deref()
    }

    /// The result as a reference, to be the input of another call; `None` when it came directly.
    pub fn reference(&self) -> Result<Option<Reference>> {
        if self.view.is_none() {
            return Ok(None);
        }
        let call = self.handle.as_ptr();
        // SAFETY: the call is ours.
        Reference::made(|out, e| unsafe { zcx_call_result_reference(out, call, e) }).map(Some)
    }

    /// Leaves the result's record to its TTL, for a reference that is sent elsewhere.
    pub fn keep(&mut self) {
        // SAFETY: the call is ours.
        unsafe { zcx_call_keep_result(self.handle.as_ptr()) }
    }
}
