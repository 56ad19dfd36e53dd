use crate::{abi, cast_mut, pod, Array, Pod, Result};
use std::ffi::CString;
use std::os::raw::c_void;
use std::ptr;

/// What a function of [`Call`] returns when zcx has recorded why it failed: that sentence is what
/// the caller of the calculator gets, whatever `calculate` returns.
const RECORDED: &str = "zcx refused what the calculator asked for";

/// One call: its input, and where the answer goes. Everything that it hands out is valid until
/// [`Calculator::calculate`](crate::Calculator::calculate) returns:
///
/// ```compile_fail,E0521
/// # use zcx_plugin::*;
/// struct Keeps(std::sync::Mutex<&'static [u8]>);
/// impl Calculator for Keeps {
///     fn create(_: &Options) -> Result<Self> { Ok(Keeps(Default::default())) }
///     fn calculate(&self, call: &Call) -> Result<()> {
///         *self.0.lock().unwrap() = call.input().data;
///         Ok(())
///     }
/// }
/// ```
///
/// An answer is given once, by one of the functions `answer_…`. It is used by the thread that runs
/// `calculate`; the slices may be read and filled by others, in a `std::thread::scope`.
pub struct Call<'c> {
    pub(crate) core: &'c abi::Core,
    pub(crate) handle: *mut abi::CallHandle,
}

/// The whole input.
#[derive(Clone, Copy)]
pub struct Input<'c> {
    /// 64-byte aligned.
    pub data: &'c [u8],
    /// `raw`, `json`, `msgpack`, `numpy`, `arrow`; `unknown`: read it as raw.
    pub format: &'c str,
    pub content_type: Option<&'c str>,
}

impl<'c> Call<'c> {
    pub fn input(&self) -> Input<'c> {
        // SAFETY: the handle and what it hands out are valid while calculate() runs ('c); the bytes
        // are a published payload or the call's own memory, which nobody writes meanwhile.
        unsafe {
            let input = &*(self.core.input)(self.handle);
            Input {
                data: pod::bytes(input.data, input.length),
                format: pod::text(input.format).unwrap_or("unknown"),
                content_type: pod::text(input.content_type),
            }
        }
    }

    /// The array under `name` in an input that is a msgpack map, or the whole input (a NumPy payload,
    /// or msgpack that is one typed array) when `name` is `None`. `dtypes`: those that the calculator
    /// can read, separated by spaces (`"<f8 <f4"`); empty for any. When it is missing or of another
    /// dtype, the call fails with a sentence that names what is there.
    pub fn array(&self, name: Option<&str>, dtypes: &str) -> Result<Array<'c>> {
        self.find(self.core.array, name, dtypes)?.ok_or_else(|| RECORDED.into())
    }

    /// The same, but `None` and no failure when `name` is missing from the map.
    pub fn optional_array(&self, name: &str, dtypes: &str) -> Result<Option<Array<'c>>> {
        self.find(self.core.optional_array, Some(name), dtypes)
    }

    /// The elements of [`array`](Call::array), which have to be of type `T`.
    pub fn slice<T: Pod>(&self, name: Option<&str>) -> Result<&'c [T]> {
        Ok(self.array(name, T::DTYPE)?.slice()?)
    }

    fn find(
        &self,
        find: unsafe extern "C" fn(
            *mut abi::CallHandle,
            *const std::os::raw::c_char,
            *const std::os::raw::c_char,
        ) -> *const abi::Typed,
        name: Option<&str>,
        dtypes: &str,
    ) -> Result<Option<Array<'c>>> {
        let name = name.map(CString::new).transpose()?;
        let dtypes = CString::new(dtypes)?;
        let text =
            |text: &CString| if text.as_bytes().is_empty() { ptr::null() } else { text.as_ptr() };
        let name = name.as_ref().map_or(ptr::null(), |name| name.as_ptr());
        // SAFETY: the handle and the array that it hands out are valid while calculate() runs ('c).
        let typed = unsafe { find(self.handle, name, text(&dtypes)).as_ref() };
        Ok(typed.map(|typed| Array { typed }))
    }

    /// Answers with an array of this shape, in C order; the elements (not zeroed) are to be filled.
    pub fn answer_array<T: Pod>(&self, shape: &[u64]) -> Result<&'c mut [T]> {
        Ok(cast_mut(self.answer_array_of(T::DTYPE, shape)?)?)
    }

    /// The same for any dtype, as bytes.
    pub fn answer_array_of(&self, dtype: &str, shape: &[u64]) -> Result<&'c mut [u8]> {
        let length = byte_count(dtype, shape);
        let dtype = CString::new(dtype)?;
        // SAFETY: the handle is valid; `shape` has as many sizes as are said.
        let data = unsafe {
            let (ndim, shape) = (shape.len() as u32, shape.as_ptr());
            (self.core.answer_array)(self.handle, dtype.as_ptr(), ndim, shape)
        };
        self.lent(data, length)
    }

    /// Answers with an array of the same dtype, shape and order as one of the input's.
    pub fn answer_like<T: Pod>(&self, array: &Array) -> Result<&'c mut [T]> {
        array.slice::<T>()?;
        Ok(cast_mut(self.answer_like_of(array)?)?)
    }

    /// The same for any dtype, as bytes.
    pub fn answer_like_of(&self, array: &Array) -> Result<&'c mut [u8]> {
        // SAFETY: the handle and the array are valid.
        let data = unsafe { (self.core.answer_like)(self.handle, array.typed) };
        self.lent(data, array.typed.nbytes)
    }

    /// Answers with a msgpack map of arrays in C order, whose elements are to be filled.
    pub fn answer_map(&self, columns: &[Column]) -> Result<Columns<'c>> {
        let names = texts(columns.iter().map(|column| column.name))?;
        let dtypes = texts(columns.iter().map(|column| column.dtype))?;
        let raw: Vec<abi::Column> = columns
            .iter()
            .zip(names.iter().zip(&dtypes))
            .map(|(column, (name, dtype))| abi::Column {
                name: name.as_ptr(),
                dtype: dtype.as_ptr(),
                ndim: column.shape.len() as u32,
                shape: column.shape.as_ptr(),
            })
            .collect();
        let mut data: Vec<*mut c_void> = vec![ptr::null_mut(); columns.len()];
        // SAFETY: `raw` and `data` have as many entries as are said; the texts outlive the call.
        let failed = unsafe {
            (self.core.answer_map)(self.handle, raw.as_ptr(), raw.len(), data.as_mut_ptr())
        };
        if failed != 0 {
            return Err(RECORDED.into());
        }
        let left = columns.iter().zip(data).map(|(column, data)| {
            let length = byte_count(column.dtype, column.shape);
            // SAFETY: zcx lends each column its own bytes, once, until calculate() returns ('c).
            Some((column.dtype.to_owned(), unsafe { pod::bytes_mut(data, length) }))
        });
        Ok(Columns { left: left.collect() })
    }

    /// Memory (not zeroed) for an answer of any format: fill it, then say what it is with
    /// [`answer`](Call::answer).
    pub fn output(&self, size: u64) -> Result<&'c mut [u8]> {
        // SAFETY: the handle is valid.
        let data = unsafe { (self.core.output)(self.handle, size) };
        self.lent(data, size)
    }

    /// The first `length` bytes of [`output`](Call::output) are the answer, in a format as
    /// [`Input::format`] has them.
    pub fn answer(&self, length: u64, format: &str) -> Result<()> {
        let format = CString::new(format)?;
        // SAFETY: the handle is valid.
        recorded(unsafe { (self.core.answer)(self.handle, length, format.as_ptr()) })
    }

    /// After `answer_array`, in C order: keeps only the first `rows` of the first dimension.
    pub fn answer_rows(&self, rows: u64) -> Result<()> {
        // SAFETY: the handle is valid.
        recorded(unsafe { (self.core.answer_rows)(self.handle, rows) })
    }

    fn lent(&self, data: *mut c_void, length: u64) -> Result<&'c mut [u8]> {
        if data.is_null() {
            return Err(RECORDED.into());
        }
        // SAFETY: zcx lends that many bytes, once in a call, until calculate() returns ('c).
        Ok(unsafe { pod::bytes_mut(data, length) })
    }
}

fn recorded(failed: i32) -> Result<()> {
    match failed {
        0 => Ok(()),
        _ => Err(RECORDED.into()),
    }
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<CString>> {
    Ok(texts.map(CString::new).collect::<std::result::Result<_, _>>()?)
}

/// Bytes of an array, as zcx counts them; 0 for those that it has refused (without a size, or one
/// that overflows).
fn byte_count(dtype: &str, shape: &[u64]) -> u64 {
    let item = item_size(dtype);
    let all = |size| shape.iter().try_fold(size, |product: u64, &size| product.checked_mul(size));
    item.and_then(all).unwrap_or(0)
}

/// Bytes of one element of a plain dtype; `U` counts characters of 4 bytes.
fn item_size(dtype: &str) -> Option<u64> {
    let rest = dtype.strip_prefix(&['<', '>', '|'][..])?;
    let kind = rest.chars().next()?;
    let digits = rest[kind.len_utf8()..].split('[').next()?;
    let size: u64 = digits.parse().ok()?;
    size.checked_mul(if kind == 'U' { 4 } else { 1 })
}

/// One array of an answered map.
#[derive(Clone, Copy)]
pub struct Column<'a> {
    pub name: &'a str,
    pub dtype: &'a str,
    pub shape: &'a [u64],
}

impl<'a> Column<'a> {
    pub fn of<T: Pod>(name: &'a str, shape: &'a [u64]) -> Column<'a> {
        Column { name, dtype: T::DTYPE, shape }
    }
}

/// The elements of an answered map's arrays, in the order of the columns, each handed out once.
pub struct Columns<'c> {
    left: Vec<Option<(String, &'c mut [u8])>>,
}

impl<'c> Columns<'c> {
    pub fn take<T: Pod>(&mut self, column: usize) -> Result<&'c mut [T]> {
        match self.left.get(column) {
            Some(Some((dtype, _))) if !T::reads(dtype) => {
                Err(format!("column {column} has dtype {dtype}, not {}", T::DTYPE).into())
            }
            _ => Ok(cast_mut(self.take_bytes(column)?)?),
        }
    }

    pub fn take_bytes(&mut self, column: usize) -> Result<&'c mut [u8]> {
        let left = self.left.get_mut(column).and_then(Option::take);
        Ok(left.ok_or_else(|| format!("column {column} was taken, or there is none"))?.1)
    }
}
