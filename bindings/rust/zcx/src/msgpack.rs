//! Writing msgpack, with typed arrays where they will be read.
use crate::error::check;
use crate::raw::c_string;
use crate::{Array, Error, Order, Pod, Result};
use std::marker::PhantomData;
use std::mem::size_of;
use std::os::raw::{c_char, c_void};
use std::ptr::{self, NonNull};
use zcx_sys::*;

/// Packs one msgpack object. The first failure is kept and returned at the end, so its functions
/// return the packer:
///
/// ```
/// let numbers = [1.0, 2.0];
/// let write = |p: &mut zcx::Packer| {
///     p.map(2).str("n").int(2).str("a").array(&zcx::Array::of(&numbers, &[2]));
/// };
/// assert!(zcx::packed_length(write).unwrap() > 16);
/// ```
#[derive(Debug)]
pub struct Packer<'b> {
    raw: NonNull<zcx_packer>,
    writes: bool,
    failed: Option<Error>,
    buffer: PhantomData<&'b mut [u8]>,
}

// SAFETY: the core lets one thread at a time use a packer, whichever.
unsafe impl Send for Packer<'_> {}

/// Bytes that `write` packs.
pub fn packed_length(write: impl Fn(&mut Packer)) -> Result<u64> {
    Packer::run(ptr::null_mut(), 0, write)
}

/// Packs into `buffer`, whose beginning has to be 64-byte aligned (a loan is). Returns the length.
pub fn pack_into(buffer: &mut [u8], write: impl Fn(&mut Packer)) -> Result<u64> {
    if buffer.as_ptr() as usize % ZCX_ALIGNMENT != 0 && !buffer.is_empty() {
        return Err(Error::invalid(format!("the buffer is not {ZCX_ALIGNMENT}-byte aligned")));
    }
    // An empty one must not be NULL, which would mean to count.
    Packer::run(buffer.as_mut_ptr().cast(), buffer.len() as u64, write)
}

impl<'b> Packer<'b> {
    fn run(buffer: *mut c_void, capacity: u64, write: impl Fn(&mut Packer)) -> Result<u64> {
        let (mut raw, mut length) = (ptr::null_mut(), 0);
        // SAFETY: the buffer is ours as long as the packer, and has room for `capacity`.
        check(|e| unsafe { zcx_packer_open(&mut raw, buffer, capacity, e) })?;
        let mut packer = Packer {
            // SAFETY: on success it is a new packer.
            raw: unsafe { NonNull::new_unchecked(raw) },
            writes: !buffer.is_null(),
            failed: None,
            buffer: PhantomData,
        };
        write(&mut packer);
        let failed = packer.failed.take();
        std::mem::forget(packer);
        // SAFETY: closed once: the packer was forgotten.
        let closed = check(|e| unsafe { zcx_packer_close(raw, &mut length, e) });
        failed.map_or(closed, Err).map(|()| length)
    }

    /// Its status is kept by the packer, too, and comes at the close.
    fn pack(&mut self, call: impl FnOnce(*mut zcx_packer) -> zcx_status) -> &mut Self {
        call(self.raw.as_ptr());
        self
    }

    pub fn nil(&mut self) -> &mut Self {
        // SAFETY: the packer is open.
        self.pack(|p| unsafe { zcx_pack_nil(p) })
    }

    pub fn bool(&mut self, value: bool) -> &mut Self {
        // SAFETY: the packer is open.
        self.pack(|p| unsafe { zcx_pack_bool(p, value) })
    }

    pub fn int(&mut self, value: i64) -> &mut Self {
        // SAFETY: the packer is open.
        self.pack(|p| unsafe { zcx_pack_int(p, value) })
    }

    pub fn uint(&mut self, value: u64) -> &mut Self {
        // SAFETY: the packer is open.
        self.pack(|p| unsafe { zcx_pack_uint(p, value) })
    }

    pub fn real(&mut self, value: f64) -> &mut Self {
        // SAFETY: the packer is open.
        self.pack(|p| unsafe { zcx_pack_double(p, value) })
    }

    pub fn str(&mut self, text: &str) -> &mut Self {
        // SAFETY: the packer is open.
        self.pack(|p| unsafe { zcx_pack_str(p, text.as_ptr().cast(), text.len() as u64) })
    }

    pub fn bin(&mut self, data: &[u8]) -> &mut Self {
        // SAFETY: the packer is open.
        self.pack(|p| unsafe { zcx_pack_bin(p, data.as_ptr().cast(), data.len() as u64) })
    }

    /// Then its items.
    pub fn list(&mut self, items: u64) -> &mut Self {
        // SAFETY: the packer is open.
        self.pack(|p| unsafe { zcx_pack_list(p, items) })
    }

    /// Then key, value, key, value, ….
    pub fn map(&mut self, pairs: u64) -> &mut Self {
        // SAFETY: the packer is open.
        self.pack(|p| unsafe { zcx_pack_map(p, pairs) })
    }

    /// A copy of an array.
    pub fn array(&mut self, array: &Array) -> &mut Self {
        let bytes = array.bytes();
        self.place(array.dtype(), array.shape(), array.order(), bytes.len() as u64, |to| {
            // SAFETY: `to` has room for that many bytes, and is not where they are.
            unsafe { zcx_copy(to, bytes.as_ptr().cast(), bytes.len()) }
        })
    }

    /// An array of values in C order, which `fill` makes where they will be read. It is called in the
    /// pass that writes only; the elements are not zeroed.
    pub fn array_with<T: Pod>(&mut self, shape: &[u64], fill: impl FnOnce(&mut [T])) -> &mut Self {
        let count = shape.iter().try_fold(1, |product: u64, &size| product.checked_mul(size));
        let count = count.filter(|count| *count <= ZCX_PAYLOAD_MAX / size_of::<T>() as u64);
        let count = match count {
            Some(count) => count as usize,
            None => {
                return self
                    .fail(Error::invalid(format!("an array of shape {shape:?} is too large")))
            }
        };
        self.place(T::DTYPE, shape, Order::C, (count * size_of::<T>()) as u64, |to| {
            // SAFETY: `to` is 64-byte aligned room for `count` values in the buffer, which is ours.
            fill(unsafe { std::slice::from_raw_parts_mut(to.cast(), count) })
        })
    }

    fn place(
        &mut self,
        dtype: &str,
        shape: &[u64],
        order: Order,
        nbytes: u64,
        fill: impl FnOnce(*mut c_void),
    ) -> &mut Self {
        let dtype = match c_string("dtype", dtype) {
            Ok(dtype) => dtype,
            Err(error) => return self.fail(error),
        };
        let array = zcx_array {
            struct_size: size_of::<zcx_array>(),
            dtype: dtype.as_ptr(),
            shape: shape.as_ptr(),
            ndim: shape.len() as u32,
            order: order.byte() as c_char,
            nbytes,
            data: ptr::null_mut(),
        };
        let mut to = ptr::null_mut();
        // SAFETY: the array's pointers are valid during the call.
        let status = unsafe { zcx_pack_array(self.raw.as_ptr(), &array, &mut to) };
        if status == ZCX_OK && self.writes && nbytes != 0 && !to.is_null() {
            fill(to);
        }
        self
    }

    pub(crate) fn fail(&mut self, error: Error) -> &mut Self {
        self.failed.get_or_insert(error);
        self
    }
}

impl Drop for Packer<'_> {
    /// Only when `write` panicked.
    fn drop(&mut self) {
        let mut length = 0;
        // SAFETY: closed once.
        let _ = unsafe { zcx_packer_close(self.raw.as_ptr(), &mut length, ptr::null_mut()) };
    }
}
