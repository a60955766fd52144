//! ZFP with a fixed accuracy, by column and over the whole table.

use std::ffi::c_void;

use zfp_sys::*;

use crate::data::Result;
use crate::method::Method;

pub fn methods() -> Vec<Method> {
    vec![
        Method::columns(
            "ZFP",
            "accuracy 1-D",
            |values, bound| encode(values, [values.len(), 1], bound),
            |bytes, rows, bound| decode(bytes, [rows, 1], bound),
        ),
        Method::matrix("ZFP", "accuracy 2-D rows x columns", false, encode, decode),
    ]
}

/// A ZFP stream over a buffer and the field it reads or writes; frees both.
struct Stream {
    field: *mut zfp_field,
    zfp: *mut zfp_stream,
    bits: *mut bitstream,
}

impl Stream {
    /// # Safety
    /// `values` points to as many floats as `shape` says, and outlives the stream.
    unsafe fn new(values: *mut f32, shape: [usize; 2], bound: f64) -> Self {
        let values = values.cast::<c_void>();
        let float = zfp_type_zfp_type_float;
        // SAFETY: plain constructors; the caller answers for `values`.
        unsafe {
            let field = match shape {
                [length, 1] | [1, length] => zfp_field_1d(values, float, length as _),
                [rows, columns] => zfp_field_2d(values, float, columns as _, rows as _),
            };
            let zfp = zfp_stream_open(std::ptr::null_mut());
            zfp_stream_set_accuracy(zfp, bound);
            Self {
                field,
                zfp,
                bits: std::ptr::null_mut(),
            }
        }
    }

    /// # Safety
    /// `buffer` outlives the stream.
    unsafe fn attach(&mut self, buffer: *mut u8, length: usize) {
        // SAFETY: the caller answers for `buffer`.
        unsafe {
            self.bits = stream_open(buffer.cast(), length as _);
            zfp_stream_set_bit_stream(self.zfp, self.bits);
            zfp_stream_rewind(self.zfp);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: all three were made by ZFP, or are null, which is not closed.
        unsafe {
            zfp_field_free(self.field);
            zfp_stream_close(self.zfp);
            if !self.bits.is_null() {
                stream_close(self.bits);
            }
        }
    }
}

fn encode(values: &[f32], shape: [usize; 2], bound: f64) -> Result<Vec<u8>> {
    // SAFETY: ZFP does not write to the field while it compresses; the buffer has the size that
    // ZFP asks for.
    unsafe {
        let mut stream = Stream::new(values.as_ptr().cast_mut(), shape, bound);
        let mut buffer = vec![0u8; zfp_stream_maximum_size(stream.zfp, stream.field) as usize];
        stream.attach(buffer.as_mut_ptr(), buffer.len());
        let size = zfp_compress(stream.zfp, stream.field) as usize;
        drop(stream);
        if size == 0 {
            return Err("ZFP cannot compress this".into());
        }
        buffer.truncate(size);
        Ok(buffer)
    }
}

fn decode(bytes: &[u8], shape: [usize; 2], bound: f64) -> Result<Vec<f32>> {
    let mut values = vec![0f32; shape[0] * shape[1]];
    // ZFP reads whole words.
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(8) + 8, 0);
    // SAFETY: `values` has room for the shape; the stream does not write to `bytes`.
    let read = unsafe {
        let mut stream = Stream::new(values.as_mut_ptr(), shape, bound);
        stream.attach(bytes.as_mut_ptr(), bytes.len());
        zfp_decompress(stream.zfp, stream.field)
    };
    if read == 0 {
        return Err("ZFP cannot decompress this".into());
    }
    Ok(values)
}
