use crate::array::reads_payload;
use crate::envelope::empty;
use crate::error::check;
use crate::{raw, Envelope, Result, Store};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;
use zcx_sys::*;

/// A payload, read where it lies. Its bytes do not change as long as it lives. It is immutable, may
/// be read by all threads, and lives no longer than its store:
///
/// ```compile_fail,E0505
/// # fn main() -> zcx::Result<()> {
/// let store = zcx::Store::open("/dev/shm/example")?;
/// let view = store.view("key")?;
/// drop(store); // error: `store` is borrowed by `view`
/// println!("{}", view.len());
/// # Ok(()) }
/// ```
///
/// and its slices no longer than it:
///
/// ```compile_fail,E0505
/// # fn main() -> zcx::Result<()> {
/// let store = zcx::Store::open("/dev/shm/example")?;
/// let view = store.view("key")?;
/// let numbers = view.slice::<f64>()?;
/// drop(view); // error: `view` is borrowed by `numbers`
/// println!("{}", numbers[0]);
/// # Ok(()) }
/// ```
///
/// Nobody writes through one:
///
/// ```compile_fail,E0594
/// # fn main() -> zcx::Result<()> {
/// let store = zcx::Store::open("/dev/shm/example")?;
/// let view = store.view("key")?;
/// view.bytes()[0] = 1; // error: it is behind a `&` reference
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct View<'s> {
    raw: NonNull<zcx_view>,
    store: PhantomData<&'s ()>,
}

// SAFETY: the core lets a view be read by all threads, and released from any.
unsafe impl Send for View<'_> {}
// SAFETY: as above.
unsafe impl Sync for View<'_> {}

impl View<'_> {
    /// # Safety
    /// `raw` is a view, released by this value's drop and by nobody else, and its store stays open
    /// for the lifetime.
    #[inline]
    pub(crate) unsafe fn from_raw(raw: *mut zcx_view) -> Self {
        View { raw: NonNull::new_unchecked(raw), store: PhantomData }
    }

    pub(crate) fn as_ptr(&self) -> *mut zcx_view {
        self.raw.as_ptr()
    }

    /// The payload; 64-byte aligned.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the bytes are there, and unchanged, until the release.
        unsafe { raw::bytes(zcx_view_data(self.as_ptr()), zcx_view_length(self.as_ptr())) }
    }

    /// Bytes of the payload.
    #[inline]
    pub fn len(&self) -> u64 {
        // SAFETY: the view is held.
        unsafe { zcx_view_length(self.as_ptr()) }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn key(&self) -> &[u8] {
        let mut length = 0;
        // SAFETY: the key is valid until the release.
        unsafe { raw::bytes(zcx_view_key(self.as_ptr(), &mut length).cast(), length as u64) }
    }

    /// [`Error::Corrupt`](crate::Error::Corrupt) when its extras are not valid.
    pub fn envelope(&self) -> Result<Envelope> {
        let mut envelope = empty();
        // SAFETY: the view is held, and struct_size is set.
        check(|e| unsafe { zcx_view_envelope(self.as_ptr(), &mut envelope, e) })?;
        // SAFETY: just filled; its pointers are valid until the release.
        Ok(unsafe { Envelope::from_raw(&envelope) })
    }

    /// Compares the payload with its stored checksum: Corrupt, or NotFound when it has none.
    pub fn verify(&self) -> Result<()> {
        // SAFETY: the view is held.
        check(|e| unsafe { zcx_view_verify(self.as_ptr(), e) })
    }

    reads_payload!();
}

impl Drop for View<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: released once.
        unsafe { zcx_view_release(self.as_ptr()) }
    }
}

/// A view that keeps its store open, and so has no lifetime: for who stores views.
#[derive(Debug)]
pub struct SharedView {
    view: View<'static>, // dropped first
    _store: Arc<Store>,
}

impl SharedView {
    pub(crate) fn open(store: &Arc<Store>, key: &[u8]) -> Result<SharedView> {
        let view = ManuallyDrop::new(store.view(key)?);
        // SAFETY: the view is handed over, and its store stays open as long as the Arc beside it.
        Ok(SharedView { view: unsafe { View::from_raw(view.as_ptr()) }, _store: store.clone() })
    }
}

impl Deref for SharedView {
    type Target = View<'static>;

    fn deref(&self) -> &View<'static> {
        &self.view
    }
}
