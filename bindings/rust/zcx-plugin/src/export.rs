use crate::{abi, Call, Options, Result};
use std::any::Any;
use std::cell::RefCell;
use std::os::raw::{c_char, c_int, c_void};
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::Once;

/// A calculator. An instance answers calls in several threads at once, which is why it is `Sync` and
/// why `calculate` has it by shared reference; what changes between calls goes behind a `Mutex`.
pub trait Calculator: Send + Sync + Sized + 'static {
    /// Makes an instance from its options. An `Err` makes the opening fail.
    fn create(options: &Options) -> Result<Self>;

    /// Answers one call, by one of the functions `answer_…` of [`Call`].
    fn calculate(&self, call: &Call) -> Result<()>;
}

/// Exports a [`Calculator`] under a name; once in a crate.
#[macro_export]
macro_rules! export {
    ($name:literal, $calculator:ty) => {
        const _: () = {
            #[export_name = "zcx_plugin"]
            #[used]
            static DESCRIPTOR: $crate::abi::Plugin =
                $crate::descriptor::<$calculator>(concat!($name, "\0"));
        };
    };
}

/// What [`export!`] exports; `name` ends in a NUL.
pub const fn descriptor<C: Calculator>(name: &'static str) -> abi::Plugin {
    abi::Plugin {
        struct_size: std::mem::size_of::<abi::Plugin>(),
        abi_version: abi::ZCX_PLUGIN_ABI,
        flags: abi::ZCX_PLUGIN_THREADS,
        name: name.as_ptr() as *const c_char,
        create: create::<C>,
        calculate: calculate::<C>,
        destroy: destroy::<C>,
    }
}

unsafe extern "C" fn create<C: Calculator>(
    core: *const abi::Core,
    handle: *mut abi::OptionsHandle,
) -> *mut c_void {
    record_panics();
    // SAFETY: zcx hands over its table, valid until destroy(), and options, valid until we return.
    let options = Options { core: &*core, handle };
    match guarded(|| C::create(&options)) {
        Ok(instance) => Box::into_raw(Box::new(instance)).cast(),
        Err(why) => {
            let (text, length) = (why.as_ptr(), why.len() as c_int);
            (options.core.options_fail)(handle, FORMAT.as_ptr().cast(), length, text);
            ptr::null_mut()
        }
    }
}

unsafe extern "C" fn calculate<C: Calculator>(
    instance: *mut c_void,
    core: *const abi::Core,
    handle: *mut abi::CallHandle,
) -> c_int {
    // SAFETY: the instance is create()'s, and destroy() waits for the calls; table and call are
    // valid until we return.
    let (instance, call) = (&*instance.cast::<C>(), Call { core: &*core, handle });
    match guarded(|| instance.calculate(&call)) {
        Ok(()) => 0,
        Err(why) => {
            let (text, length) = (why.as_ptr(), why.len() as c_int);
            (call.core.fail)(handle, FORMAT.as_ptr().cast(), length, text);
            1
        }
    }
}

unsafe extern "C" fn destroy<C: Calculator>(instance: *mut c_void) {
    // SAFETY: the instance is create()'s, and nobody uses it any more. A panic has nobody to go to.
    let _ = guarded(|| {
        drop(Box::from_raw(instance.cast::<C>()));
        Ok(())
    });
}

/// printf's format of a text that is not NUL-terminated.
const FORMAT: &str = "%.*s\0";

thread_local! {
    /// What the panic hook saw while a calculator ran in this thread: outer `None` when none runs.
    static PANIC: RefCell<Option<Option<String>>> = const { RefCell::new(None) };
}

/// What `work` returned, or why it failed: an error, or a panic, which goes no further.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> std::result::Result<T, String> {
    PANIC.with(|seen| *seen.borrow_mut() = Some(None));
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    let seen = PANIC.with(|seen| seen.borrow_mut().take()).flatten();
    match result {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(payload) => {
            let why = seen.unwrap_or_else(|| message(&*payload));
            // Dropping a payload may panic as well; a leak is all that is left then.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)));
            Err(format!("it panicked: {why}"))
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| text.to_string());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into())
}

/// Keeps the message and place of a calculator's panic for its caller instead of printing them; any
/// other panic is printed as ever. The hook is of this shared object alone.
fn record_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |about| {
            let recorded = PANIC.with(|seen| match seen.try_borrow_mut().as_deref_mut() {
                Ok(Some(seen)) => {
                    let place = about.location().map(|place| format!(", at {place}"));
                    *seen = Some(message(about.payload()) + &place.unwrap_or_default());
                    true
                }
                _ => false,
            });
            if !recorded {
                before(about);
            }
        }));
    });
}
