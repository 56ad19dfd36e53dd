use crate::envelope::empty;
use crate::error::check;
use crate::{raw, Envelope, Error, Result, Store};
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::mem::{size_of, zeroed};
use std::ptr::{self, NonNull};
use zcx_sys::*;

/// Which records a scan shows; `..Default::default()` for the rest.
#[derive(Clone, Debug, Default)]
pub struct ScanOptions<'a> {
    /// Only keys that begin with it.
    pub prefix: &'a [u8],
    /// Only keys from this one on.
    pub from: Option<&'a [u8]>,
    /// Only keys before this one.
    pub to: Option<&'a [u8]>,
    /// Records at most; 0: all.
    pub limit: u64,
    pub reverse: bool,
    /// All keys from one snapshot, whatever that takes.
    pub snapshot: bool,
    /// Expired records too.
    pub expired: bool,
    /// Leave the envelopes out, which is faster.
    pub keys_only: bool,
}

/// A record of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: Vec<u8>,
    /// `None` with [`ScanOptions::keys_only`].
    pub envelope: Option<Envelope>,
}

/// Walks the keys in byte order: an iterator. Holds no transaction between steps. A damaged envelope
/// is an `Err`, and the scan goes on behind it. Used by one thread at a time.
///
/// ```compile_fail,E0505
/// # fn main() -> zcx::Result<()> {
/// let store = zcx::Store::open("/dev/shm/example")?;
/// let scan = store.scan(&Default::default())?;
/// drop(store); // error: `store` is borrowed by `scan`
/// for entry in scan {}
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Scan<'s> {
    raw: NonNull<zcx_scan>,
    keys_only: bool,
    ended: bool,
    store: PhantomData<&'s ()>,
}

// SAFETY: the core lets one thread at a time use a scan, whichever.
unsafe impl Send for Scan<'_> {}

impl<'s> Scan<'s> {
    pub(crate) fn open(store: &'s Store, options: &ScanOptions) -> Result<Scan<'s>> {
        // SAFETY: zeros are valid options.
        let mut given: zcx_scan_options = unsafe { zeroed() };
        given.struct_size = size_of::<zcx_scan_options>();
        if !options.prefix.is_empty() {
            given.prefix = options.prefix.as_ptr().cast();
            given.prefix_length = options.prefix.len();
        }
        if let Some(from) = options.from {
            (given.from, given.from_length) = (from.as_ptr().cast(), from.len());
        }
        if let Some(to) = options.to {
            (given.to, given.to_length) = (to.as_ptr().cast(), to.len());
        }
        given.limit = options.limit;
        given.flags = if options.reverse { ZCX_SCAN_REVERSE } else { 0 }
            | if options.snapshot { ZCX_SCAN_SNAPSHOT } else { 0 }
            | if options.expired { ZCX_SCAN_EXPIRED } else { 0 };
        let mut scan = ptr::null_mut();
        // SAFETY: the options are valid during the call.
        check(|e| unsafe { zcx_store_scan(&mut scan, store.as_ptr(), &given, e) })?;
        // SAFETY: on success it is a new scan.
        let raw = unsafe { NonNull::new_unchecked(scan) };
        Ok(Scan { raw, keys_only: options.keys_only, ended: false, store: PhantomData })
    }

    fn step(&mut self) -> Result<Entry> {
        let (mut key, mut length, mut envelope) = (ptr::null(), 0, empty());
        let wanted = if self.keys_only { ptr::null_mut() } else { &mut envelope };
        // SAFETY: the scan is ours.
        check(|e| unsafe { zcx_scan_next(self.raw.as_ptr(), &mut key, &mut length, wanted, e) })?;
        // SAFETY: key and envelope are valid until the next step; both are copied.
        unsafe {
            let envelope = (!self.keys_only).then(|| Envelope::from_raw(&envelope));
            Ok(Entry { key: raw::bytes(key, length as u64).to_vec(), envelope })
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        if self.ended {
            return None;
        }
        let step = self.step();
        // Behind a damaged envelope there may be more; behind any other failure there is no way on.
        self.ended = !matches!(step, Ok(_) | Err(Error::Corrupt(_)));
        match step {
            Err(Error::NotFound(_)) => None,
            step => Some(step),
        }
    }
}

impl FusedIterator for Scan<'_> {}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        // SAFETY: closed once.
        unsafe { zcx_scan_close(self.raw.as_ptr()) }
    }
}
