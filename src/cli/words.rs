//! The command line's words and what they stand for.

use crate::codec::Effort;
use crate::file::{FileLayout, RowOrder, VectorRange};

use super::args;

impl From<args::Effort> for Effort {
    fn from(word: args::Effort) -> Self {
        match word {
            args::Effort::Fast => Self::Fast,
            args::Effort::Balanced => Self::Balanced,
            args::Effort::Small => Self::Small,
        }
    }
}

impl From<args::Layout> for FileLayout {
    fn from(word: args::Layout) -> Self {
        match word {
            args::Layout::Packed => Self::Packed,
            args::Layout::Portable => Self::Portable,
        }
    }
}

impl From<args::RowOrder> for RowOrder {
    fn from(word: args::RowOrder) -> Self {
        match word {
            args::RowOrder::Keep => Self::Keep,
            args::RowOrder::Any => Self::Any,
        }
    }
}

impl From<args::VectorRange> for VectorRange {
    fn from(word: args::VectorRange) -> Self {
        match word {
            args::VectorRange::All => Self::All,
            args::VectorRange::Dimension => Self::Dimension,
        }
    }
}

#[cfg(feature = "tune")]
impl From<Effort> for args::Effort {
    fn from(effort: Effort) -> Self {
        match effort {
            Effort::Fast => Self::Fast,
            Effort::Balanced => Self::Balanced,
            Effort::Small => Self::Small,
        }
    }
}

#[cfg(feature = "tune")]
impl From<FileLayout> for args::Layout {
    fn from(layout: FileLayout) -> Self {
        match layout {
            FileLayout::Packed => Self::Packed,
            FileLayout::Portable => Self::Portable,
        }
    }
}

#[cfg(feature = "tune")]
impl From<RowOrder> for args::RowOrder {
    fn from(order: RowOrder) -> Self {
        match order {
            RowOrder::Keep => Self::Keep,
            RowOrder::Any => Self::Any,
        }
    }
}
