//! Store, loan, view, scan, batch, and what looks after a store.
use crate::{zcx_envelope, zcx_error, zcx_status};
use std::os::raw::{c_char, c_uint, c_void};

opaque! {
    zcx_store
    zcx_loan
    zcx_view
    zcx_scan
    zcx_batch
}

pub type zcx_durability = c_uint;

pub const ZCX_DURABILITY_DEFAULT: zcx_durability = 0;
pub const ZCX_DURABILITY_NONE: zcx_durability = 1;
pub const ZCX_DURABILITY_COMMIT: zcx_durability = 2;

pub const ZCX_OPEN_EXISTING: u32 = 1;
pub const ZCX_OPEN_REBUILD: u32 = 2;

#[repr(C)]
pub struct zcx_store_options {
    pub struct_size: usize,
    pub database: *const c_char,
    pub budget: u64,
    pub map_size: u64,
    pub durability: zcx_durability,
    pub max_readers: u32,
    pub flags: u32,
    pub lock_timeout_ms: i64,
    pub group: *const c_char,
}

pub const ZCX_SCAN_REVERSE: u32 = 1;
pub const ZCX_SCAN_SNAPSHOT: u32 = 2;
pub const ZCX_SCAN_EXPIRED: u32 = 4;

#[repr(C)]
pub struct zcx_scan_options {
    pub struct_size: usize,
    pub prefix: *const c_void,
    pub prefix_length: usize,
    pub from: *const c_void,
    pub from_length: usize,
    pub to: *const c_void,
    pub to_length: usize,
    pub limit: u64,
    pub flags: u32,
}

pub const ZCX_SWEEP_TRIM: u32 = 1;

#[repr(C)]
pub struct zcx_sweep_options {
    pub struct_size: usize,
    pub flags: u32,
    pub idle_ms: i64,
    pub every_ms: i64,
    pub rest: Option<unsafe extern "C" fn(context: *mut c_void, ns: u64) -> bool>,
    pub context: *mut c_void,
}

pub const ZCX_REPAIR_RECORDS: u32 = 1;

#[repr(C)]
pub struct zcx_backup_options {
    pub struct_size: usize,
    pub durability: zcx_durability,
    pub progress: Option<unsafe extern "C" fn(context: *mut c_void, done: u64, total: u64) -> bool>,
    pub context: *mut c_void,
}

extern "C" {
    pub fn zcx_store_open(
        out: *mut *mut zcx_store,
        path: *const c_char,
        options: *const zcx_store_options,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_close(store: *mut zcx_store, error: *mut zcx_error) -> zcx_status;
    pub fn zcx_store_path(store: *const zcx_store) -> *const c_char;
    pub fn zcx_store_database(store: *const zcx_store) -> *const c_char;
    pub fn zcx_store_put(
        store: *mut zcx_store,
        key: *const c_void,
        key_length: usize,
        data: *const c_void,
        length: u64,
        envelope: *const zcx_envelope,
        transaction: *mut u64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_put_error(
        store: *mut zcx_store,
        key: *const c_void,
        key_length: usize,
        message: *const c_char,
        trace: *const c_char,
        ttl_ms: i64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_delete(
        store: *mut zcx_store,
        key: *const c_void,
        key_length: usize,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_exists(
        out: *mut bool,
        store: *mut zcx_store,
        key: *const c_void,
        key_length: usize,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_count(
        out: *mut u64,
        store: *mut zcx_store,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_loan(
        out: *mut *mut zcx_loan,
        store: *mut zcx_store,
        size: u64,
        timeout_ms: i64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_loan_data(loan: *mut zcx_loan) -> *mut c_void;
    pub fn zcx_loan_capacity(loan: *const zcx_loan) -> u64;
    pub fn zcx_copy(to: *mut c_void, from: *const c_void, length: usize);
    pub fn zcx_loan_publish(
        loan: *mut zcx_loan,
        key: *const c_void,
        key_length: usize,
        length: u64,
        envelope: *const zcx_envelope,
        transaction: *mut u64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_loan_publish_view(
        view: *mut *mut zcx_view,
        loan: *mut zcx_loan,
        key: *const c_void,
        key_length: usize,
        length: u64,
        envelope: *const zcx_envelope,
        transaction: *mut u64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_loan_discard(loan: *mut zcx_loan);
    pub fn zcx_store_view(
        out: *mut *mut zcx_view,
        store: *mut zcx_store,
        key: *const c_void,
        key_length: usize,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_wait(
        out: *mut *mut zcx_view,
        store: *mut zcx_store,
        key: *const c_void,
        key_length: usize,
        after: u64,
        timeout_ms: i64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_wait_commit(
        store: *mut zcx_store,
        transaction: *mut u64,
        timeout_ms: i64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_view_data(view: *const zcx_view) -> *const c_void;
    pub fn zcx_view_length(view: *const zcx_view) -> u64;
    pub fn zcx_view_key(view: *const zcx_view, length: *mut usize) -> *const c_void;
    pub fn zcx_view_store(view: *const zcx_view) -> *mut zcx_store;
    pub fn zcx_view_envelope(
        view: *const zcx_view,
        envelope: *mut zcx_envelope,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_view_verify(view: *const zcx_view, error: *mut zcx_error) -> zcx_status;
    pub fn zcx_view_release(view: *mut zcx_view);
    pub fn zcx_store_scan(
        out: *mut *mut zcx_scan,
        store: *mut zcx_store,
        options: *const zcx_scan_options,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_scan_next(
        scan: *mut zcx_scan,
        key: *mut *const c_void,
        key_length: *mut usize,
        envelope: *mut zcx_envelope,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_scan_close(scan: *mut zcx_scan);
    pub fn zcx_store_batch(
        out: *mut *mut zcx_batch,
        store: *mut zcx_store,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_batch_put(
        batch: *mut zcx_batch,
        key: *const c_void,
        key_length: usize,
        data: *const c_void,
        length: u64,
        envelope: *const zcx_envelope,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_batch_publish(
        batch: *mut zcx_batch,
        loan: *mut zcx_loan,
        key: *const c_void,
        key_length: usize,
        length: u64,
        envelope: *const zcx_envelope,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_batch_delete(
        batch: *mut zcx_batch,
        key: *const c_void,
        key_length: usize,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_batch_commit(
        batch: *mut zcx_batch,
        transaction: *mut u64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_batch_discard(batch: *mut zcx_batch);
    pub fn zcx_store_stat(
        json: *mut *mut c_char,
        store: *mut zcx_store,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_sweep(
        json: *mut *mut c_char,
        store: *mut zcx_store,
        flags: u32,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_sweep_by(
        json: *mut *mut c_char,
        store: *mut zcx_store,
        options: *const zcx_sweep_options,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_repair(
        json: *mut *mut c_char,
        store: *mut zcx_store,
        flags: u32,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_backup(
        json: *mut *mut c_char,
        store: *mut zcx_store,
        destination: *const c_char,
        options: *const zcx_backup_options,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_store_check(
        json: *mut *mut c_char,
        store: *mut zcx_store,
        error: *mut zcx_error,
    ) -> zcx_status;
}
