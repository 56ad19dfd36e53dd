use crate::error::check;
use crate::{raw, Envelope, Error, Kept, Pod, Result, View};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use zcx_sys::*;

/// Memory of the store, to build a payload in: 64-byte aligned, not zeroed (it may hold older
/// payloads). Used by one thread at a time; dropped unpublished, it goes back.
///
/// Once it is published, nobody writes it any more:
///
/// ```compile_fail,E0505
/// # fn main() -> zcx::Result<()> {
/// let store = zcx::Store::open("/dev/shm/example")?;
/// let mut loan = store.loan(800)?;
/// let numbers = loan.slice_mut::<f64>()?;
/// loan.publish("key", 800, &zcx::Envelope::raw())?; // error: `loan` is borrowed by `numbers`
/// numbers[0] = 1.0;
/// # Ok(()) }
/// ```
///
/// It lives no longer than its store:
///
/// ```compile_fail,E0597
/// # fn main() -> zcx::Result<()> {
/// let loan = {
///     let store = zcx::Store::open("/dev/shm/example")?;
///     store.loan(800)? // error: `store` does not live long enough
/// };
/// drop(loan);
/// # Ok(()) }
/// ```
///
/// and two threads cannot have it at once:
///
/// ```compile_fail,E0277
/// # fn main() -> zcx::Result<()> {
/// let store = zcx::Store::open("/dev/shm/example")?;
/// let loan = store.loan(800)?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| loan.capacity()); // error: cannot be shared between threads safely
/// });
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Loan<'s> {
    raw: NonNull<zcx_loan>,
    size: u64,
    store: PhantomData<&'s ()>,
}

// SAFETY: the core lets one thread at a time use a loan, whichever.
unsafe impl Send for Loan<'_> {}

impl<'s> Loan<'s> {
    /// # Safety
    /// `raw` is a loan of at least `size` bytes, of nobody else's, whose store stays open for `'s`.
    pub(crate) unsafe fn from_raw(raw: *mut zcx_loan, size: u64) -> Loan<'s> {
        Loan { raw: NonNull::new_unchecked(raw), size, store: PhantomData }
    }

    /// The bytes that were asked for.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the memory is ours alone until publish or discard; `size` is within it.
        unsafe { raw::bytes_mut(zcx_loan_data(self.raw.as_ptr()), self.size) }
    }

    /// The same as values of `T`; an error unless the size is a whole number of them.
    pub fn slice_mut<T: Pod>(&mut self) -> Result<&mut [T]> {
        Ok(zcx_plugin::cast_mut(self.bytes_mut())?)
    }

    /// Copies `data` to the beginning; for large ones faster than `copy_from_slice`.
    pub fn copy_from(&mut self, data: &[u8]) -> Result<()> {
        let size = self.size;
        let to = self.bytes_mut().get_mut(..data.len()).ok_or_else(|| {
            Error::invalid(format!("{} bytes do not fit a loan of {size} bytes", data.len()))
        })?;
        // SAFETY: both have data.len() bytes, and a loan is nobody else's memory.
        unsafe { zcx_copy(to.as_mut_ptr().cast(), data.as_ptr().cast(), data.len()) }
        Ok(())
    }

    /// Bytes that the loan has room for, at least what was asked for.
    pub fn capacity(&self) -> u64 {
        // SAFETY: the loan is ours.
        unsafe { zcx_loan_capacity(self.raw.as_ptr()) }
    }

    /// Makes more, or less, of the loan's room what [`bytes_mut`](Loan::bytes_mut) shows; at most
    /// its capacity.
    pub fn resize(&mut self, size: u64) -> Result<()> {
        let capacity = self.capacity();
        if size > capacity {
            return Err(Error::invalid(format!(
                "{size} bytes do not fit a loan of {capacity} bytes"
            )));
        }
        self.size = size;
        Ok(())
    }

    /// Makes the first `length` bytes the payload at `key`, atomically, in place; views of what was
    /// there stay. Returns LMDB's transaction id; on an error the loan comes back with it.
    pub fn publish(
        self,
        key: impl AsRef<[u8]>,
        length: u64,
        envelope: &Envelope,
    ) -> std::result::Result<u64, Kept<Loan<'s>>> {
        let (key, mut transaction) = (key.as_ref(), 0);
        self.give(envelope, |loan, envelope, e| {
            let (name, id) = (key.as_ptr().cast(), &mut transaction);
            // SAFETY: all pointers are valid during the call; on success the loan is gone.
            unsafe { zcx_loan_publish(loan, name, key.len(), length, envelope, id, e) }
        })?;
        Ok(transaction)
    }

    /// The same, and the view holds what was published, even when another writer overwrites the key
    /// at once.
    pub fn publish_view(
        self,
        key: impl AsRef<[u8]>,
        length: u64,
        envelope: &Envelope,
    ) -> std::result::Result<View<'s>, Kept<Loan<'s>>> {
        let (key, mut view) = (key.as_ref(), ptr::null_mut());
        self.give(envelope, |loan, envelope, e| {
            let (name, id) = (key.as_ptr().cast(), ptr::null_mut());
            // SAFETY: as in publish.
            unsafe {
                zcx_loan_publish_view(&mut view, loan, name, key.len(), length, envelope, id, e)
            }
        })?;
        // SAFETY: on success it is a new view of the loan's store.
        Ok(unsafe { View::from_raw(view) })
    }

    /// Hands the loan over by `call`, after whose success it is gone.
    pub(crate) fn give(
        self,
        envelope: &Envelope,
        call: impl FnOnce(*mut zcx_loan, *const zcx_envelope, *mut zcx_error) -> zcx_status,
    ) -> std::result::Result<(), Kept<Loan<'s>>> {
        let loan = ManuallyDrop::new(self);
        let given = envelope
            .to_raw()
            .and_then(|envelope| check(|e| call(loan.raw.as_ptr(), &envelope.raw, e)));
        given.map_err(|error| Kept { error, kept: ManuallyDrop::into_inner(loan) })
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        // SAFETY: discarded once, and not after publish.
        unsafe { zcx_loan_discard(self.raw.as_ptr()) }
    }
}
