use crate::error::check;
use crate::{Envelope, Kept, Loan, Result, Store};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use zcx_sys::*;

/// Many puts and deletes in one atomic transaction; later entries of a key win. Used by one thread at
/// a time; dropped uncommitted, nothing of it is seen.
///
/// ```compile_fail,E0505
/// # fn main() -> zcx::Result<()> {
/// let store = zcx::Store::open("/dev/shm/example")?;
/// let batch = store.batch()?;
/// drop(store); // error: `store` is borrowed by `batch`
/// batch.commit()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Batch<'s> {
    raw: NonNull<zcx_batch>,
    store: PhantomData<&'s ()>,
}

// SAFETY: the core lets one thread at a time use a batch, whichever.
unsafe impl Send for Batch<'_> {}

impl<'s> Batch<'s> {
    pub(crate) fn open(store: &'s Store) -> Result<Batch<'s>> {
        let mut batch = ptr::null_mut();
        // SAFETY: the store is open.
        check(|e| unsafe { zcx_store_batch(&mut batch, store.as_ptr(), e) })?;
        // SAFETY: on success it is a new batch.
        Ok(Batch { raw: unsafe { NonNull::new_unchecked(batch) }, store: PhantomData })
    }

    /// Copies `data` now; others see it at commit.
    pub fn put(&mut self, key: impl AsRef<[u8]>, data: &[u8], envelope: &Envelope) -> Result<()> {
        let (key, envelope, batch) = (key.as_ref(), envelope.to_raw()?, self.raw.as_ptr());
        let (bytes, length) = (data.as_ptr().cast(), data.len() as u64);
        check(|e| {
            let name = key.as_ptr().cast();
            // SAFETY: all pointers are valid during the call.
            unsafe { zcx_batch_put(batch, name, key.len(), bytes, length, &envelope.raw, e) }
        })
    }

    /// Takes a loan of the batch's store over, without a copy; on an error it comes back.
    pub fn publish<'l>(
        &mut self,
        loan: Loan<'l>,
        key: impl AsRef<[u8]>,
        length: u64,
        envelope: &Envelope,
    ) -> std::result::Result<(), Kept<Loan<'l>>>
    where
        'l: 's,
    {
        let (key, batch) = (key.as_ref(), self.raw.as_ptr());
        loan.give(envelope, |loan, envelope, e| {
            let name = key.as_ptr().cast();
            // SAFETY: all pointers are valid during the call; on success the loan is the batch's.
            unsafe { zcx_batch_publish(batch, loan, name, key.len(), length, envelope, e) }
        })
    }

    /// Deleting what is not there is no error.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        let (key, batch) = (key.as_ref(), self.raw.as_ptr());
        // SAFETY: the key is valid during the call.
        check(|e| unsafe { zcx_batch_delete(batch, key.as_ptr().cast(), key.len(), e) })
    }

    /// All or nothing. Returns LMDB's transaction id; on an error the batch comes back with it.
    pub fn commit(self) -> std::result::Result<u64, Kept<Batch<'s>>> {
        let (batch, mut transaction) = (ManuallyDrop::new(self), 0);
        // SAFETY: on success the batch is gone, and not dropped.
        match check(|e| unsafe { zcx_batch_commit(batch.raw.as_ptr(), &mut transaction, e) }) {
            Ok(()) => Ok(transaction),
            Err(error) => Err(Kept { error, kept: ManuallyDrop::into_inner(batch) }),
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        // SAFETY: discarded once, and not after commit.
        unsafe { zcx_batch_discard(self.raw.as_ptr()) }
    }
}
