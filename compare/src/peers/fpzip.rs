//! fpzip: it takes a precision in bits, not a bound; each column gets the least that keeps its bound.

use fpzip_sys::*;

use crate::check::within;
use crate::data::Result;
use crate::method::Method;

pub fn methods() -> Vec<Method> {
    vec![
        Method::columns(
            "fpzip",
            "1-D, least precision that keeps the bound",
            |values, precision| encode(values, precision as i32),
            |bytes, rows, precision| decode(bytes, rows, precision as i32),
        )
        .tuned(least_precision),
        Method::columns(
            "fpzip",
            "1-D, lossless",
            |values, _| encode(values, 32),
            |bytes, rows, _| decode(bytes, rows, 32),
        )
        .lossless(),
    ]
}

/// More precision never makes a larger error: truncated bits are zeroed.
fn least_precision(values: &[f32], bound: f64) -> f64 {
    let keeps = |precision: i32| {
        encode(values, precision)
            .and_then(|bytes| decode(&bytes, values.len(), precision))
            .is_ok_and(|decoded| {
                values
                    .iter()
                    .zip(&decoded)
                    .all(|(&x, &y)| within(x, y, bound))
            })
    };
    let precisions: Vec<i32> = (2..32).collect();
    f64::from(2 + precisions.partition_point(|&precision| !keeps(precision)) as i32)
}

fn describe(stream: &mut FPZ, rows: usize, precision: i32) {
    stream.type_ = FPZIP_TYPE_FLOAT as i32;
    stream.prec = precision;
    stream.nx = rows as i32;
    stream.ny = 1;
    stream.nz = 1;
    stream.nf = 1;
}

pub fn encode(values: &[f32], precision: i32) -> Result<Vec<u8>> {
    let mut buffer = vec![0u8; 1024 + values.len() * 8];
    // SAFETY: the buffer outlives the stream; fpzip does not write past its end.
    let size = unsafe {
        let stream = fpzip_write_to_buffer(buffer.as_mut_ptr().cast(), buffer.len() as _);
        describe(&mut *stream, values.len(), precision);
        let size = fpzip_write(stream, values.as_ptr().cast());
        fpzip_write_close(stream);
        size as usize
    };
    if size == 0 {
        return Err("fpzip cannot compress this".into());
    }
    buffer.truncate(size);
    Ok(buffer)
}

pub fn decode(bytes: &[u8], rows: usize, precision: i32) -> Result<Vec<f32>> {
    let mut values = vec![0f32; rows];
    // SAFETY: `values` has room for the rows described.
    let read = unsafe {
        let stream = fpzip_read_from_buffer(bytes.as_ptr().cast());
        describe(&mut *stream, rows, precision);
        let read = fpzip_read(stream, values.as_mut_ptr().cast());
        fpzip_read_close(stream);
        read
    };
    if read == 0 {
        return Err("fpzip cannot decompress this".into());
    }
    Ok(values)
}
