//! An actor of tests/torture, of the roles produce, view and work:
//!     actor ROLE STORE LEDGER PLACE SEED
//! It follows the rules of tests/torture/actor.h until it is killed, and writes what it does to its
//! page of the ledger, whose words are in tests/torture/ledger.h.
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::thread::sleep;
use std::time::Duration;
use zcx::{Envelope, Store, StoreOptions, Ttl, View, Worker};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
const PAGE: u64 = 4096;
const SHARED: u64 = 16;
const OWN: u64 = 8;
const LOOSE: u64 = 100;
const OWN_KEYS: u64 = 1000;
const ANSWERS: u64 = 500;
const HELD: usize = 5;

// Words of a place's page.
const RESTS: u64 = 0;
const STEPS: u64 = 1;
const PUBLISHED: u64 = 2;
const VIEWED: u64 = 3;
const FULL: u64 = 4;
const PINS: u64 = 5;
const LOANS: u64 = 6;
const CALLS: u64 = 10;
const INTENT: u64 = 16;
const DONE: u64 = INTENT + OWN;
const TOLD: u64 = DONE + OWN;
const COMPLAINT: u64 = 64;

struct Ledger {
    file: File,
    place: u64,
}

impl Ledger {
    fn read_at(&self, at: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn read(&self, word: u64) -> Result<u64> {
        self.read_at((self.place + 1) * PAGE + word * 8)
    }

    fn write(&self, word: u64, value: u64) -> Result<()> {
        Ok(self.file.write_all_at(&value.to_le_bytes(), (self.place + 1) * PAGE + word * 8)?)
    }

    fn add(&self, word: u64) -> Result<()> {
        self.write(word, self.read(word)? + 1)
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % most
    }
}

struct Actor<'s> {
    store: &'s Store,
    ledger: Ledger,
    random: Random,
    seed: u64,
    count: u64,
}

fn fill(words: &mut [u64], key: u64, sequence: u64) {
    words[2] = words.len() as u64 * 8;
    (words[0], words[1]) = (key, sequence);
    let first = sequence.wrapping_mul(GOLDEN).wrapping_add(key.wrapping_mul(31));
    for (i, word) in words[3..].iter_mut().enumerate() {
        *word = first.wrapping_add(i as u64);
    }
}

/// The sequence of a payload that is whole.
fn check(words: &[u64], key: u64, when: &str) -> Result<u64> {
    let first = words[1].wrapping_mul(GOLDEN).wrapping_add(key.wrapping_mul(31));
    let rest = words[3..].iter().enumerate().all(|(i, word)| *word == first.wrapping_add(i as u64));
    if words[0] != key || words[2] != words.len() as u64 * 8 || !rest {
        let head = &words[..3];
        return Err(format!("a payload at key {key} is not whole, {when}: {head:?}").into());
    }
    Ok(words[1])
}

fn check_view(view: &View, when: &str) -> Result<u64> {
    check(view.slice::<u64>()?, std::str::from_utf8(view.key())?.parse()?, when)
}

impl<'s> Actor<'s> {
    fn sequence(&mut self) -> u64 {
        self.count += 1;
        self.seed << 24 | self.count
    }

    fn length(&mut self) -> u64 {
        if self.random.below(4) == 0 {
            return 24 + self.random.below(110) * 8;
        }
        let mut size = 2304;
        while size < 300_000 && self.random.below(8) != 0 {
            size += size / 2;
        }
        size / 8 * 8
    }

    fn rest_if_asked(&self, held: &[View]) -> Result<()> {
        let pause = self.ledger.read_at(0)?;
        if pause == 0 {
            return Ok(());
        }
        for view in held {
            check_view(view, "held")?;
        }
        let pins = held.iter().filter(|view| view.len() > 1024).count();
        self.ledger.write(PINS, pins as u64)?;
        self.ledger.write(LOANS, 0)?;
        self.ledger.write(RESTS, pause)?;
        while self.ledger.read_at(0)? == pause {
            sleep(Duration::from_micros(300));
        }
        for view in held {
            check_view(view, "held over a pause")?;
        }
        self.ledger.write(RESTS, 0)
    }

    /// The transaction; None when the store is full.
    fn publish(&mut self, key: u64, sequence: u64) -> Result<Option<u64>> {
        let size = self.length();
        let envelope = Envelope { ttl: Ttl::Never, ..Envelope::raw() };
        let published = self.store.loan(size).and_then(|mut loan| {
            fill(loan.slice_mut()?, key, sequence);
            Ok(loan.publish(key.to_string(), size, &envelope)?)
        });
        match published {
            Ok(transaction) => {
                self.ledger.add(PUBLISHED)?;
                Ok(Some(transaction))
            }
            Err(zcx::Error::Full(_)) => {
                self.ledger.add(FULL)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn own_key(&self, i: u64) -> u64 {
        OWN_KEYS + self.ledger.place * OWN + i
    }

    fn settle_own(&self) -> Result<()> {
        for i in 0..OWN {
            let found = match self.store.view(self.own_key(i).to_string()) {
                Ok(view) => check_view(&view, "after a kill")?,
                Err(zcx::Error::NotFound(_)) => 0,
                Err(error) => return Err(error.into()),
            };
            let (intent, done) = (self.ledger.read(INTENT + i)?, self.ledger.read(DONE + i)?);
            if found != intent && found != done {
                let key = self.own_key(i);
                return Err(format!("own key {key} has {found:#x}, not {intent:#x} or {done:#x}").into());
            }
            self.ledger.write(DONE + i, found)?;
            self.ledger.write(INTENT + i, found)?;
        }
        Ok(())
    }

    fn change_own(&mut self) -> Result<()> {
        let i = self.random.below(OWN);
        let next = if self.random.below(3) == 0 { 0 } else { self.sequence() };
        self.ledger.write(INTENT + i, next)?;
        let happened = match next {
            0 => match self.store.delete(self.own_key(i).to_string()) {
                Ok(()) => true,
                Err(zcx::Error::NotFound(_)) if self.ledger.read(DONE + i)? == 0 => true,
                Err(zcx::Error::Full(_)) => false,
                Err(error) => return Err(error.into()),
            },
            _ => self.publish(self.own_key(i), next)?.is_some(),
        };
        let (from, to) = if happened { (INTENT, DONE) } else { (DONE, INTENT) };
        self.ledger.write(to + i, self.ledger.read(from + i)?)
    }

    fn produce(&mut self) -> Result<()> {
        self.settle_own()?;
        loop {
            self.rest_if_asked(&[])?;
            if self.random.below(3) == 0 {
                self.change_own()?;
            } else {
                let (key, sequence) = (self.random.below(SHARED), self.sequence());
                if let Some(transaction) = self.publish(key, sequence)? {
                    self.ledger.write(TOLD + key, transaction)?;
                }
            }
            self.ledger.add(STEPS)?;
        }
    }

    fn view(&mut self) -> Result<()> {
        let mut held: Vec<View> = Vec::new();
        loop {
            self.rest_if_asked(&held)?;
            let loose = self.random.below(2) * LOOSE;
            let key = loose + self.random.below(if loose > 0 { 8 } else { SHARED });
            match self.store.view(key.to_string()) {
                Ok(view) => {
                    check_view(&view, "in a new view")?;
                    self.ledger.add(VIEWED)?;
                    held.push(view);
                }
                Err(zcx::Error::NotFound(_) | zcx::Error::Expired(_)) => {}
                Err(error) => return Err(error.into()),
            }
            if held.len() > HELD {
                let view = held.swap_remove(self.random.below(held.len() as u64) as usize);
                check_view(&view, "held")?;
            }
            self.ledger.add(STEPS)?;
        }
    }

    fn work(&mut self) -> Result<()> {
        let path = self.store.path().display();
        let worker = Worker::open(&format!(
            r#"{{"name": "torture", "queue": "torture", "lmdb_enabled": true, "lmdb_db_path": "{path}",
                "lmdb_data_format": "raw", "lmdb_ttl": 20, "lmdb_wait_timeout": 20000}}"#
        ))?;
        loop {
            let request = match worker.take(Some(Duration::from_secs(1))) {
                Ok(request) => request,
                Err(zcx::Error::TimedOut(_) | zcx::Error::Full(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let words = request.slice::<u64>()?;
            let (key, size) = (words[0], self.length());
            let sequence = check(words, key, "as a request's input")?;
            let mut data = vec![0; size as usize / 8];
            fill(&mut data, key + ANSWERS, sequence);
            let bytes: Vec<u8> = data.iter().flat_map(|word| word.to_le_bytes()).collect();
            let answered = match request.output(size) {
                Ok(output) => {
                    output.copy_from_slice(&bytes);
                    request.answer(size, &Envelope::raw())
                }
                Err(error) => {
                    request.fail(&format!("no room: {error}"), None);
                    Err(error)
                }
            };
            match answered {
                Ok(()) | Err(zcx::Error::Cancelled(_) | zcx::Error::Full(_)) => {}
                Err(error) => return Err(error.into()),
            }
            self.ledger.add(CALLS)?;
        }
    }
}

fn run(words: &[String], ledger: Ledger) -> Result<()> {
    let lock_timeout = Duration::from_secs(60);
    let options = StoreOptions { budget: 16 << 20, lock_timeout, ..Default::default() };
    let store = Store::open_with(Some(words[2].as_ref()), &options)?;
    let seed = words[5].parse()?;
    let mut actor = Actor { store: &store, ledger, random: Random(seed), seed, count: 0 };
    match words[1].as_str() {
        "produce" => actor.produce(),
        "view" => actor.view(),
        _ => actor.work(),
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let file = OpenOptions::new().read(true).write(true).open(&words[3])?;
    let place = words[4].parse()?;
    let book = Ledger { file: file.try_clone()?, place };
    if let Err(error) = run(&words, book) {
        let text = format!("in Rust: {error}\0");
        file.write_all_at(text.as_bytes(), (place + 1) * PAGE + COMPLAINT * 8)?;
        std::process::exit(1);
    }
    Ok(())
}
