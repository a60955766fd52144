//! How much work an encoder may spend on making a block small.

use std::fmt;
use std::str::FromStr;

use super::CodecError;

/// What an encoder aims for. A reader needs not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effort {
    /// The highest decode speed; columns are coded each for itself.
    Fast,
    #[default]
    Balanced,
    /// The smallest files, whatever it takes to write them.
    Small,
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Small => "small",
        })
    }
}

impl FromStr for Effort {
    type Err = CodecError;

    fn from_str(text: &str) -> Result<Self, CodecError> {
        [Self::Fast, Self::Balanced, Self::Small]
            .into_iter()
            .find(|effort| effort.to_string() == text)
            .ok_or_else(|| {
                CodecError::InvalidBound(format!(
                    "{text:?} is not an effort; write fast, balanced or small"
                ))
            })
    }
}
