use crate::error::check;
use crate::raw::{self, c_string, milliseconds, take_text, text};
use crate::{
    Array, Batch, Envelope, Error, Loan, Packer, Result, Scan, ScanOptions, SharedView, Ttl, View,
};
use std::ffi::CString;
use std::mem::{size_of, zeroed, ManuallyDrop};
use std::os::raw::c_char;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;
use zcx_sys::*;

/// What a store promises about a restart of the machine. Fixed at its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// What the store was created with; a new one: none.
    #[default]
    Default,
    /// Gone when the machine restarts.
    None,
    /// A publish returns after its payload and record are on disk.
    Commit,
}

/// How to open a store; `..Default::default()` for the rest. Budget, map size, durability and readers
/// are fixed when it is created: who asks for others later gets [`Error::Busy`].
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// Records' database; empty: `default`.
    pub database: String,
    /// Bytes that the store may use; 0: half of what is free.
    pub budget: u64,
    /// Address space in bytes; 0: four times the budget.
    pub map_size: u64,
    pub durability: Durability,
    /// LMDB's reader slots; 0: 1,024, the least.
    pub max_readers: u32,
    /// Never create: [`Error::NotFound`] when there is no store at the path.
    pub existing: bool,
    /// For any lock that another process holds; zero: ten seconds.
    pub lock_timeout: Duration,
    /// Name or number of a group whose members share the store; every opener names it. Empty: the
    /// store is its owner's only.
    pub group: String,
}

/// A store, open. Used by all threads at once.
#[derive(Debug)]
pub struct Store {
    raw: NonNull<zcx_store>,
}

// SAFETY: the core lets all threads use a store at once.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl Store {
    /// Opens the store in directory `path`, and creates it when there is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Store> {
        Store::open_with(Some(path.as_ref()), &StoreOptions::default())
    }

    /// Opens the store at the default path: `$ZCX_PATH`, else `/dev/shm/zcx-<uid>`, …
    pub fn open_default() -> Result<Store> {
        Store::open_with(None, &StoreOptions::default())
    }

    /// Opens the store in directory `path`, or at the default path.
    pub fn open_with(path: Option<&Path>, options: &StoreOptions) -> Result<Store> {
        let path = path.map(|path| CString::new(path.as_os_str().as_bytes())).transpose();
        let path =
            path.map_err(|_| Error::invalid("the path of the store has a NUL in it".into()))?;
        let database = c_string("database's name", &options.database)?;
        // SAFETY: zeros are valid options.
        let mut raw: zcx_store_options = unsafe { zeroed() };
        raw.struct_size = size_of::<zcx_store_options>();
        if !options.database.is_empty() {
            raw.database = database.as_ptr();
        }
        let group = c_string("group's name", &options.group)?;
        if !options.group.is_empty() {
            raw.group = group.as_ptr();
        }
        raw.budget = options.budget;
        raw.map_size = options.map_size;
        raw.durability = match options.durability {
            Durability::Default => ZCX_DURABILITY_DEFAULT,
            Durability::None => ZCX_DURABILITY_NONE,
            Durability::Commit => ZCX_DURABILITY_COMMIT,
        };
        raw.max_readers = options.max_readers;
        raw.flags = if options.existing { ZCX_OPEN_EXISTING } else { 0 };
        raw.lock_timeout_ms = milliseconds(options.lock_timeout);
        let path = path.as_ref().map_or(ptr::null(), |path| path.as_ptr());
        let mut store = ptr::null_mut();
        // SAFETY: path and options are valid during the call.
        check(|e| unsafe { zcx_store_open(&mut store, path, &raw, e) })?;
        // SAFETY: on success it is a new store.
        Ok(unsafe { Store::from_raw(store) })
    }

    /// # Safety
    /// `raw` is an open store, closed by this value's drop and by nobody else.
    pub(crate) unsafe fn from_raw(raw: *mut zcx_store) -> Store {
        Store { raw: NonNull::new_unchecked(raw) }
    }

    pub(crate) fn as_ptr(&self) -> *mut zcx_store {
        self.raw.as_ptr()
    }

    /// Closes the handle, as drop does, and says when that failed: [`Error::Busy`] when a view, loan,
    /// scan or batch was forgotten (`std::mem::forget`); the handle then stays open for good.
    pub fn close(self) -> Result<()> {
        let store = ManuallyDrop::new(self);
        // SAFETY: nobody else has the handle, and it is not used again.
        check(|e| unsafe { zcx_store_close(store.as_ptr(), e) })
    }

    /// The absolute path of its directory.
    pub fn path(&self) -> &Path {
        // SAFETY: the text is valid as long as the store.
        let path = unsafe { std::ffi::CStr::from_ptr(zcx_store_path(self.as_ptr())) };
        Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()))
    }

    /// The name of its records' database.
    pub fn database(&self) -> &str {
        // SAFETY: the text is valid as long as the store.
        unsafe { text(zcx_store_database(self.as_ptr())) }.unwrap_or_default()
    }

    /// Publishes a copy of `data` at `key`, and returns LMDB's transaction id.
    pub fn put(&self, key: impl AsRef<[u8]>, data: &[u8], envelope: &Envelope) -> Result<u64> {
        let (key, envelope, mut transaction) = (key.as_ref(), envelope.to_raw()?, 0);
        let (bytes, length) = (data.as_ptr().cast(), data.len() as u64);
        // SAFETY: all pointers are valid during the call.
        check(|e| unsafe {
            let (store, name) = (self.as_ptr(), key.as_ptr().cast());
            zcx_store_put(store, name, key.len(), bytes, length, &envelope.raw, &mut transaction, e)
        })?;
        Ok(transaction)
    }

    /// Publishes a copy of an array at `key`, in format numpy.
    pub fn put_array(&self, key: impl AsRef<[u8]>, array: &Array) -> Result<u64> {
        self.put(key, array.bytes(), &array.envelope())
    }

    /// Publishes what `write` packs, built in its place. It is called twice: once to count. Of the
    /// envelope all but the format counts.
    pub fn put_msgpack(
        &self,
        key: impl AsRef<[u8]>,
        envelope: &Envelope,
        write: impl Fn(&mut Packer),
    ) -> Result<u64> {
        let envelope = Envelope { format: crate::Format::Msgpack, ..envelope.clone() };
        let mut loan = self.loan(crate::packed_length(&write)?)?;
        let length = crate::pack_into(loan.bytes_mut(), &write)?;
        Ok(loan.publish(key, length, &envelope)?)
    }

    /// Publishes an error record at `key`: what waits for a result there gets the error instead.
    pub fn put_error(
        &self,
        key: impl AsRef<[u8]>,
        message: &str,
        trace: Option<&str>,
        ttl: Ttl,
    ) -> Result<()> {
        let (key, message) = (key.as_ref(), c_string("message", message)?);
        let trace = trace.map(|trace| c_string("trace", trace)).transpose()?;
        let trace = trace.as_ref().map_or(ptr::null(), |trace| trace.as_ptr());
        // SAFETY: all pointers are valid during the call.
        check(|e| unsafe {
            let (store, name, ttl) = (self.as_ptr(), key.as_ptr().cast(), ttl.milliseconds());
            zcx_store_put_error(store, name, key.len(), message.as_ptr(), trace, ttl, e)
        })
    }

    /// [`Error::NotFound`] when no record was there, or an expired one. Views of it stay valid.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        let key = key.as_ref();
        // SAFETY: the key is valid during the call.
        check(|e| unsafe { zcx_store_delete(self.as_ptr(), key.as_ptr().cast(), key.len(), e) })
    }

    /// An expired record does not exist.
    pub fn exists(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let (key, mut exists) = (key.as_ref(), false);
        check(|e| {
            let (out, name) = (&mut exists, key.as_ptr().cast());
            // SAFETY: the key is valid during the call.
            unsafe { zcx_store_exists(out, self.as_ptr(), name, key.len(), e) }
        })?;
        Ok(exists)
    }

    /// Records in the database, expired ones that no sweep has met yet included.
    pub fn count(&self) -> Result<u64> {
        let mut count = 0;
        // SAFETY: the store is open.
        check(|e| unsafe { zcx_store_count(&mut count, self.as_ptr(), e) })?;
        Ok(count)
    }

    /// Lends `size` bytes of the store to build a payload in. Does not wait for room.
    pub fn loan(&self, size: u64) -> Result<Loan<'_>> {
        self.loan_within(size, Duration::ZERO)
    }

    /// The same; when the store is full, waits for room as long as `timeout`.
    pub fn loan_within(&self, size: u64, timeout: Duration) -> Result<Loan<'_>> {
        let (mut loan, timeout) = (ptr::null_mut(), milliseconds(timeout));
        // SAFETY: the store is open.
        check(|e| unsafe { zcx_store_loan(&mut loan, self.as_ptr(), size, timeout, e) })?;
        // SAFETY: on success it is a new loan of this store, of at least `size` bytes.
        Ok(unsafe { Loan::from_raw(loan, size) })
    }

    /// Holds the payload at `key`: its bytes do not change as long as the view lives, whatever is
    /// overwritten, deleted, expired or killed meanwhile. Errors: NotFound, Expired, Corrupt, ….
    #[inline]
    pub fn view(&self, key: impl AsRef<[u8]>) -> Result<View<'_>> {
        let (key, mut view) = (key.as_ref(), ptr::null_mut());
        check(|e| {
            let name = key.as_ptr().cast();
            // SAFETY: the key is valid during the call.
            unsafe { zcx_store_view(&mut view, self.as_ptr(), name, key.len(), e) }
        })?;
        // SAFETY: on success it is a new view of this store.
        Ok(unsafe { View::from_raw(view) })
    }

    /// The same, for who stores views: it keeps the store open.
    pub fn shared_view(self: &Arc<Self>, key: impl AsRef<[u8]>) -> Result<SharedView> {
        SharedView::open(self, key.as_ref())
    }

    /// Waits until the key has a record of a later transaction than `after` (0: any), at most
    /// `timeout` (`None`: for ever), and views it. TimedOut, Deleted (`after` is not 0, and there is
    /// none any more), Expired, Failed or what an error record stands for, with its message.
    pub fn wait(
        &self,
        key: impl AsRef<[u8]>,
        after: u64,
        timeout: Option<Duration>,
    ) -> Result<View<'_>> {
        let (key, mut view, timeout) = (key.as_ref(), ptr::null_mut(), raw::timeout(timeout));
        check(|e| {
            let (store, name) = (self.as_ptr(), key.as_ptr().cast());
            // SAFETY: the key is valid during the call.
            unsafe { zcx_store_wait(&mut view, store, name, key.len(), after, timeout, e) }
        })?;
        // SAFETY: on success it is a new view of this store.
        Ok(unsafe { View::from_raw(view) })
    }

    /// Walks the keys in byte order.
    pub fn scan(&self, options: &ScanOptions) -> Result<Scan<'_>> {
        Scan::open(self, options)
    }

    /// Many puts and deletes in one atomic transaction.
    pub fn batch(&self) -> Result<Batch<'_>> {
        Batch::open(self)
    }

    /// What the store is and holds, as JSON text.
    pub fn stat(&self) -> Result<String> {
        // SAFETY: the store is open.
        self.json(|json, e| unsafe { zcx_store_stat(json, self.as_ptr(), e) })
    }

    /// Deletes what expired, frees what dead processes held, and with `trim` gives the memory of idle
    /// slots back. Returns what it did, as JSON text.
    pub fn sweep(&self, trim: bool) -> Result<String> {
        let flags = if trim { ZCX_SWEEP_TRIM } else { 0 };
        // SAFETY: the store is open.
        self.json(|json, e| unsafe { zcx_store_sweep(json, self.as_ptr(), flags, e) })
    }

    /// Sound or not, as JSON text. Reads every record.
    pub fn check(&self) -> Result<String> {
        // SAFETY: the store is open.
        self.json(|json, e| unsafe { zcx_store_check(json, self.as_ptr(), e) })
    }

    fn json(
        &self,
        call: impl FnOnce(*mut *mut c_char, *mut zcx_error) -> zcx_status,
    ) -> Result<String> {
        let mut json = ptr::null_mut();
        check(|e| call(&mut json, e))?;
        // SAFETY: on success it is text that zcx_free frees.
        Ok(unsafe { take_text(json) })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: nobody else has the handle. Errors: only forgotten views, under which nothing is
        // freed.
        unsafe { zcx_store_close(self.as_ptr(), ptr::null_mut()) };
    }
}
