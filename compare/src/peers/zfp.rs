//! ZFP with a fixed accuracy, by column and over the whole table; by column with a precision or a rate too.

use std::ffi::c_void;

use zfp_sys::*;

use crate::data::Result;
use crate::method::{Layout, Method, bound_itself};

pub fn methods() -> Vec<Method> {
    let columns = ("1-D".to_string(), Layout::Columns(bound_itself));
    std::iter::once(columns)
        .chain(Layout::plain_matrices())
        .map(|(name, layout)| {
            Method::arrays(
                "ZFP",
                format!("accuracy {name}"),
                layout,
                |values, shape, bound| encode(values, shape, Mode::Accuracy(bound)),
                |bytes, shape, bound| decode(bytes, shape, Mode::Accuracy(bound)),
            )
        })
        .collect()
}

/// What ZFP is to keep.
#[derive(Clone, Copy)]
pub enum Mode {
    /// The largest absolute error.
    Accuracy(f64),
    /// Bits of each coefficient.
    Precision(u32),
    /// Bits of each value.
    Rate(f64),
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
    unsafe fn new(values: *mut f32, shape: &[usize], mode: Mode) -> Self {
        let values = values.cast::<c_void>();
        let float = zfp_type_zfp_type_float;
        // SAFETY: plain constructors; the caller answers for `values`.
        unsafe {
            let field = match shape {
                [rows, columns] => zfp_field_2d(values, float, *columns as _, *rows as _),
                _ => zfp_field_1d(values, float, shape.iter().product::<usize>() as _),
            };
            let zfp = zfp_stream_open(std::ptr::null_mut());
            match mode {
                Mode::Accuracy(bound) => {
                    zfp_stream_set_accuracy(zfp, bound);
                }
                Mode::Precision(bits) => {
                    zfp_stream_set_precision(zfp, bits);
                }
                Mode::Rate(bits) => {
                    let dimensions = shape.len().clamp(1, 2) as _;
                    zfp_stream_set_rate(zfp, bits, float, dimensions, 0);
                }
            }
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

pub fn encode(values: &[f32], shape: &[usize], mode: Mode) -> Result<Vec<u8>> {
    // SAFETY: ZFP does not write to the field while it compresses; the buffer has the size that
    // ZFP asks for.
    unsafe {
        let mut stream = Stream::new(values.as_ptr().cast_mut(), shape, mode);
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

pub fn decode(bytes: &[u8], shape: &[usize], mode: Mode) -> Result<Vec<f32>> {
    let mut values = vec![0f32; shape.iter().product()];
    // ZFP reads whole words.
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(8) + 8, 0);
    // SAFETY: `values` has room for the shape; the stream does not write to `bytes`.
    let read = unsafe {
        let mut stream = Stream::new(values.as_mut_ptr(), shape, mode);
        stream.attach(bytes.as_mut_ptr(), bytes.len());
        zfp_decompress(stream.zfp, stream.field)
    };
    if read == 0 {
        return Err("ZFP cannot decompress this".into());
    }
    Ok(values)
}
