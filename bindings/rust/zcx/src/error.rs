use crate::raw;
use std::fmt;
use std::mem::MaybeUninit;
use std::os::raw::c_char;
use std::ptr::addr_of_mut;
use zcx_sys::{zcx_error, zcx_status, ZCX_OK};

pub type Result<T> = std::result::Result<T, Error>;

/// What libzcx says about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// One sentence, with the names and numbers that matter.
    pub message: String,
    /// errno, or LMDB's code (negative), or 0.
    pub cause: i32,
    /// What a failed calculator left beside its message.
    pub trace: Option<String>,
}

macro_rules! errors {
    ($($(#[$about:meta])* $name:ident = $status:ident,)*) => {
        /// Why a call failed: one variant for each status of libzcx.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Error {
            $($(#[$about])* $name(Box<Details>),)*
            /// A status that this version of the crate does not know.
            Other(u32, Box<Details>),
        }

        impl Error {
            /// Every status that the crate knows.
            #[doc(hidden)]
            pub const STATUSES: &'static [(&'static str, u32)] =
                &[$((stringify!($status), zcx_sys::$status),)*];

            fn new(status: zcx_status, details: Details) -> Error {
                let details = Box::new(details);
                match status {
                    $(zcx_sys::$status => Error::$name(details),)*
                    other => Error::Other(other, details),
                }
            }

            /// libzcx's number of it.
            pub fn status(&self) -> u32 {
                match self {
                    $(Error::$name(_) => zcx_sys::$status,)*
                    Error::Other(status, _) => *status,
                }
            }

            pub fn details(&self) -> &Details {
                match self {
                    $(Error::$name(details) => details,)*
                    Error::Other(_, details) => details,
                }
            }

            fn details_mut(&mut self) -> &mut Details {
                match self {
                    $(Error::$name(details) => details,)*
                    Error::Other(_, details) => details,
                }
            }
        }
    };
}

errors! {
    /// No record at the key, no store at the path, no such file.
    NotFound = ZCX_ENOTFOUND,
    /// The record's time to live is over.
    Expired = ZCX_EEXPIRED,
    InvalidArgument = ZCX_EINVAL,
    LimitExceeded = ZCX_ELIMIT,
    /// No room; the message says who holds it.
    Full = ZCX_EFULL,
    /// Something else is using it; the message says who.
    Busy = ZCX_EBUSY,
    TimedOut = ZCX_ETIMEDOUT,
    Corrupt = ZCX_ECORRUPT,
    UnsupportedVersion = ZCX_EVERSION,
    AccessRefused = ZCX_EACCES,
    /// The loan is not ours any more.
    LoanLost = ZCX_ELOST,
    /// Someone removed the store's directory.
    StoreRemoved = ZCX_ESTALE,
    /// What was opened before a fork belongs to the parent.
    Fork = ZCX_EFORK,
    Closed = ZCX_ECLOSED,
    Unsupported = ZCX_EUNSUPPORTED,
    OutOfMemory = ZCX_ENOMEM,
    System = ZCX_ESYSTEM,
    /// The calculator failed: its message, and its trace if it left one.
    Failed = ZCX_EFAILED,
    /// The key that was waited for had a record, and has none any more.
    Deleted = ZCX_EDELETED,
    /// Whoever was to give the answer died, and so did who tried after it.
    ProducerDied = ZCX_EDEAD,
    /// Nobody wants the answer any more.
    Cancelled = ZCX_ECANCELLED,
}

impl Error {
    pub fn message(&self) -> &str {
        &self.details().message
    }

    /// errno, or LMDB's code (negative), or 0.
    pub fn cause(&self) -> i32 {
        self.details().cause
    }

    pub fn trace(&self) -> Option<&str> {
        self.details().trace.as_deref()
    }

    /// `"ZCX_EFULL"`.
    pub fn name(&self) -> &'static str {
        // SAFETY: static text.
        unsafe { raw::text(zcx_sys::zcx_status_name(self.status())) }.unwrap_or_default()
    }

    pub(crate) fn invalid(message: String) -> Error {
        Error::InvalidArgument(Box::new(Details { message, cause: 0, trace: None }))
    }

    pub(crate) fn corrupt(message: String) -> Error {
        Error::Corrupt(Box::new(Details { message, cause: 0, trace: None }))
    }

    pub(crate) fn with_trace(mut self, trace: Option<&str>) -> Error {
        self.details_mut().trace = trace.map(str::to_owned);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(self.message())
    }
}

impl std::error::Error for Error {}

impl From<zcx_plugin::Mismatch> for Error {
    fn from(why: zcx_plugin::Mismatch) -> Error {
        Error::invalid(why.to_string())
    }
}

/// Why a loan or batch could not be published, and the loan or batch itself, which is as it was: to
/// be tried again, or dropped. `?` drops it and keeps the error.
#[derive(Debug)]
pub struct Kept<T> {
    pub error: Error,
    pub kept: T,
}

impl<T> From<Kept<T>> for Error {
    fn from(failed: Kept<T>) -> Error {
        failed.error
    }
}

impl<T> fmt::Display for Kept<T> {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        self.error.fmt(to)
    }
}

impl<T: fmt::Debug> std::error::Error for Kept<T> {}

/// Makes a call of libzcx with an error of its own.
#[inline]
pub(crate) fn check(call: impl FnOnce(*mut zcx_error) -> zcx_status) -> Result<()> {
    let mut error = MaybeUninit::<zcx_error>::uninit();
    let at = error.as_mut_ptr();
    // SAFETY: writes fields of what is there. The message is not zeroed whole: libzcx looks at the
    // status alone, and 500 bytes would cost more than a view does.
    unsafe {
        addr_of_mut!((*at).status).write(ZCX_OK);
        addr_of_mut!((*at).cause).write(0);
        addr_of_mut!((*at).message).cast::<c_char>().write(0);
    }
    match call(at) {
        ZCX_OK => Ok(()),
        // SAFETY: status and cause are written, and the message up to its NUL.
        status => Err(unsafe { failure(status, at) }),
    }
}

#[cold]
unsafe fn failure(status: zcx_status, error: *const zcx_error) -> Error {
    let said = raw::text(std::ptr::addr_of!((*error).message).cast()).unwrap_or_default();
    let message = match said {
        "" => raw::text(zcx_sys::zcx_status_message(status)).unwrap_or_default(),
        said => said,
    };
    Error::new(status, Details { message: message.to_owned(), cause: (*error).cause, trace: None })
}
