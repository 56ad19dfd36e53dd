//! Calls that workers answer.
use std::time::{Duration, Instant};
use zcx::{Array, Calculator, Envelope, Error, Kept, Worker};
use zcx_tests::place::Place;
use zcx_tests::rust_calculator;

fn config(place: &Place) -> String {
    place.store(); // with its budget
    let store = place.path().join("store");
    let store = store.display();
    format!(
        r#"{{"name": "sums", "queue": "sums", "lmdb_enabled": true, "lmdb_db_path": "{store}"}}"#
    )
}

const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

#[test]
fn a_worker_answers_calls_in_each_way() {
    let place = Place::new();
    let (worker, sums) =
        (Worker::open(&config(&place)).unwrap(), Calculator::open(&config(&place)).unwrap());
    let numbers: Vec<f64> = (0..1000).map(f64::from).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let request = worker.take(MINUTE).unwrap();
            assert_eq!(request.id().len(), 16);
            assert_eq!(request.envelope().unwrap().dtype.as_deref(), Some("<f8"));
            let input = request.slice::<f64>().unwrap();
            let output = request.output(8000).unwrap();
            assert!(request.output(8).is_err(), "its memory is handed out once");
            for (to, from) in zcx::cast_mut::<f64>(output).unwrap().iter_mut().zip(input) {
                *to = 2.0 * from;
            }
            request.answer(8000, &Envelope::numpy::<f64>(&[1000])).unwrap();

            let request = worker.take(MINUTE).unwrap();
            let sum: f64 = request.array().unwrap().slice::<f64>().unwrap().iter().sum();
            request.answer_array(&Array::of(&[sum], &[])).unwrap();

            let request = worker.take(MINUTE).unwrap();
            let n = request.value().unwrap().get("n").unwrap().as_i64().unwrap();
            request
                .answer_msgpack(|p| {
                    p.int(n + 1);
                })
                .unwrap();

            let request = worker.take(MINUTE).unwrap();
            assert_eq!((request.text().unwrap(), request.bytes().len()), ("{}", 2));
            request.answer_with(b"[]", &Envelope::json()).unwrap();
        });
        let array = Array::of(&numbers, &[1000]);
        let doubled = sums.calculate_array(&array).unwrap();
        assert_eq!(doubled.slice::<f64>().unwrap()[999], 1998.0);
        let sum = sums.calculate_view(doubled.view().unwrap()).unwrap();
        assert_eq!(sum.slice::<f64>().unwrap(), [999_000.0]);
        let next = sums
            .calculate_msgpack(|p| {
                p.map(1).str("n").int(41);
            })
            .unwrap();
        assert_eq!(next.value().unwrap().as_i64(), Some(42));
        let text = sums.calculate(b"{}", &Envelope::json()).unwrap();
        assert_eq!(text.text().unwrap(), "[]");
    });
}

#[test]
fn a_failure_comes_with_message_and_trace() {
    let place = Place::new();
    let (worker, sums) =
        (Worker::open(&config(&place)).unwrap(), Calculator::open(&config(&place)).unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            worker.take(MINUTE).unwrap().fail("it broke\0off", Some("line 1"));
            drop(worker.take(MINUTE).unwrap()); // unanswered
        });
        let failed = sums.calculate(b"", &Envelope::raw()).unwrap_err();
        assert!(matches!(failed, Error::Failed(_)), "{failed:?}");
        assert!(failed.message().contains("it broke\u{fffd}off"), "{failed}");
        assert_eq!(failed.trace(), Some("line 1"));
        let silent = sums.calculate(b"", &Envelope::raw()).unwrap_err();
        assert!(matches!(silent, Error::Failed(_)), "{silent:?}");
    });
}

#[test]
fn a_call_is_sent_waited_for_and_cancelled() {
    let place = Place::new();
    let (worker, sums) =
        (Worker::open(&config(&place)).unwrap(), Calculator::open(&config(&place)).unwrap());
    let send = || {
        let mut call = sums.call().unwrap();
        call.input(1).unwrap()[0] = 7;
        call.submit(1, &Envelope::raw()).unwrap();
        call.send().unwrap()
    };
    let Kept { error, kept } = send().wait(Some(Duration::ZERO)).unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error:?}");
    let request = worker.take(MINUTE).unwrap();
    assert_eq!((request.bytes(), request.id()), (&[7][..], kept.id()));
    request.answer_with(b"8", &Envelope::raw()).unwrap();
    assert_eq!(kept.wait(None).unwrap().bytes(), b"8");

    send().cancel().unwrap();
    let none = worker.take(Some(Duration::ZERO)).unwrap_err();
    assert!(matches!(none, Error::TimedOut(_)), "{none:?}");
    let cancelled = send();
    let request = worker.take(MINUTE).unwrap();
    cancelled.cancel().unwrap();
    let unwanted = request.answer_with(b"", &Envelope::raw()).unwrap_err();
    assert!(matches!(unwanted, Error::Cancelled(_)), "{unwanted:?}");
}

#[test]
fn a_worker_runs_a_plug_in() {
    let place = Place::new();
    let (worker, clip) =
        (Worker::open(&config(&place)).unwrap(), Calculator::open(&config(&place)).unwrap());
    let plugin = rust_calculator("transform");
    let more = r#", "options": {"operation": "clip", "high": 2}"#;
    let plugin = Calculator::open(&place.config(&plugin, "transform", more)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| worker.take(MINUTE).unwrap().answer_by(&plugin).unwrap());
        let answer = clip.calculate_array(&Array::of(&[1.0, 2.0, 3.0], &[3])).unwrap();
        assert_eq!(answer.slice::<f64>().unwrap(), [1.0, 2.0, 2.0]);
    });
}

#[test]
fn a_stopped_worker_takes_nothing_more() {
    let place = Place::new();
    let worker = Worker::open(&config(&place)).unwrap();
    let begin = Instant::now();
    assert!(matches!(worker.take(Some(Duration::from_millis(5))), Err(Error::TimedOut(_))));
    assert!(begin.elapsed() >= Duration::from_millis(5));
    std::thread::scope(|scope| {
        let taker = scope.spawn(|| worker.take(None).map(drop));
        worker.stop();
        assert!(matches!(taker.join().unwrap(), Err(Error::Closed(_))));
    });
    worker.close().unwrap();
    assert!(matches!(Worker::open("{}"), Err(Error::InvalidArgument(_))));
    assert!(Worker::open("\0").is_err());
}
