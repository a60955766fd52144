//! Numbers as bins.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

use super::{at, float64s};

/// `equal_width_bin(x, low, high, n)`: which of n bins of equal width between low and high x lies in,
/// an Int64 from 0 to n - 1; values beyond the ends lie in the first or last bin. Null for NaN.
///
/// # Errors
/// When n is less than 1, or low is not less than high.
pub fn equal_width_bin() -> ScalarUDF {
    let numbers = vec![
        DataType::Float64,
        DataType::Float64,
        DataType::Float64,
        DataType::Int64,
    ];
    Bin::udf("equal_width_bin", TypeSignature::Exact(numbers))
}

/// `bin(x, edge, ...)`: how many of the ascending edges are at most x, an Int64; null for NaN. With
/// quantiles as edges (DataFusion's `approx_percentile_cont`) these are quantile bins.
///
/// # Errors
/// When the edges do not ascend.
pub fn bin() -> ScalarUDF {
    Bin::udf("bin", TypeSignature::Variadic(vec![DataType::Float64]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bin {
    name: &'static str,
    signature: Signature,
}

impl Bin {
    fn udf(name: &'static str, types: TypeSignature) -> ScalarUDF {
        ScalarUDF::from(Self {
            name,
            signature: Signature::new(types, Volatility::Immutable),
        })
    }
}

impl ScalarUDFImpl for Bin {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let arrays: Vec<ArrayRef> = arrays.iter().map(float64s).collect::<Result<_>>()?;
        let mut bins = Vec::with_capacity(args.number_rows);
        let mut row = Vec::with_capacity(arrays.len());
        for i in 0..arrays.first().map_or(0, |array| array.len()) {
            row.clear();
            row.extend(arrays.iter().map_while(|array| at(array, i)));
            bins.push(match row[..] {
                [x, ..] if row.len() == arrays.len() && !x.is_nan() => Some(match self.name {
                    "bin" => edges_passed(x, &row[1..])?,
                    _ => equal_width(x, row[1], row[2], row[3])?,
                }),
                _ => None,
            });
        }
        Ok(ColumnarValue::Array(Arc::new(Int64Array::from(bins))))
    }
}

fn equal_width(x: f64, low: f64, high: f64, bins: f64) -> Result<i64> {
    // Written so that NaN fails.
    if !(bins >= 1.0 && low < high) {
        return exec_err!(
            "equal_width_bin: {bins} bins between {low} and {high}; give at least one, and a lower \
             and a higher end"
        );
    }
    let place = (x / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) * bins;
    Ok(place.floor().clamp(0.0, bins - 1.0) as i64)
}

fn edges_passed(x: f64, edges: &[f64]) -> Result<i64> {
    if !edges.is_sorted() {
        return exec_err!("bin: the edges {edges:?} do not ascend");
    }
    Ok(edges.partition_point(|edge| *edge <= x) as i64)
}
