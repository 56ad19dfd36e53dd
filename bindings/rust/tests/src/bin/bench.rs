//! What the hand-over costs in Rust beside C, interleaved in one run, in the lines of bench/core.c: a
//! figure's name, the median of the rounds, the baseline's, and the ratio. The C side makes the same
//! calls through zcx-sys, as a C program does.
use std::ptr;
use std::time::Instant;
use zcx::{Envelope, Store, StoreOptions};
use zcx_sys::*;
use zcx_tests::place::Place;

const ROUNDS: usize = 41;
const REPEATS: u32 = 5000;
const SIZE: u64 = 100_000_000;
const KEY: &[u8] = b"large";

fn main() {
    let place = Place::new();
    let options = StoreOptions { budget: 1 << 30, ..Default::default() };
    let store = place.store_with(&options);
    let c = CStore::open(&store);
    store.loan(SIZE).unwrap().publish(KEY, SIZE, &Envelope::raw()).unwrap();
    report("Rust: view+release", "the same in C", view_and_release(&store), || {
        c.view_and_release()
    });
    report("Rust: loan+publish+view+release, 100 MB", "the same in C", cycle(&store), || c.cycle());
}

/// Medians of nanoseconds: rounds of one and the other in turn.
fn report(name: &str, baseline: &str, rust: impl Fn() -> f64, c: impl Fn() -> f64) {
    rust();
    c();
    let (mut one, mut other): (Vec<f64>, Vec<f64>) = (0..ROUNDS).map(|_| (rust(), c())).unzip();
    one.sort_unstable_by(f64::total_cmp);
    other.sort_unstable_by(f64::total_cmp);
    let (one, other) = (one[ROUNDS / 2], other[ROUNDS / 2]);
    let ratio = one / other;
    println!(
        "{name:<44} {one:10.1} ns   {baseline:<34} {other:10.1}  ratio {ratio:.2} (at most 1.10)"
    );
}

fn time(mut work: impl FnMut(u32)) -> f64 {
    let start = Instant::now();
    (0..REPEATS).for_each(&mut work);
    start.elapsed().as_nanos() as f64 / f64::from(REPEATS)
}

fn view_and_release(store: &Store) -> impl Fn() -> f64 + '_ {
    move || time(|_| drop(store.view(KEY).unwrap()))
}

fn cycle(store: &Store) -> impl Fn() -> f64 + '_ {
    let envelope = Envelope::raw();
    move || {
        time(|i| {
            let mut loan = store.loan(SIZE).unwrap();
            loan.bytes_mut()[0] = i as u8;
            loan.publish(KEY, SIZE, &envelope).unwrap();
            assert_eq!(store.view(KEY).unwrap().bytes()[0], i as u8);
        })
    }
}

/// The same store, used as C uses it: one error for all calls.
struct CStore(*mut zcx_store);

impl CStore {
    fn open(store: &Store) -> CStore {
        let path = std::ffi::CString::new(store.path().to_str().unwrap()).unwrap();
        let mut raw = ptr::null_mut();
        // SAFETY: the path is valid during the call.
        let status =
            unsafe { zcx_store_open(&mut raw, path.as_ptr(), ptr::null(), ptr::null_mut()) };
        assert_eq!(status, ZCX_OK);
        CStore(raw)
    }

    fn view(&self, error: &mut zcx_error) -> *mut zcx_view {
        let (mut view, key) = (ptr::null_mut(), KEY.as_ptr().cast());
        // SAFETY: the store is open, the key valid during the call.
        let status = unsafe { zcx_store_view(&mut view, self.0, key, KEY.len(), error) };
        assert_eq!(status, ZCX_OK);
        view
    }

    fn view_and_release(&self) -> f64 {
        let mut error = no_error();
        // SAFETY: the view is released once.
        time(|_| unsafe { zcx_view_release(self.view(&mut error)) })
    }

    fn cycle(&self) -> f64 {
        let mut error = no_error();
        time(|i| {
            let (mut loan, none, key) = (ptr::null_mut(), ptr::null_mut(), KEY.as_ptr().cast());
            // SAFETY: the calls of a C program, in their order.
            unsafe {
                let status = zcx_store_loan(&mut loan, self.0, SIZE, 0, &mut error);
                assert_eq!(status, ZCX_OK);
                *zcx_loan_data(loan).cast::<u8>() = i as u8;
                let length = KEY.len();
                let status =
                    zcx_loan_publish(loan, key, length, SIZE, ptr::null(), none, &mut error);
                assert_eq!(status, ZCX_OK);
                let view = self.view(&mut error);
                assert_eq!(*zcx_view_data(view).cast::<u8>(), i as u8);
                zcx_view_release(view);
            }
        })
    }
}

impl Drop for CStore {
    fn drop(&mut self) {
        // SAFETY: closed once.
        unsafe { zcx_store_close(self.0, ptr::null_mut()) };
    }
}

fn no_error() -> zcx_error {
    zcx_error { status: ZCX_OK, cause: 0, message: [0; 504] }
}
