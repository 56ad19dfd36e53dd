//! msgpack with typed arrays in place.
use crate::{zcx_error, zcx_status};
use std::os::raw::{c_char, c_void};

pub const ZCX_EXT_ARRAY: i8 = 78;

#[repr(C)]
pub struct zcx_array {
    pub struct_size: usize,
    pub dtype: *const c_char,
    pub shape: *const u64,
    pub ndim: u32,
    pub order: c_char,
    pub nbytes: u64,
    pub data: *mut c_void,
}

opaque! { zcx_packer }

#[repr(C)]
pub struct zcx_builder {
    pub struct_size: usize,
    pub nil: Option<unsafe extern "C" fn(context: *mut c_void) -> *mut c_void>,
    pub boolean: Option<unsafe extern "C" fn(context: *mut c_void, value: bool) -> *mut c_void>,
    pub integer: Option<unsafe extern "C" fn(context: *mut c_void, value: i64) -> *mut c_void>,
    pub unsigned_integer:
        Option<unsafe extern "C" fn(context: *mut c_void, value: u64) -> *mut c_void>,
    pub real: Option<unsafe extern "C" fn(context: *mut c_void, value: f64) -> *mut c_void>,
    pub str: Option<
        unsafe extern "C" fn(context: *mut c_void, text: *const c_char, length: u64) -> *mut c_void,
    >,
    pub bin: Option<
        unsafe extern "C" fn(context: *mut c_void, data: *const c_void, length: u64) -> *mut c_void,
    >,
    pub list: Option<unsafe extern "C" fn(context: *mut c_void, items: u64) -> *mut c_void>,
    pub add: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            list: *mut c_void,
            index: u64,
            item: *mut c_void,
        ) -> bool,
    >,
    pub map: Option<unsafe extern "C" fn(context: *mut c_void, pairs: u64) -> *mut c_void>,
    pub set: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            map: *mut c_void,
            key: *mut c_void,
            value: *mut c_void,
        ) -> bool,
    >,
    pub array:
        Option<unsafe extern "C" fn(context: *mut c_void, array: *const zcx_array) -> *mut c_void>,
    pub extension: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            kind: i8,
            data: *const c_void,
            length: u64,
        ) -> *mut c_void,
    >,
    pub drop: Option<unsafe extern "C" fn(context: *mut c_void, object: *mut c_void)>,
}

extern "C" {
    pub fn zcx_packer_open(
        out: *mut *mut zcx_packer,
        buffer: *mut c_void,
        capacity: u64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_pack_nil(packer: *mut zcx_packer) -> zcx_status;
    pub fn zcx_pack_bool(packer: *mut zcx_packer, value: bool) -> zcx_status;
    pub fn zcx_pack_int(packer: *mut zcx_packer, value: i64) -> zcx_status;
    pub fn zcx_pack_uint(packer: *mut zcx_packer, value: u64) -> zcx_status;
    pub fn zcx_pack_double(packer: *mut zcx_packer, value: f64) -> zcx_status;
    pub fn zcx_pack_str(packer: *mut zcx_packer, text: *const c_char, length: u64) -> zcx_status;
    pub fn zcx_pack_bin(packer: *mut zcx_packer, data: *const c_void, length: u64) -> zcx_status;
    pub fn zcx_pack_list(packer: *mut zcx_packer, items: u64) -> zcx_status;
    pub fn zcx_pack_map(packer: *mut zcx_packer, pairs: u64) -> zcx_status;
    pub fn zcx_pack_array(
        packer: *mut zcx_packer,
        array: *const zcx_array,
        data: *mut *mut c_void,
    ) -> zcx_status;
    pub fn zcx_packer_close(
        packer: *mut zcx_packer,
        length: *mut u64,
        error: *mut zcx_error,
    ) -> zcx_status;
    pub fn zcx_unpack(
        out: *mut *mut c_void,
        data: *const c_void,
        length: u64,
        builder: *const zcx_builder,
        context: *mut c_void,
        error: *mut zcx_error,
    ) -> zcx_status;
}
