//! Calling calculators, in process: every way to give an input and to read a result, and each failure.
use zcx::{Array, Calculator, Encoding, Envelope, Error, Format, Mode, Order, Reference, Store};
use zcx_tests::place::Place;
use zcx_tests::{c_calculator, rust_calculator};

const DOUBLE: &str = r#", "options": {"operation": "clip", "low": 0, "high": 10}"#;

fn clip(place: &Place, more: &str) -> Calculator {
    let plugin = rust_calculator("transform");
    Calculator::open(&place.config(&plugin, "transform", &format!("{DOUBLE}{more}"))).unwrap()
}

fn numbers() -> Vec<f64> {
    (0..1000).map(|i| f64::from(i) - 5.0).collect()
}

fn clipped() -> Vec<f64> {
    numbers().into_iter().map(|x| x.clamp(0.0, 10.0)).collect()
}

#[test]
fn a_calculator_says_how_it_is_configured() {
    let place = Place::new();
    let more = r#", "calculator": "rust", "lmdb_exchange_mode": "output", "lmdb_wait_timeout": 1500,
        "lmdb_data_format": "numpy""#;
    let calculator = clip(&place, more);
    assert_eq!((calculator.name(), calculator.language()), ("test", Some("rust")));
    assert_eq!((calculator.mode(), calculator.format()), (Mode::Output, Format::Numpy));
    assert_eq!(calculator.wait_timeout().as_millis(), 1500);
    assert!(calculator.enabled());
    assert_eq!(calculator.store().unwrap().path(), place.path().join("store"));
    let call = calculator.call().unwrap();
    assert_eq!(call.id().len(), 16);
    assert!(!call.input_by_reference(1 << 20) && call.output_by_reference(1 << 20));
    drop(call);
    calculator.close().unwrap();

    let plugin = rust_calculator("transform");
    let alone =
        format!(r#"{{"name": "a", "type": "transform", "plugin": "{}"}}"#, plugin.display());
    let alone = Calculator::open(&alone).unwrap();
    assert!(alone.store().is_none() && !alone.enabled() && alone.language().is_none());
    let answer = alone.calculate_array(&Array::of(&[1.0, 1.0], &[2])).unwrap();
    assert_eq!(answer.slice::<f64>().unwrap(), [0.0, 0.0]);
    assert!(answer.view().is_none() && answer.reference().unwrap().is_none());
}

#[test]
fn an_input_is_given_in_each_way() {
    let place = Place::new();
    let calculator = clip(&place, "");
    let numbers = numbers();
    let array = Array::of(&numbers, &[10, 100]);

    let answer = calculator.calculate_array(&array).unwrap();
    assert_eq!(answer.slice::<f64>().unwrap(), clipped());
    let envelope = answer.envelope().unwrap();
    assert_eq!((envelope.shape, envelope.order), (vec![10, 100], Some(Order::C)));

    let mut call = calculator.call().unwrap();
    call.input(9000).unwrap()[..8000].copy_from_slice(array.bytes());
    call.submit(8000, &Envelope::numpy::<f64>(&[1000])).unwrap();
    assert_eq!(call.run().unwrap().slice::<f64>().unwrap(), clipped());

    calculator.store().unwrap().put_array("key", &array).unwrap();
    let view = calculator.store().unwrap().view("key").unwrap();
    let answer = calculator.calculate_view(&view).unwrap();
    assert_eq!(answer.array().unwrap().slice::<f64>().unwrap(), clipped());

    let write = |p: &mut zcx::Packer| {
        p.array(&array);
    };
    let answer = calculator.calculate_msgpack(write).unwrap();
    assert_eq!(answer.slice::<f64>().unwrap(), clipped());
}

#[test]
fn results_are_chained_without_a_copy_and_leave_nothing() {
    let place = Place::new();
    let calculator = clip(&place, r#", "lmdb_exchange_mode": "reference""#);
    assert_eq!(calculator.mode(), Mode::Reference);
    let store = place.store();
    let first = calculator.calculate_array(&Array::of(&numbers(), &[1000])).unwrap();
    assert_eq!(store.count().unwrap(), 1, "the input is gone, the output there");
    let second = calculator.calculate_view(first.view().unwrap()).unwrap();
    let reference = second.reference().unwrap().unwrap();
    let third = calculator.calculate_reference(&reference).unwrap();
    assert_eq!(third.slice::<f64>().unwrap(), clipped());
    assert_eq!(store.count().unwrap(), 3, "each payload once");
    drop((first, second, third));
    calculator.sweep().unwrap();
    assert_eq!(store.count().unwrap(), 0);
    let gone = calculator.calculate_reference(&reference).unwrap_err();
    assert!(matches!(gone, Error::NotFound(_)), "{gone}");
}

#[test]
fn a_result_outlives_its_calculator_and_may_be_kept() {
    let place = Place::new();
    let store = place.store();
    let mut answer = {
        let calculator = clip(&place, "");
        calculator.calculate_array(&Array::of(&numbers(), &[1000])).unwrap()
    };
    assert_eq!(answer.slice::<f64>().unwrap(), clipped());
    answer.keep();
    let key = answer.reference().unwrap().unwrap().output_key().unwrap().to_owned();
    drop(answer);
    drop(clip(&place, "")); // deletes what released results left
    assert_eq!(store.view(key).unwrap().slice::<f64>().unwrap(), clipped());
}

#[test]
fn a_reference_is_written_and_read() {
    let place = Place::new();
    let calculator = clip(&place, "");
    let answer = calculator.calculate_array(&Array::of(&numbers(), &[1000])).unwrap();
    let reference = answer.reference().unwrap().unwrap();
    for encoding in [Encoding::Msgpack, Encoding::Json] {
        let bytes = reference.write(encoding).unwrap();
        assert!(Reference::is(encoding, &bytes) && !Reference::is(encoding, b"{}"));
        let read = Reference::parse(encoding, &bytes).unwrap();
        assert!(read.written() && read.data().is_none() && read.input_key().is_none());
        assert_eq!(read.output_key(), reference.output_key());
        assert_eq!(read.db_path(), place.path().join("store").to_str());
        assert_eq!((read.db_name(), read.format()), (Some("default"), Some("numpy")));
        assert_eq!(read.call_id().unwrap().len(), 16);
        let again = calculator.calculate_reference(&read).unwrap();
        assert_eq!(again.slice::<f64>().unwrap(), clipped());
    }
    let request = br#"{"_lmdb_ref": true, "_lmdb_output_key": "o", "_lmdb_data": "AAE=",
        "_lmdb_db_path": "/x", "_lmdb_db_name": "d", "_lmdb_format": "raw",
        "_txn_id": "00c1000000000007"}"#;
    let request = Reference::parse(Encoding::Json, request).unwrap();
    assert_eq!((request.data(), request.written()), (Some(&[0, 1][..]), false));
    assert!(request.answer().unwrap().written());
    assert!(Reference::parse(Encoding::Json, b"{").is_err());
}

#[test]
fn failures_name_what_failed() {
    let place = Place::new();
    let failed = |json: &str| Calculator::open(json).unwrap_err();
    let plugin = rust_calculator("transform");
    let config = |more: &str| place.config(&plugin, "transform", more);
    assert!(matches!(failed("{"), Error::InvalidArgument(_)));
    assert!(matches!(failed("\0"), Error::InvalidArgument(_)));
    let missing = failed(&place.config("/none.so".as_ref(), "transform", ""));
    assert!(matches!(missing, Error::NotFound(_)) && missing.message().contains("/none.so"));
    let other = failed(&place.config(&plugin, "other", ""));
    assert!(other.message().contains("exports 'transform'"), "{other}");
    for (options, says) in [
        (r#"{"window": 0}"#, "window"),
        (r#"{"low": 2, "high": 1}"#, "option 'low' is 2"),
        (r#"{"operation": "none"}"#, "\"none\""),
        (r#"{"operation": 7}"#, "operation"),
        (r#"{"unheard": 1}"#, "unheard"),
    ] {
        let error = failed(&config(&format!(r#", "options": {options}"#)));
        assert!(error.message().contains(says), "{error}");
    }
    let calculator = clip(&place, "");
    let wrong = calculator.calculate_array(&Array::of(&[1u8], &[1])).unwrap_err();
    assert!(matches!(wrong, Error::Failed(_)) && wrong.message().contains("|u1"), "{wrong}");
    assert_eq!(wrong.trace(), None);
    let nothing = calculator.call().unwrap().run().unwrap_err();
    assert!(matches!(nothing, Error::InvalidArgument(_)), "{nothing}");
    let mut twice = calculator.call().unwrap();
    twice.input(8).unwrap();
    assert!(twice.submit(9, &Envelope::raw()).is_err(), "longer than its memory");
}

#[test]
fn threads_share_a_calculator() {
    let place = Place::new();
    let calculator = clip(&place, "");
    let (numbers, clipped) = (numbers(), clipped());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let answer = calculator.calculate_array(&Array::of(&numbers, &[1000])).unwrap();
                    assert_eq!(answer.slice::<f64>().unwrap(), clipped);
                }
            });
        }
    });
    calculator.sweep().unwrap();
    assert_eq!(calculator.store().unwrap().count().unwrap(), 0);
}

// ---- the calculators of calculators/rust against those of calculators/c ------------------------

fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Both calculators' results for an input that is at `key`.
fn both(place: &Place, store: &Store, name: &str, options: &str, check: impl Fn(&[u8], &[u8])) {
    let of = |plugin| {
        let more = format!(r#", "options": {options}"#);
        Calculator::open(&place.config(plugin, name, &more)).unwrap()
    };
    let (c, rust) = (of(&c_calculator(name)), of(&rust_calculator(name)));
    let view = store.view("input").unwrap();
    match (c.calculate_view(&view), rust.calculate_view(&view)) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one.envelope().unwrap().format, other.envelope().unwrap().format);
            check(one.bytes(), other.bytes());
        }
        (one, other) => {
            assert_eq!(one.unwrap_err().to_string(), other.unwrap_err().to_string());
        }
    }
}

fn near(one: f64, other: f64) -> bool {
    let scale = one.abs().max(other.abs()).max(1.0);
    one == other || one.is_nan() && other.is_nan() || (one - other).abs() <= 1e-12 * scale
}

#[test]
fn transform_gives_what_the_one_in_c_gives() {
    let place = Place::new();
    let store = place.store();
    let seed = &mut 7;
    for rows in [0, 1, 2, 3000] {
        for options in [
            r#"{}"#,
            r#"{"operation": "clip", "low": -0.5, "high": 0.25}"#,
            r#"{"operation": "rolling_mean", "window": 3}"#,
            r#"{"operation": "rolling_mean", "window": 100}"#,
            r#"{"operation": "rolling_mean", "window": 5000}"#,
        ] {
            let values: Vec<f64> = (0..rows)
                .map(|_| match random(seed) % 20 {
                    0 => f64::NAN,
                    1 => f64::INFINITY,
                    _ => random(seed) as f64 / u64::MAX as f64 - 0.5,
                })
                .collect();
            let singles: Vec<f32> = values.iter().map(|x| *x as f32).collect();
            store.put_array("input", &Array::of(&values, &[rows])).unwrap();
            both(&place, &store, "transform", options, |one, other| {
                let (one, other) =
                    (zcx::cast::<f64>(one).unwrap(), zcx::cast::<f64>(other).unwrap());
                assert!(one.iter().zip(other).all(|(a, b)| near(*a, *b)), "{options}");
            });
            store.put_array("input", &Array::of(&singles, &[rows])).unwrap();
            both(&place, &store, "transform", options, |one, other| {
                let (one, other) =
                    (zcx::cast::<f32>(one).unwrap(), zcx::cast::<f32>(other).unwrap());
                let same = |a: &f32, b: &f32| near((*a).into(), (*b).into());
                assert!(one.iter().zip(other).all(|(a, b)| same(a, b)), "{options}");
            });
        }
    }
    store.put_array("input", &Array::of(&[1.0; 4], &[2, 2])).unwrap();
    both(&place, &store, "transform", r#"{"operation": "rolling_mean"}"#, |_, _| {
        panic!("it fails")
    });
    store.put_array("input", &Array::new("<f8", vec![2, 1], Order::F, &[0; 16])).unwrap();
    both(&place, &store, "transform", "{}", |one, other| assert_eq!(one, other));
    store
        .put_msgpack("input", &Envelope::raw(), |p| {
            p.map(1).str("x").array(&Array::of(&[1.0, 2.0, 4.0], &[3]));
        })
        .unwrap();
    both(&place, &store, "transform", r#"{"array": "x"}"#, |one, other| assert_eq!(one, other));
    both(&place, &store, "transform", r#"{"array": "y"}"#, |_, _| panic!("it fails"));
}

#[test]
fn group_delays_gives_what_the_one_in_c_gives() {
    let place = Place::new();
    let store = place.store();
    let seed = &mut 99;
    for rows in [0usize, 1, 5000] {
        for (dtype, size) in
            [("|b1", 1), ("|i1", 1), ("<u2", 2), ("<i8", 8), ("|S3", 3), ("|S8", 8)]
        {
            let mut groups = vec![0u8; rows * size];
            for group in groups.chunks_mut(size) {
                let value = random(seed) % if dtype == "|b1" { 2 } else { 300 };
                let text = (value as i64 - 150).to_le_bytes();
                group.copy_from_slice(&if size == 1 { [value as u8; 8] } else { text }[..size]);
            }
            let delays: Vec<i16> = (0..rows).map(|_| (random(seed) % 200) as i16 - 50).collect();
            let reals: Vec<f64> = delays
                .iter()
                .map(|x| if x % 7 == 0 { f64::NAN } else { f64::from(*x) / 3.0 })
                .collect();
            for delay in [Array::of(&delays, &[rows as u64]), Array::of(&reals, &[rows as u64])] {
                let group = Array::new(dtype, vec![rows as u64], Order::C, &groups);
                store
                    .put_msgpack("input", &Envelope::raw(), |p| {
                        p.map(2).str("group").array(&group).str("delay").array(&delay);
                    })
                    .unwrap();
                for options in [r#"{}"#, r#"{"missing": 7, "quantiles": [0, 0.1, 0.9, 1]}"#] {
                    both(&place, &store, "group_delays", options, |one, other| {
                        same_columns(one, other, rows);
                    });
                }
            }
        }
    }
    for options in [r#"{"delay": "none"}"#, r#"{"group": "delay", "delay": "group"}"#] {
        both(&place, &store, "group_delays", options, |_, _| panic!("it fails"));
    }
}

fn same_columns(one: &[u8], other: &[u8], rows: usize) {
    let (one, other) = (zcx::Value::unpack(one).unwrap(), zcx::Value::unpack(other).unwrap());
    for name in ["group", "count", "missing"] {
        assert_eq!(one.array(name).unwrap(), other.array(name).unwrap(), "{name}");
    }
    assert_eq!(one.array("group").unwrap().bytes().is_empty(), rows == 0);
    for name in ["mean", "std", "min", "max", "quantiles"] {
        let (one, other) = (one.array(name).unwrap(), other.array(name).unwrap());
        assert_eq!(one.shape(), other.shape());
        let (one, other) = (one.slice::<f64>().unwrap(), other.slice::<f64>().unwrap());
        assert!(one.iter().zip(other).all(|(a, b)| near(*a, *b)), "{name}");
    }
}
