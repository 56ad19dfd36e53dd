//! Arrow record batches in zcx's stores. What is read lies in the store: the batches hold the payload,
//! and nothing is copied.
//!
//! ```no_run
//! # fn main() -> zcx_arrow::Result<()> {
//! # let batch: arrow_array::RecordBatch = todo!();
//! let store = std::sync::Arc::new(zcx::Store::open_default()?);
//! zcx_arrow::put(&store, "table", &batch.schema(), &[batch], &Default::default())?;
//! let table = zcx_arrow::read(store.shared_view("table")?)?;
//! println!("{:?}: {} batches", table.schema, table.batches.len());
//! # Ok(()) }
//! ```
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use std::fmt;
use std::io::{self, Write};
use std::panic::AssertUnwindSafe;
use std::ptr::NonNull;
use std::sync::Arc;
use zcx::{Answer, Envelope, Format, SharedView, Store};

pub type Result<T> = std::result::Result<T, Error>;

/// What failed: zcx, or Arrow.
#[derive(Debug)]
pub enum Error {
    Zcx(zcx::Error),
    Arrow(ArrowError),
}

impl fmt::Display for Error {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Zcx(error) => error.fmt(to),
            Error::Arrow(error) => error.fmt(to),
        }
    }
}

impl std::error::Error for Error {}

impl From<zcx::Error> for Error {
    fn from(error: zcx::Error) -> Error {
        Error::Zcx(error)
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Error {
        Error::Arrow(error)
    }
}

/// A stream's content.
#[derive(Clone, Debug)]
pub struct Table {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
}

/// What holds a payload as long as it lives: a [`SharedView`] or an [`Answer`].
pub trait Payload: sealed::Sealed + Send + 'static {
    #[doc(hidden)]
    fn bytes(&self) -> &[u8];
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for zcx::SharedView {}
    impl Sealed for zcx::Answer {}
}

impl Payload for SharedView {
    fn bytes(&self) -> &[u8] {
        zcx::View::bytes(self)
    }
}

impl Payload for Answer {
    fn bytes(&self) -> &[u8] {
        Answer::bytes(self)
    }
}

/// Keeps a payload for Arrow's buffers, which look at its bytes only.
struct Holder {
    _payload: AssertUnwindSafe<Box<dyn Payload>>,
}

// SAFETY: nobody uses the payload again but to drop it, once, from whichever thread.
unsafe impl Sync for Holder {}

/// Reads an Arrow stream where it lies. The arrays hold the payload; those whose buffers are not
/// aligned as Arrow needs them are copied (what zcx's writers write is aligned).
pub fn read(payload: impl Payload) -> Result<Table> {
    let bytes = payload.bytes();
    let (start, length) = (NonNull::from(bytes).cast::<u8>(), bytes.len());
    let holder = Arc::new(Holder { _payload: AssertUnwindSafe(Box::new(payload)) });
    // SAFETY: the bytes stay where they are, unchanged, as long as the payload, which the buffer holds.
    let mut buffer = unsafe { Buffer::from_custom_allocation(start, length, holder) };
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    while !buffer.is_empty() {
        batches.extend(decoder.decode(&mut buffer)?);
    }
    decoder.finish()?;
    let no_schema = || ArrowError::IpcError(format!("{length} bytes without a schema"));
    Ok(Table { schema: decoder.schema().ok_or_else(no_schema)?, batches })
}

/// Publishes an Arrow stream at `key`, written in its place, and returns LMDB's transaction id. Of the
/// envelope all but the format counts.
pub fn put(
    store: &Store,
    key: impl AsRef<[u8]>,
    schema: &Schema,
    batches: &[RecordBatch],
    envelope: &Envelope,
) -> Result<u64> {
    let mut counter = Counter(0);
    write(&mut counter, schema, batches)?;
    let mut loan = store.loan(counter.0)?;
    write(&mut loan.bytes_mut(), schema, batches)?;
    let envelope = Envelope { format: Format::Arrow, ..envelope.clone() };
    Ok(loan.publish(key, counter.0, &envelope).map_err(zcx::Error::from)?)
}

fn write(to: impl Write, schema: &Schema, batches: &[RecordBatch]) -> Result<()> {
    let mut writer = StreamWriter::try_new(to, schema)?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(writer.finish()?)
}

/// Bytes that would be written.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0 += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
