//! Protects the guarantee end to end: whatever the values, what comes back from a packed file is
//! within its bound in exact arithmetic, nulls, NaN bits, infinities and signed zeros are as they
//! were, and `verify` notices when they are not.

mod arbitrary;
mod caught;
mod every_f32;
mod hostile;
mod other_types;
mod portable;
mod shipped;
mod values;
