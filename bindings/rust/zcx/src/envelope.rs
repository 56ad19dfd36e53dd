use crate::raw::{c_string, milliseconds, text};
use crate::{Order, Pod, Result};
use std::ffi::CString;
use std::marker::PhantomData;
use std::mem::{size_of, zeroed};
use std::os::raw::c_char;
use std::time::Duration;
use zcx_sys::{zcx_envelope, ZCX_FLAG_CHECKSUM, ZCX_FLAG_ERROR, ZCX_TTL_DEFAULT, ZCX_TTL_NEVER};

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    #[default]
    Raw,
    Json,
    Msgpack,
    /// One array's elements; dtype, shape and order are in the envelope.
    Numpy,
    /// An Arrow IPC stream.
    Arrow,
    /// The tag of a later version; its payload is read as raw.
    Unknown(u32),
}

impl Format {
    pub fn tag(self) -> u32 {
        match self {
            Format::Raw => zcx_sys::ZCX_RAW,
            Format::Json => zcx_sys::ZCX_JSON,
            Format::Msgpack => zcx_sys::ZCX_MSGPACK,
            Format::Numpy => zcx_sys::ZCX_NUMPY,
            Format::Arrow => zcx_sys::ZCX_ARROW,
            Format::Unknown(tag) => tag,
        }
    }

    pub fn from_tag(tag: u32) -> Format {
        let known = [Format::Raw, Format::Json, Format::Msgpack, Format::Numpy, Format::Arrow];
        known.into_iter().find(|format| format.tag() == tag).unwrap_or(Format::Unknown(tag))
    }

    /// `"raw"`, `"json"`, …; `"unknown"` for another tag.
    pub fn name(self) -> &'static str {
        // SAFETY: static text.
        unsafe { text(zcx_sys::zcx_format_name(self.tag())) }.unwrap_or_default()
    }
}

impl std::str::FromStr for Format {
    type Err = crate::Error;

    fn from_str(name: &str) -> Result<Format> {
        let (name, mut tag) = (c_string("format", name)?, 0);
        // SAFETY: `name` is NUL-terminated.
        crate::error::check(|e| unsafe { zcx_sys::zcx_format_parse(&mut tag, name.as_ptr(), e) })?;
        Ok(Format::from_tag(tag))
    }
}

/// How long a record is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Ttl {
    /// Five minutes.
    #[default]
    Default,
    /// In whole milliseconds, rounded up, at least one.
    After(Duration),
    /// Until it is deleted.
    Never,
}

impl Ttl {
    pub(crate) fn milliseconds(self) -> i64 {
        match self {
            Ttl::Default => ZCX_TTL_DEFAULT,
            Ttl::After(time) => milliseconds(time).max(1),
            Ttl::Never => ZCX_TTL_NEVER,
        }
    }
}

/// What a record says about its payload. The first part is given to put and publish, and read back;
/// the second part is only read, and ignored when given.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Envelope {
    pub format: Format,
    /// Given only; [`expires`](Envelope::expires) is what it came to.
    pub ttl: Ttl,
    /// The payload is a msgpack map of `message` and `trace`, not a result.
    pub error: bool,
    /// The payload's CRC32C is stored, so that [`View::verify`](crate::View::verify) can compare.
    pub checksum: bool,
    /// Who wrote it.
    pub source: Option<String>,
    /// For whom.
    pub target: Option<String>,
    /// A media type.
    pub content_type: Option<String>,
    /// NumPy's type string, `"<f8"`, or for structured types its `dtype.descr` as JSON text.
    pub dtype: Option<String>,
    /// Sizes of a NumPy payload.
    pub shape: Vec<u64>,
    /// Order of a NumPy payload.
    pub order: Option<Order>,

    /// Bytes of the payload.
    pub length: u64,
    /// LMDB's id of the transaction that published it.
    pub transaction: u64,
    /// Unix nanoseconds.
    pub created: u64,
    /// Unix nanoseconds; 0: never.
    pub expires: u64,
    /// CRC32C of the payload, if [`checksum`](Envelope::checksum).
    pub crc32c: u32,
    /// The payload lies in a slot, not in the record.
    pub in_slot: bool,
    pub slot: u32,
    pub generation: u32,
}

impl Envelope {
    pub fn of(format: Format) -> Envelope {
        Envelope { format, ..Envelope::default() }
    }

    pub fn raw() -> Envelope {
        Envelope::of(Format::Raw)
    }

    pub fn json() -> Envelope {
        Envelope::of(Format::Json)
    }

    pub fn msgpack() -> Envelope {
        Envelope::of(Format::Msgpack)
    }

    pub fn arrow() -> Envelope {
        Envelope::of(Format::Arrow)
    }

    /// An array of `T`, in C order.
    pub fn numpy<T: Pod>(shape: &[u64]) -> Envelope {
        Envelope::numpy_of(T::DTYPE, shape, Order::C)
    }

    /// An array of any dtype.
    pub fn numpy_of(dtype: &str, shape: &[u64], order: Order) -> Envelope {
        let (dtype, order) = (Some(dtype.to_owned()), Some(order));
        Envelope { dtype, shape: shape.to_vec(), order, ..Envelope::of(Format::Numpy) }
    }

    pub(crate) fn to_raw(&self) -> Result<RawEnvelope<'_>> {
        let mut raw = empty();
        raw.format = self.format.tag();
        raw.flags = if self.error { ZCX_FLAG_ERROR } else { 0 }
            | if self.checksum { ZCX_FLAG_CHECKSUM } else { 0 };
        raw.ttl_ms = self.ttl.milliseconds();
        raw.shape = self.shape.as_ptr();
        raw.ndim = self.shape.len() as u32;
        raw.order = self.order.map_or(0, Order::byte) as c_char;
        let mut texts = [None, None, None, None];
        let given = [
            ("source", &self.source, &mut raw.source),
            ("target", &self.target, &mut raw.target),
            ("content type", &self.content_type, &mut raw.content_type),
            ("dtype", &self.dtype, &mut raw.dtype),
        ];
        for ((name, text, pointer), owned) in given.into_iter().zip(&mut texts) {
            if let Some(text) = text {
                *pointer = owned.insert(c_string(name, text)?).as_ptr();
            }
        }
        Ok(RawEnvelope { raw, _texts: texts, _shape: PhantomData })
    }

    /// # Safety
    /// libzcx filled `raw`, and its pointers are still valid.
    pub(crate) unsafe fn from_raw(raw: &zcx_envelope) -> Envelope {
        let owned = |pointer| text(pointer).map(str::to_owned);
        let dtype = owned(raw.dtype);
        let order = dtype.is_some().then(|| Order::from_byte(raw.order as u8));
        let shape = match raw.ndim {
            0 => Vec::new(),
            ndim => std::slice::from_raw_parts(raw.shape, ndim as usize).to_vec(),
        };
        Envelope {
            format: Format::from_tag(raw.format),
            ttl: Ttl::Default,
            error: raw.flags & ZCX_FLAG_ERROR != 0,
            checksum: raw.flags & ZCX_FLAG_CHECKSUM != 0,
            source: owned(raw.source),
            target: owned(raw.target),
            content_type: owned(raw.content_type),
            dtype,
            shape,
            order,
            length: raw.length,
            transaction: raw.transaction,
            created: raw.created,
            expires: raw.expires,
            crc32c: raw.checksum,
            in_slot: raw.in_slot,
            slot: raw.slot,
            generation: raw.generation,
        }
    }
}

/// An envelope as C has it, and what its pointers point to.
pub(crate) struct RawEnvelope<'a> {
    pub raw: zcx_envelope,
    _texts: [Option<CString>; 4],
    _shape: PhantomData<&'a [u64]>,
}

/// One to be filled.
pub(crate) fn empty() -> zcx_envelope {
    // SAFETY: zeros are a valid envelope: NULLs, false and numbers.
    let mut raw: zcx_envelope = unsafe { zeroed() };
    raw.struct_size = size_of::<zcx_envelope>();
    raw
}
