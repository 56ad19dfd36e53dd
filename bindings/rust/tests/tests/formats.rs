//! Formats, and that nothing is copied on the way to a slice.
use zcx::{pack_into, packed_length, Array, Envelope, Error, Format, Order, Value};
use zcx_tests::payload;
use zcx_tests::place::Place;

#[test]
fn every_format_goes_through_at_every_size() {
    let place = Place::new();
    let store = place.store();
    for format in ["raw", "json", "msgpack", "numpy"] {
        for size in [0, 1, 1000, 1024, 1_000_000] {
            payload::write(&store, "key", format, size).unwrap();
            payload::check(&store.view("key").unwrap(), format, size)
                .unwrap_or_else(|why| panic!("{format}, {size}: {why}"));
        }
        payload::write(&store, "key", format, 1000).unwrap();
        assert!(payload::check(&store.view("key").unwrap(), format, 2000).is_err());
    }
}

#[test]
fn a_hundred_megabytes_go_through() {
    let place = Place::new();
    let store = place.store();
    payload::write(&store, "key", "numpy", 100_000_000).unwrap();
    payload::check(&store.view("key").unwrap(), "numpy", 100_000_000).unwrap();
}

#[test]
fn slices_lie_in_the_view_and_are_of_its_type() {
    let place = Place::new();
    let store = place.store();
    let numbers: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    store.put_array("numpy", &Array::of(&numbers, &[10, 100])).unwrap();
    let view = store.view("numpy").unwrap();
    let slice = view.slice::<f32>().unwrap();
    assert_eq!((slice, slice.as_ptr().cast()), (&numbers[..], view.bytes().as_ptr()));
    let array = view.array().unwrap();
    assert_eq!((array.dtype(), array.shape(), array.order()), ("<f4", &[10, 100][..], Order::C));
    let wrong = view.slice::<i32>().unwrap_err();
    assert!(
        matches!(wrong, Error::InvalidArgument(_)) && wrong.message().contains("<f4"),
        "{wrong}"
    );
    assert!(array.slice::<f64>().is_err());

    store.put("raw", &[0; 12], &Envelope::raw()).unwrap();
    let view = store.view("raw").unwrap();
    assert_eq!(view.slice::<u32>().unwrap(), [0; 3]);
    assert!(view.slice::<u64>().unwrap_err().message().contains("12 bytes"));
    assert!(view.array().is_err() && view.value().is_err());
    store.put("text", &[0xff], &Envelope::json()).unwrap();
    assert!(matches!(store.view("text").unwrap().text(), Err(Error::Corrupt(_))));
    assert!(store.view("text").unwrap().slice::<u8>().is_err(), "JSON is no array");
}

#[test]
fn times_and_booleans_are_read_as_integers() {
    let place = Place::new();
    let store = place.store();
    let times = Array::new("<M8[ns]", vec![2], Order::C, &[0; 16]);
    store.put_array("times", &times).unwrap();
    assert_eq!(store.view("times").unwrap().slice::<i64>().unwrap(), [0, 0]);
    let flags = Array::new("|b1", vec![2], Order::F, &[0, 1]);
    store.put_array("flags", &flags).unwrap();
    assert_eq!(store.view("flags").unwrap().slice::<u8>().unwrap(), [0, 1]);
    let big = Array::new(">f8", vec![1], Order::C, &[0; 8]);
    store.put_array("big", &big).unwrap();
    assert!(store.view("big").unwrap().slice::<f64>().is_err(), "nothing is swapped");
    assert_eq!(store.view("big").unwrap().bytes(), [0; 8]);
}

#[test]
fn msgpack_is_read_where_it_lies() {
    let place = Place::new();
    let store = place.store();
    let (numbers, bytes) = ([1.5, 2.5], [7u8; 3000]);
    let write = |p: &mut zcx::Packer| {
        p.map(8).str("nil").nil().str("yes").bool(true).str("int").int(-5);
        p.str("uint").uint(u64::MAX).str("real").real(0.25).str("list").list(2).int(1).str("two");
        p.str("bin").bin(&bytes).str("array").array(&Array::of(&numbers, &[2, 1]));
    };
    store.put_msgpack("key", &Envelope::default(), write).unwrap();
    let view = store.view("key").unwrap();
    assert_eq!(view.envelope().unwrap().format, Format::Msgpack);
    let value = view.value().unwrap();
    assert_eq!(value.get("nil"), Some(&Value::Nil));
    assert_eq!(value.get("yes"), Some(&Value::Bool(true)));
    assert_eq!(value.get("int").unwrap().as_i64(), Some(-5));
    assert_eq!(value.get("uint"), Some(&Value::Uint(u64::MAX)));
    assert_eq!(value.get("real").unwrap().as_f64(), Some(0.25));
    assert_eq!(value.get("list"), Some(&Value::List(vec![Value::Int(1), Value::Str("two")])));
    assert_eq!(value.get("bin"), Some(&Value::Bin(&bytes)));
    let array = value.array("array").unwrap();
    assert_eq!((array.slice::<f64>().unwrap(), array.shape()), (&numbers[..], &[2, 1][..]));
    let payload = view.bytes().as_ptr_range();
    assert!(payload.contains(&array.bytes().as_ptr()));
    assert_eq!(array.bytes().as_ptr() as usize % 64, 0);
    assert!(value.array("int").is_err() && value.array("none").is_err());
    assert!(value.get("int").unwrap().array("x").is_err(), "no map");

    store.put_msgpack("again", &Envelope::default(), |p| value.pack(p)).unwrap();
    assert_eq!(store.view("again").unwrap().bytes(), view.bytes());
    store.put_msgpack("one", &Envelope::default(), |p| array.clone().pack_alone(p)).unwrap();
    assert_eq!(store.view("one").unwrap().slice::<f64>().unwrap(), numbers);
}

trait Alone {
    fn pack_alone(&self, packer: &mut zcx::Packer);
}

impl Alone for Array<'_> {
    fn pack_alone(&self, packer: &mut zcx::Packer) {
        packer.array(self);
    }
}

#[test]
fn a_packer_says_what_went_wrong() {
    let failed = |write: fn(&mut zcx::Packer)| packed_length(write).unwrap_err();
    let few = |p: &mut zcx::Packer| {
        p.list(2).nil();
    };
    assert!(matches!(failed(few), Error::InvalidArgument(_)));
    let deep = |p: &mut zcx::Packer| {
        (0..600).for_each(|_| {
            p.list(1);
        })
    };
    assert!(matches!(failed(deep), Error::LimitExceeded(_)));
    let short = |p: &mut zcx::Packer| {
        p.array(&Array::of(&[1.0], &[2]));
    };
    assert!(matches!(failed(short), Error::InvalidArgument(_)));
    let nul = |p: &mut zcx::Packer| {
        p.array(&Array::new("<f8\0", vec![], Order::C, &[0; 8]));
    };
    assert!(failed(nul).message().contains("NUL"));
    let huge = |p: &mut zcx::Packer| {
        p.array_with::<f64>(&[1 << 40, 1 << 40], |_| ());
    };
    assert!(failed(huge).message().contains("too large"));
    let foreign = |p: &mut zcx::Packer| Value::Extension(1, &[]).pack(p);
    assert!(failed(foreign).message().contains("extension"));

    let mut buffer = [0; 256];
    let aligned = buffer.as_ptr().align_offset(64);
    let write = |p: &mut zcx::Packer| {
        p.str("four");
    };
    assert_eq!(pack_into(&mut buffer[aligned..aligned + 5], write).unwrap(), 5);
    assert!(pack_into(&mut buffer[aligned..aligned + 4], write).is_err(), "no room");
    assert!(pack_into(&mut buffer[aligned + 1..], write).is_err(), "not aligned");
    assert!(pack_into(&mut [], write).is_err(), "no room at all");
    let panics = std::panic::catch_unwind(|| packed_length(|_| panic!("in the middle")));
    assert!(panics.is_err());
}

#[test]
fn formats_have_names() {
    for format in [Format::Raw, Format::Json, Format::Msgpack, Format::Numpy, Format::Arrow] {
        assert_eq!(format.name().parse::<Format>().unwrap(), format);
    }
    assert_eq!(Format::Unknown(99).name(), "unknown");
    assert!("pickle".parse::<Format>().unwrap_err().message().contains("pickle"));
    assert!("a\0".parse::<Format>().is_err());
    let place = Place::new();
    let store = place.store();
    store.put("key", b"ARROW1", &Envelope::arrow()).unwrap();
    assert_eq!(store.view("key").unwrap().envelope().unwrap().format, Format::Arrow);
}
