//! Statuses, errors, formats, the envelope.
use std::os::raw::{c_char, c_int, c_uint, c_void};

pub type zcx_status = c_uint;

pub const ZCX_OK: zcx_status = 0;
pub const ZCX_ENOTFOUND: zcx_status = 1;
pub const ZCX_EEXPIRED: zcx_status = 2;
pub const ZCX_EINVAL: zcx_status = 3;
pub const ZCX_ELIMIT: zcx_status = 4;
pub const ZCX_EFULL: zcx_status = 5;
pub const ZCX_EBUSY: zcx_status = 6;
pub const ZCX_ETIMEDOUT: zcx_status = 7;
pub const ZCX_ECORRUPT: zcx_status = 8;
pub const ZCX_EVERSION: zcx_status = 9;
pub const ZCX_EACCES: zcx_status = 10;
pub const ZCX_ELOST: zcx_status = 11;
pub const ZCX_ESTALE: zcx_status = 12;
pub const ZCX_EFORK: zcx_status = 13;
pub const ZCX_ECLOSED: zcx_status = 14;
pub const ZCX_EUNSUPPORTED: zcx_status = 15;
pub const ZCX_ENOMEM: zcx_status = 16;
pub const ZCX_ESYSTEM: zcx_status = 17;
pub const ZCX_EFAILED: zcx_status = 18;
pub const ZCX_EDELETED: zcx_status = 19;
pub const ZCX_EDEAD: zcx_status = 20;
pub const ZCX_ECANCELLED: zcx_status = 21;

#[repr(C)]
pub struct zcx_error {
    pub status: zcx_status,
    pub cause: c_int,
    pub message: [c_char; 504],
}

pub type zcx_log_function =
    Option<unsafe extern "C" fn(context: *mut c_void, level: c_char, message: *const c_char)>;

pub const ZCX_KEY_MAX: usize = 511;
pub const ZCX_DATABASE_MAX: usize = 64;
pub const ZCX_PAYLOAD_MAX: u64 = 0x1_0000_0000 - 65536;
pub const ZCX_DIMENSIONS_MAX: usize = 64;
pub const ZCX_ALIGNMENT: usize = 64;
pub const ZCX_NESTING_MAX: usize = 512;
pub const ZCX_PROCESSES_MAX: usize = 256;
pub const ZCX_BATCH_MAX: usize = 65536;

pub type zcx_format = c_uint;

pub const ZCX_RAW: zcx_format = 0;
pub const ZCX_JSON: zcx_format = 1;
pub const ZCX_MSGPACK: zcx_format = 2;
pub const ZCX_NUMPY: zcx_format = 3;
pub const ZCX_ARROW: zcx_format = 4;

pub const ZCX_TTL_DEFAULT: i64 = 0;
pub const ZCX_TTL_NEVER: i64 = -1;
pub const ZCX_TTL_DEFAULT_MS: i64 = 300000;

pub const ZCX_FLAG_ERROR: u32 = 2;
pub const ZCX_FLAG_CHECKSUM: u32 = 4;

#[repr(C)]
pub struct zcx_envelope {
    pub struct_size: usize,
    pub format: u32,
    pub flags: u32,
    pub ttl_ms: i64,
    pub source: *const c_char,
    pub target: *const c_char,
    pub content_type: *const c_char,
    pub dtype: *const c_char,
    pub shape: *const u64,
    pub ndim: u32,
    pub order: c_char,
    pub in_slot: bool,
    pub slot: u32,
    pub generation: u32,
    pub checksum: u32,
    pub length: u64,
    pub transaction: u64,
    pub created: u64,
    pub expires: u64,
}

extern "C" {
    pub fn zcx_status_name(status: zcx_status) -> *const c_char;
    pub fn zcx_status_message(status: zcx_status) -> *const c_char;
    pub fn zcx_version() -> *const c_char;
    pub fn zcx_log_set(function: zcx_log_function, context: *mut c_void);
    pub fn zcx_free(memory: *mut c_void);
    pub fn zcx_format_name(format: u32) -> *const c_char;
    pub fn zcx_format_parse(
        out: *mut zcx_format,
        name: *const c_char,
        error: *mut zcx_error,
    ) -> zcx_status;
}
