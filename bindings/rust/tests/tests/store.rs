//! Store, loan, view, batch, scan: each public call, and bad input.
use std::time::{Duration, Instant};
use zcx::{
    Array, Durability, Envelope, Error, Format, Kept, ScanOptions, Store, StoreOptions, Ttl,
};
use zcx_tests::place::Place;

fn keys(store: &Store, options: &ScanOptions) -> Vec<String> {
    let name = |entry: zcx::Result<zcx::Entry>| String::from_utf8(entry.unwrap().key).unwrap();
    store.scan(options).unwrap().map(name).collect()
}

#[test]
fn a_store_is_opened_as_asked() {
    let place = Place::new();
    let options = StoreOptions {
        database: "mine".into(),
        budget: 64 << 20,
        map_size: 512 << 20,
        durability: Durability::None,
        max_readers: 1024,
        lock_timeout: Duration::from_secs(5),
        existing: false,
        group: String::new(),
    };
    let missing = StoreOptions { existing: true, ..options.clone() };
    let path = place.path().join("store");
    assert!(matches!(Store::open_with(Some(&path), &missing), Err(Error::NotFound(_))));
    let store = place.store_with(&options);
    assert_eq!(store.path(), path);
    assert_eq!(store.database(), "mine");
    let other = StoreOptions { budget: 65 << 20, ..options };
    let refused = Store::open_with(Some(&path), &other).unwrap_err();
    assert!(matches!(refused, Error::Busy(_)) && refused.message().contains("budget"), "{refused}");
    let again = Store::open(&path).unwrap(); // the same environment
    store.put("key", b"seen", &Envelope::raw()).unwrap();
    assert!(!again.exists("key").unwrap(), "another database");
    store.close().unwrap();
    again.close().unwrap();
}

#[test]
fn names_with_a_nul_are_refused() {
    let place = Place::new();
    let nul = StoreOptions { database: "a\0b".into(), ..Default::default() };
    let refused = Store::open_with(Some(place.path()), &nul).unwrap_err();
    assert_eq!((refused.name(), refused.cause()), ("ZCX_EINVAL", 0));
    assert!(matches!(Store::open("/dev/shm/a\0b"), Err(Error::InvalidArgument(_))));
    let store = place.store();
    let envelope = Envelope { source: Some("a\0b".into()), ..Envelope::raw() };
    assert!(store.put("key", b"", &envelope).unwrap_err().message().contains("source"));
    assert!(store.put_error("key", "a\0", None, Ttl::Default).is_err());
}

#[test]
fn what_is_put_is_viewed_until_it_is_deleted() {
    let place = Place::new();
    let store = place.store();
    let envelope = Envelope {
        source: Some("engine".into()),
        target: Some("Zürich".into()),
        content_type: Some("text/plain".into()),
        checksum: true,
        ..Envelope::raw()
    };
    let transaction = store.put("key", b"hello", &envelope).unwrap();
    let view = store.view("key").unwrap();
    assert_eq!((view.bytes(), view.key(), view.len()), (&b"hello"[..], &b"key"[..], 5));
    assert!(!view.is_empty());
    view.verify().unwrap();
    let read = view.envelope().unwrap();
    assert_eq!((read.length, read.transaction, read.in_slot), (5, transaction, false));
    assert_eq!(read.expires - read.created, 300_000_000_000);
    assert_eq!(read.crc32c, 0x9a71bb4c);
    assert_eq!((read.source, read.target), (envelope.source, envelope.target));
    assert_eq!((read.content_type, read.checksum), (envelope.content_type, true));
    assert_eq!(store.count().unwrap(), 1);
    store.delete("key").unwrap();
    assert_eq!(view.bytes(), b"hello", "a view stays");
    assert!(matches!(store.delete("key"), Err(Error::NotFound(_))));
    assert!(matches!(store.view("key"), Err(Error::NotFound(_))));
    assert!(!store.exists("key").unwrap());
}

#[test]
fn bad_keys_and_sizes_are_refused() {
    let place = Place::new();
    let store = place.store();
    assert!(matches!(store.put("", b"", &Envelope::raw()), Err(Error::InvalidArgument(_))));
    assert!(store.put([7; 511], b"", &Envelope::raw()).is_ok());
    assert!(store.put([7; 512], b"", &Envelope::raw()).is_err());
    assert!(matches!(store.loan(5 << 30), Err(Error::LimitExceeded(_))));
    assert!(matches!(store.loan(1 << 30), Err(Error::Full(_))));
    let wrong = Envelope::numpy::<f64>(&[3]);
    assert!(store.put("key", &[0; 23], &wrong).is_err(), "the shape says 24 bytes");
    let dtype = Envelope::numpy_of("f8", &[1], zcx::Order::C);
    assert!(store.put("key", &[0; 8], &dtype).is_err(), "no byte order");
}

#[test]
fn times_to_live_are_kept() {
    let place = Place::new();
    let store = place.store();
    let with = |ttl| Envelope { ttl, ..Envelope::raw() };
    store.put("never", b"", &with(Ttl::Never)).unwrap();
    assert_eq!(store.view("never").unwrap().envelope().unwrap().expires, 0);
    store.put("hour", b"", &with(Ttl::After(Duration::from_secs(3600)))).unwrap();
    let hour = store.view("hour").unwrap().envelope().unwrap();
    assert_eq!(hour.expires - hour.created, 3_600_000_000_000);
    store.put("soon", b"", &with(Ttl::After(Duration::ZERO))).unwrap(); // a millisecond
    let expired = loop {
        match store.view("soon") {
            Ok(_) => std::thread::yield_now(),
            Err(error) => break error,
        }
    };
    assert!(matches!(expired, Error::Expired(_)), "{expired}");
    assert!(store.sweep(true).unwrap().starts_with('{'));
    assert_eq!(
        keys(&store, &ScanOptions { expired: true, ..Default::default() }),
        ["hour", "never"]
    );
}

#[test]
fn a_loan_is_published_where_it_was_filled() {
    let place = Place::new();
    let store = place.store();
    let mut loan = store.loan_within(8_000_000, Duration::from_secs(1)).unwrap();
    assert!(loan.capacity() >= 8_000_000);
    let numbers = loan.slice_mut::<f64>().unwrap();
    assert_eq!((numbers.len(), numbers.as_ptr() as usize % 64), (1_000_000, 0));
    numbers.iter_mut().enumerate().for_each(|(i, x)| *x = i as f64);
    loan.publish("key", 4_000_000, &Envelope::numpy::<f64>(&[500_000])).unwrap();
    let view = store.view("key").unwrap();
    assert_eq!(view.slice::<f64>().unwrap()[499_999], 499_999.0);
    assert_eq!(view.len(), 4_000_000);
    assert!(view.envelope().unwrap().in_slot);

    let mut loan = store.loan(100_000).unwrap();
    loan.copy_from(b"first").unwrap();
    assert!(loan.copy_from(&[0; 100_001]).is_err());
    assert!(loan.resize(1 << 40).is_err());
    loan.resize(8).unwrap();
    assert_eq!(loan.bytes_mut().len(), 8);
    let held = loan.publish_view("key", 5, &Envelope::raw()).unwrap();
    store.put("key", b"second", &Envelope::raw()).unwrap();
    assert_eq!(held.bytes(), b"first");
    drop(store.loan(100_000).unwrap()); // discarded
    assert_eq!(store.count().unwrap(), 1);
}

#[test]
fn a_loan_that_cannot_be_published_comes_back() {
    let place = Place::new();
    let store = place.store();
    let mut loan = store.loan(5000).unwrap();
    loan.copy_from(b"kept").unwrap();
    let Kept { error, kept } = loan.publish("", 4, &Envelope::raw()).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument(_)));
    let refused = kept.publish("key", 1 << 20, &Envelope::raw()).unwrap_err();
    assert!(!refused.to_string().is_empty());
    let nul = Envelope { target: Some("\0".into()), ..Envelope::raw() };
    let refused = refused.kept.publish_view("key", 4, &nul).unwrap_err();
    refused.kept.publish("key", 4, &Envelope::raw()).unwrap();
    assert_eq!(store.view("key").unwrap().bytes(), b"kept");
}

#[test]
fn a_batch_is_seen_at_its_commit() {
    let place = Place::new();
    let store = place.store();
    store.put("old", b"", &Envelope::raw()).unwrap();
    let mut batch = store.batch().unwrap();
    batch.put("a", b"1", &Envelope::raw()).unwrap();
    batch.put("b", &vec![2; 10_000], &Envelope::raw()).unwrap();
    batch.delete("old").unwrap();
    let mut loan = store.loan(3000).unwrap();
    loan.bytes_mut().fill(3);
    batch.publish(loan, "c", 3000, &Envelope::raw()).unwrap();
    assert!(batch.put("", b"", &Envelope::raw()).is_err());
    let refused = batch.publish(store.loan(10).unwrap(), "", 1, &Envelope::raw());
    assert!(refused.is_err(), "the loan comes back");
    drop(refused);
    assert_eq!(keys(&store, &Default::default()), ["old"]);
    batch.commit().unwrap();
    assert_eq!(keys(&store, &Default::default()), ["a", "b", "c"]);
    assert_eq!(store.view("c").unwrap().bytes(), [3; 3000]);
    let mut dropped = store.batch().unwrap();
    dropped.delete("a").unwrap();
    drop(dropped);
    assert!(store.exists("a").unwrap());
}

#[test]
fn a_scan_shows_what_its_options_say() {
    let place = Place::new();
    let store = place.store();
    for key in ["a1", "a2", "a3", "b1", "b2"] {
        store.put(key, key.as_bytes(), &Envelope::json()).unwrap();
    }
    let with = |options: ScanOptions| keys(&store, &options);
    assert_eq!(with(ScanOptions { prefix: b"b", ..Default::default() }), ["b1", "b2"]);
    let between = ScanOptions { from: Some(b"a2"), to: Some(b"b1"), ..Default::default() };
    assert_eq!(with(between.clone()), ["a2", "a3"]);
    assert_eq!(with(ScanOptions { reverse: true, ..between }), ["a3", "a2"]);
    assert_eq!(with(ScanOptions { limit: 1, snapshot: true, ..Default::default() }), ["a1"]);
    let mut scan = store.scan(&Default::default()).unwrap();
    assert_eq!(scan.next().unwrap().unwrap().envelope.unwrap().format, Format::Json);
    assert_eq!(scan.by_ref().count(), 4);
    assert!(scan.next().is_none() && scan.next().is_none());
    let mut bare = store.scan(&ScanOptions { keys_only: true, ..Default::default() }).unwrap();
    assert_eq!(bare.next().unwrap().unwrap().envelope, None);
}

#[test]
fn an_error_record_says_why_there_is_no_result() {
    let place = Place::new();
    let store = place.store();
    store.put_error("key", "it broke", Some("line 1\nline 2"), Ttl::Never).unwrap();
    let view = store.view("key").unwrap();
    assert!(view.envelope().unwrap().error);
    let value = view.value().unwrap();
    assert_eq!(value.get("message").unwrap().as_str(), Some("it broke"));
    assert_eq!(value.get("trace").unwrap().as_str(), Some("line 1\nline 2"));
    assert_eq!(value.get("else"), None);
    let failed = store.wait("key", 0, None).unwrap_err();
    assert!(
        matches!(failed, Error::Failed(_)) && failed.message().contains("it broke"),
        "{failed}"
    );
}

#[test]
fn a_wait_ends_when_the_key_comes_or_the_time_is_up() {
    let place = Place::new();
    let store = place.store();
    let begin = Instant::now();
    let late = store.wait("key", 0, Some(Duration::from_millis(20))).unwrap_err();
    assert!(matches!(late, Error::TimedOut(_)) && begin.elapsed() >= Duration::from_millis(20));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| store.wait("key", 0, None).map(|view| view.bytes().to_vec()));
        store.put("key", b"here", &Envelope::raw()).unwrap();
        assert_eq!(waiter.join().unwrap().unwrap(), b"here");
    });
    let first = store.wait("key", 0, Some(Duration::ZERO)).unwrap().envelope().unwrap().transaction;
    assert!(store.wait("key", first, Some(Duration::ZERO)).is_err());
    store.delete("key").unwrap();
    assert!(matches!(store.wait("key", first, None), Err(Error::Deleted(_))));
}

#[test]
fn a_store_tells_about_itself() {
    let place = Place::new();
    let store = place.store();
    store.put_array("key", &Array::of(&[1i32, 2, 3], &[3])).unwrap();
    let stat = zcx_tests::json::parse(store.stat().unwrap().as_bytes()).unwrap();
    assert_ne!(stat.get("store"), &zcx_tests::json::Json::Null);
    let check = zcx_tests::json::parse(store.check().unwrap().as_bytes()).unwrap();
    assert_eq!(check.get("sound"), &zcx_tests::json::Json::Bool(true));
}

#[test]
fn a_store_with_a_forgotten_view_says_so_at_close() {
    let place = Place::new();
    let store = place.store();
    store.put("key", b"x", &Envelope::raw()).unwrap();
    std::mem::forget(store.view("key").unwrap());
    assert!(matches!(store.close(), Err(Error::Busy(_))));
}
