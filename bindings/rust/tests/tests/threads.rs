//! Send and Sync exactly where the core's thread rule has them, and threads that use it.
use std::sync::atomic::{AtomicUsize, Ordering};
use zcx::*;
use zcx_tests::place::Place;

/// True when a type has a trait, found out at compile time: the inherent method wins where its bound
/// holds, the blanket trait's otherwise.
macro_rules! has {
    ($type:ty: $trait:ident) => {{
        struct Probe<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code)]
        impl<T: ?Sized + $trait> Probe<T> {
            const HAS: bool = true;
        }
        #[allow(dead_code)]
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<T: ?Sized> Otherwise for Probe<T> {}
        <Probe<$type>>::HAS
    }};
}

#[test]
fn types_are_shared_as_the_thread_rule_says() {
    macro_rules! table {
        ($($type:ty: $send:literal $sync:literal)*) => {$(
            assert_eq!((has!($type: Send), has!($type: Sync)), ($send, $sync), stringify!($type));
        )*};
    }
    table! {
        Store: true true
        View<'static>: true true
        SharedView: true true
        Calculator: true true
        Worker: true true
        Reference: true true
        Loan<'static>: true false
        Scan<'static>: true false
        Batch<'static>: true false
        Packer<'static>: true false
        Call<'static>: true false
        Pending<'static>: true false
        Answer: true false
        Request: true false
        Envelope: true true
        Value<'static>: true true
        Array<'static>: true true
        Error: true true
        plugin::Call<'static>: false false
        plugin::Options<'static>: false false
    }
}

#[test]
fn many_threads_use_one_store() {
    let place = Place::new();
    let store = place.store();
    let seen = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let (store, seen) = (&store, &seen);
            scope.spawn(move || {
                for round in 0..200u64 {
                    let mut loan = store.loan(20_000).unwrap();
                    loan.bytes_mut().fill(thread);
                    loan.publish("shared", 20_000, &Envelope::raw()).unwrap();
                    let view = store.view("shared").unwrap();
                    let first = view.bytes()[0];
                    assert!(view.bytes().iter().all(|byte| *byte == first), "round {round}");
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(seen.into_inner(), 800);
}

#[test]
fn a_view_is_read_and_released_in_other_threads() {
    let place = Place::new();
    let store = place.store();
    store.put("key", &[5; 10_000], &Envelope::raw()).unwrap();
    let view = store.view("key").unwrap();
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    std::thread::scope(|scope| {
        let halves = view.bytes().split_at(5000);
        let one = scope.spawn(move || sum(halves.0));
        assert_eq!(one.join().unwrap() + sum(halves.1), 50_000);
    });
    std::thread::scope(|scope| {
        scope.spawn(move || drop(view));
    });
    store.close().expect("nothing is held any more");
}

#[test]
fn a_shared_view_keeps_its_store_open() {
    let place = Place::new();
    let store = std::sync::Arc::new(place.store());
    store.put("key", b"held", &Envelope::raw()).unwrap();
    let view = store.shared_view("key").unwrap();
    assert!(store.shared_view("none").is_err());
    drop(store);
    let reader = std::thread::spawn(move || view.bytes().to_vec());
    assert_eq!(reader.join().unwrap(), b"held");
}

#[test]
fn a_loan_is_filled_and_published_in_another_thread() {
    let place = Place::new();
    let store = place.store();
    let mut loan = store.loan(10_000).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            loan.bytes_mut().fill(9);
            loan.publish("key", 10_000, &Envelope::raw()).unwrap();
        });
    });
    assert_eq!(store.view("key").unwrap().bytes(), [9; 10_000]);
}

#[test]
fn a_child_of_a_fork_may_not_use_the_store() {
    extern "C" {
        fn fork() -> i32;
        fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
        fn _exit(status: i32) -> !;
    }
    let place = Place::new();
    let store = place.store();
    store.put("key", b"", &Envelope::raw()).unwrap();
    // SAFETY: the child makes calls that fail at once, and exits without running anything else.
    unsafe {
        let child = fork();
        if child == 0 {
            let refused = matches!(store.view("key"), Err(Error::Fork(_)));
            _exit(if refused { 0 } else { 1 });
        }
        let mut status = -1;
        assert_eq!(waitpid(child, &mut status, 0), child);
        assert_eq!(status, 0);
    }
    assert!(store.view("key").is_ok());
}
