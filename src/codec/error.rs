//! What can go wrong in the codec.

/// An error of the codec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A bound that is no bound: what was written, and what would do.
    #[error("{0}")]
    InvalidBound(String),
    /// More values than a block may hold.
    #[error("{0} values are too many for one block of at most {max}", max = super::MAX_BLOCK_VALUES)]
    TooLong(usize),
    /// The payload is damaged or was not written by Tolerant.
    #[error("corrupt payload: {0}")]
    Corrupt(String),
    /// The payload is of a format version that this build does not know.
    #[error("payload format version {0} is newer than this reader; upgrade tolerant")]
    UnknownVersion(u8),
    /// The payload is sound but holds another element type or count than the caller expects.
    #[error("payload holds {found}, expected {expected}")]
    Mismatch { found: String, expected: String },
}

impl CodecError {
    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }
}
