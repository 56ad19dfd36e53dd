use crate::raw::text;
use std::mem::transmute;
use std::os::raw::{c_char, c_void};
use std::panic::catch_unwind;
use std::ptr;

/// How much a message of libzcx matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info,
    Warning,
}

/// Where warnings go (a full store bypassed, an unusual file system), for the whole process; `None`
/// restores stderr, where `ZCX_LOG=off|warn|info` decides how much. Called by any thread, with no
/// lock held.
pub fn set_log(function: Option<fn(Level, &str)>) {
    // SAFETY: `log` gets back the function that is handed over as context.
    unsafe {
        match function {
            Some(function) => zcx_sys::zcx_log_set(Some(log), function as *mut c_void),
            None => zcx_sys::zcx_log_set(None, ptr::null_mut()),
        }
    }
}

unsafe extern "C" fn log(context: *mut c_void, level: c_char, message: *const c_char) {
    let function: fn(Level, &str) = transmute(context);
    let level = if level as u8 == b'w' { Level::Warning } else { Level::Info };
    // A logger that panics must not unwind through C; there is nobody to tell.
    let _ = catch_unwind(|| function(level, text(message).unwrap_or_default()));
}
