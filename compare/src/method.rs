//! What a method of the comparison is: a name, and functions from columns to bytes and back.

use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Float32Type;

use crate::data::{Cell, Result};

/// One compressor in one mode.
pub struct Method {
    /// The compressor, under which modes compete.
    pub family: &'static str,
    pub mode: String,
    pub any_order: bool,
    /// Gives the same bytes at every bound; measured once a table.
    pub lossless: bool,
    pub factors: Factors,
    pub codec: Codec,
}

/// Which multiples of the bound a method is given.
#[derive(Clone, Copy)]
pub enum Factors {
    /// The bound itself.
    One,
    /// The bound itself; where that is broken, a little less as well.
    Tightened,
    /// The first of these, which fall, that keeps the bound.
    Search(&'static [f64]),
}

type TuneColumn = fn(&[f32], f64) -> f64;
type Encode = Box<dyn Fn(&[f32], &[usize], f64) -> Result<Vec<u8>>>;
type Decode = Box<dyn Fn(&[u8], &[usize], f64) -> Result<Vec<f32>>>;
type CodeElsewhere = Box<dyn Fn(&[Array], bool) -> Result<Coded>>;
type EncodeTable = Box<dyn Fn(&Cell) -> Result<Vec<u8>>>;
type DecodeTable = Box<dyn Fn(&[u8]) -> Result<Decoded>>;

pub enum Codec {
    /// Bare arrays.
    Arrays { layout: Layout, coder: Coder },
    /// A whole file.
    Table {
        encode: EncodeTable,
        decode: DecodeTable,
    },
}

/// How a table becomes arrays.
#[derive(Clone, Copy)]
pub enum Layout {
    /// Each column by itself, with a parameter found from the column and its bound. Not timed.
    Columns(TuneColumn),
    /// All columns as one 2-D array, each divided by its bound, so that one bound holds for all.
    /// Not timed.
    Matrix {
        /// Columns of the table are rows of the array.
        transposed: bool,
        /// The column's minimum is subtracted first.
        offset: bool,
    },
}

impl Layout {
    /// Every 2-D layout, with its name.
    pub fn matrices() -> impl Iterator<Item = (String, Layout)> {
        [(false, false), (false, true), (true, false), (true, true)]
            .map(|(transposed, offset)| {
                let shape = if transposed {
                    "columns x rows"
                } else {
                    "rows x columns"
                };
                let name = format!("2-D {shape}{}", if offset { ", less min" } else { "" });
                (name, Layout::Matrix { transposed, offset })
            })
            .into_iter()
    }

    /// Those that only divide, with their names.
    pub fn plain_matrices() -> impl Iterator<Item = (String, Layout)> {
        Self::matrices()
            .filter(|(_, layout)| matches!(layout, Layout::Matrix { offset: false, .. }))
    }
}

pub enum Coder {
    Here {
        encode: Encode,
        decode: Decode,
    },
    /// Codes, decodes and, if told to repeat, takes the shortest time by itself.
    Elsewhere(CodeElsewhere),
}

/// One array to be coded: its values, its shape, and a bound or another parameter.
pub struct Array {
    pub values: Vec<f32>,
    pub shape: Vec<usize>,
    pub parameter: f64,
}

/// Arrays coded and decoded again.
pub struct Coded {
    pub bytes: usize,
    pub encode: Duration,
    pub decode: Duration,
    pub values: Vec<Vec<f32>>,
}

/// The parameter is the bound.
pub fn bound_itself(_: &[f32], bound: f64) -> f64 {
    bound
}

impl Method {
    /// Columns by themselves; the parameter is the bound.
    pub fn columns(
        family: &'static str,
        mode: impl Into<String>,
        encode: impl Fn(&[f32], f64) -> Result<Vec<u8>> + 'static,
        decode: impl Fn(&[u8], usize, f64) -> Result<Vec<f32>> + 'static,
    ) -> Self {
        Self::arrays(
            family,
            mode,
            Layout::Columns(bound_itself),
            move |values, _, parameter| encode(values, parameter),
            move |bytes, shape, parameter| decode(bytes, shape[0], parameter),
        )
    }

    pub fn arrays(
        family: &'static str,
        mode: impl Into<String>,
        layout: Layout,
        encode: impl Fn(&[f32], &[usize], f64) -> Result<Vec<u8>> + 'static,
        decode: impl Fn(&[u8], &[usize], f64) -> Result<Vec<f32>> + 'static,
    ) -> Self {
        let coder = Coder::Here {
            encode: Box::new(encode),
            decode: Box::new(decode),
        };
        let codec = Codec::Arrays { layout, coder };
        Self::new(family, mode, Factors::Tightened, codec)
    }

    pub fn elsewhere(
        family: &'static str,
        mode: impl Into<String>,
        layout: Layout,
        code: impl Fn(&[Array], bool) -> Result<Coded> + 'static,
    ) -> Self {
        let coder = Coder::Elsewhere(Box::new(code));
        let codec = Codec::Arrays { layout, coder };
        Self::new(family, mode, Factors::Tightened, codec)
    }

    pub fn table(
        family: &'static str,
        mode: impl Into<String>,
        encode: impl Fn(&Cell) -> Result<Vec<u8>> + 'static,
        decode: impl Fn(&[u8]) -> Result<Decoded> + 'static,
    ) -> Self {
        let codec = Codec::Table {
            encode: Box::new(encode),
            decode: Box::new(decode),
        };
        Self::new(family, mode, Factors::One, codec)
    }

    fn new(family: &'static str, mode: impl Into<String>, factors: Factors, codec: Codec) -> Self {
        Self {
            family,
            mode: mode.into(),
            any_order: false,
            lossless: false,
            factors,
            codec,
        }
    }

    /// Gives each column a parameter of its own, found by `tune` so that the bound is kept.
    pub fn tuned(mut self, by: TuneColumn) -> Self {
        if let Codec::Arrays { layout, .. } = &mut self.codec {
            *layout = Layout::Columns(by);
        }
        self.factors = Factors::One;
        self
    }

    pub fn with_factors(mut self, factors: Factors) -> Self {
        self.factors = factors;
        self
    }

    pub fn lossless(mut self) -> Self {
        self.lossless = true;
        self.factors = Factors::One;
        self
    }

    /// Whether another process codes.
    #[cfg(test)]
    pub fn runs_elsewhere(&self) -> bool {
        matches!(
            self.codec,
            Codec::Arrays {
                coder: Coder::Elsewhere(_),
                ..
            }
        )
    }

    pub fn any_order(mut self, any: bool) -> Self {
        self.any_order = any;
        self
    }
}

/// Columns as a method gives them back; turning them into vectors is not timed.
pub enum Decoded {
    Columns(Vec<Vec<f32>>),
    Batches(Vec<RecordBatch>),
}

impl Decoded {
    /// # Errors
    /// Where a column is not float32.
    pub fn into_columns(self) -> Result<Vec<Vec<f32>>> {
        let batches = match self {
            Self::Columns(columns) => return Ok(columns),
            Self::Batches(batches) => batches,
        };
        let width = batches.first().map_or(0, RecordBatch::num_columns);
        let mut columns = vec![Vec::new(); width];
        for batch in &batches {
            for (column, array) in columns.iter_mut().zip(batch.columns()) {
                let array = array
                    .as_primitive_opt::<Float32Type>()
                    .ok_or_else(|| format!("decoded to {}, not float32", array.data_type()))?;
                column.extend_from_slice(array.values());
            }
        }
        Ok(columns)
    }
}
