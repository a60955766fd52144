//! The peers, each in its modes. What they code is measured by [`crate::measure`].

mod casts;
pub mod fpzip;
pub mod lc;
mod lossless;
pub mod sperr;
pub mod sz3;
pub mod tthresh;
mod vortex;
pub mod zfp;

pub use sz3::PYTHON;

use crate::method::Method;

/// Every peer.
pub fn all() -> Vec<Method> {
    let mut methods = sz3::columns();
    methods.extend(sz3::matrices());
    methods.extend(zfp::methods());
    methods.extend(sperr::methods());
    methods.extend(fpzip::methods());
    methods.extend(lc::methods());
    methods.extend(tthresh::methods());
    methods.extend(casts::methods());
    methods.extend(lossless::methods());
    methods.extend(vortex::methods());
    methods
}

/// Those a single smooth series is compared with.
pub fn for_series() -> Vec<Method> {
    sz3::columns()
}

fn le_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn from_le_bytes(bytes: &[u8]) -> Vec<f32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|&word| f32::from_le_bytes(word)).collect()
}
