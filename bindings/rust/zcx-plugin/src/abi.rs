//! The ABI of a plug-in, as `zcx_plugin.h` declares it: see there what each function does.
//! A test compares it with the header.
use std::os::raw::{c_char, c_int, c_void};

pub const ZCX_PLUGIN_ABI: u32 = 1;
pub const ZCX_PLUGIN_THREADS: u32 = 1;

/// Handles of libzcx: only pointers to them exist.
#[repr(C)]
pub struct CallHandle {
    _private: [u8; 0],
}

#[repr(C)]
pub struct OptionsHandle {
    _private: [u8; 0],
}

#[repr(C)]
pub struct Typed {
    pub dtype: *const c_char,
    pub shape: *const u64,
    pub ndim: u32,
    pub order: c_char,
    pub count: u64,
    pub nbytes: u64,
    pub data: *const c_void,
}

#[repr(C)]
pub struct Input {
    pub data: *const c_void,
    pub length: u64,
    pub format: *const c_char,
    pub content_type: *const c_char,
}

#[repr(C)]
pub struct Column {
    pub name: *const c_char,
    pub dtype: *const c_char,
    pub ndim: u32,
    pub shape: *const u64,
}

type OptionsFn<T> = unsafe extern "C" fn(*mut OptionsHandle, *const c_char, T) -> T;
type ArrayFn = unsafe extern "C" fn(*mut CallHandle, *const c_char, *const c_char) -> *const Typed;

#[repr(C)]
pub struct Core {
    pub struct_size: usize,
    pub abi_version: u32,
    pub version: *const c_char,
    pub option_string: OptionsFn<*const c_char>,
    pub option_number: OptionsFn<f64>,
    pub option_bool: OptionsFn<c_int>,
    pub option_numbers: unsafe extern "C" fn(
        *mut OptionsHandle,
        name: *const c_char,
        values: *mut f64,
        capacity: usize,
        fallback: *const f64,
        count: usize,
    ) -> usize,
    pub options_json: unsafe extern "C" fn(*mut OptionsHandle) -> *const c_char,
    pub options_fail: unsafe extern "C" fn(*mut OptionsHandle, format: *const c_char, ...),
    pub input: unsafe extern "C" fn(*mut CallHandle) -> *const Input,
    pub array: ArrayFn,
    pub optional_array: ArrayFn,
    pub answer_array: unsafe extern "C" fn(
        *mut CallHandle,
        dtype: *const c_char,
        ndim: u32,
        shape: *const u64,
    ) -> *mut c_void,
    pub answer_like: unsafe extern "C" fn(*mut CallHandle, array: *const Typed) -> *mut c_void,
    pub answer_map: unsafe extern "C" fn(
        *mut CallHandle,
        columns: *const Column,
        count: usize,
        data: *mut *mut c_void,
    ) -> c_int,
    pub output: unsafe extern "C" fn(*mut CallHandle, size: u64) -> *mut c_void,
    pub answer: unsafe extern "C" fn(*mut CallHandle, length: u64, format: *const c_char) -> c_int,
    pub answer_rows: unsafe extern "C" fn(*mut CallHandle, rows: u64) -> c_int,
    pub fail: unsafe extern "C" fn(*mut CallHandle, format: *const c_char, ...),
}

#[repr(C)]
pub struct Plugin {
    pub struct_size: usize,
    pub abi_version: u32,
    pub flags: u32,
    pub name: *const c_char,
    pub create: unsafe extern "C" fn(core: *const Core, *mut OptionsHandle) -> *mut c_void,
    pub calculate:
        unsafe extern "C" fn(instance: *mut c_void, core: *const Core, *mut CallHandle) -> c_int,
    pub destroy: unsafe extern "C" fn(instance: *mut c_void),
}

// SAFETY: a descriptor is never changed, and what it points to is 'static.
unsafe impl Sync for Plugin {}
