//! Features and splits by hash.
//!
//! The hash is xxHash64 of the value's text, the same on every machine and in every release.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, Float64Array, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};
use twox_hash::XxHash64;

use super::{answer, at, float64s, size_argument, vector_type};

/// `hash_features(width, a, b, ...)`: the hashing trick, a `FixedSizeList<Float32>` of `width` elements.
/// Each argument adds to the element that its hash chooses: a number itself, a text (which is hashed
/// with the argument's place) 1, each with the sign that the hash chooses. Nulls add nothing.
///
/// Weinberger et al., 2009 (arXiv 0902.2206).
///
/// # Errors
/// Of planning, for a width that is not a constant of at least 1.
pub fn hash_features() -> ScalarUDF {
    ScalarUDF::from(HashFeatures {
        signature: Signature::variadic_any(Volatility::Immutable),
    })
}

/// `data_split(key, train, validation)` or `data_split(key, train, validation, seed)`: 'train',
/// 'validation' or 'test', with the fractions given and the rest for 'test'. It follows from the key
/// alone, so that rows of one key (a user, a day) stand on one side, today and tomorrow; another seed
/// (0 without one) gives another split. A null key counts as the text ''.
///
/// # Errors
/// When the fractions are negative or add up to more than 1.
pub fn data_split() -> ScalarUDF {
    let fractions = [DataType::Float64, DataType::Float64];
    let with_seed = |seed: &[DataType]| {
        let types = [&[DataType::Utf8], &fractions[..], seed].concat();
        TypeSignature::Exact(types)
    };
    let types = TypeSignature::OneOf(vec![with_seed(&[]), with_seed(&[DataType::Int64])]);
    ScalarUDF::from(DataSplit {
        signature: Signature::new(types, Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct HashFeatures {
    signature: Signature,
}

impl ScalarUDFImpl for HashFeatures {
    fn name(&self) -> &str {
        "hash_features"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("hash_features answers by field")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let width = size_argument(self.name(), &args, 0)?;
        if let Some(field) = args.arg_fields.iter().find(|f| f.data_type().is_nested()) {
            return plan_err!("hash_features: {:?} is {}", field.name(), field.data_type());
        }
        Ok(answer(self.name(), vector_type(width)?))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::FixedSizeList(element, width) = args.return_field.data_type() else {
            return internal_err!("hash_features answers with vectors");
        };
        let (rows, slots) = (args.number_rows, *width as usize);
        let mut features = vec![0f32; rows * slots];
        for (place, arg) in args.args.iter().enumerate().skip(1) {
            let mut add = |row: usize, hash: u64, value: f64| {
                let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
                let slot = (hash % slots as u64) as usize;
                features[row * slots + slot] += (sign * value) as f32;
            };
            let arg = arg.to_array(rows)?;
            if arg.data_type().is_numeric() || *arg.data_type() == DataType::Boolean {
                let (hash, numbers) = (XxHash64::oneshot(place as u64, b""), float64s(&arg)?);
                (0..rows).for_each(|row| add(row, hash, at(&numbers, row).unwrap_or(0.0)));
            } else {
                let texts = cast(&arg, &DataType::Utf8)?;
                for (row, text) in texts.as_string::<i32>().iter().enumerate() {
                    if let Some(text) = text {
                        add(row, XxHash64::oneshot(place as u64, text.as_bytes()), 1.0);
                    }
                }
            }
        }
        let features: ArrayRef = Arc::new(Float32Array::from(features));
        let vectors = FixedSizeListArray::try_new(Arc::clone(element), *width, features, None)?;
        Ok(ColumnarValue::Array(Arc::new(vectors)))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DataSplit {
    signature: Signature,
}

impl ScalarUDFImpl for DataSplit {
    fn name(&self) -> &str {
        "data_split"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (keys, train, validation) = (
            arrays[0].as_string::<i32>(),
            float64s(&arrays[1])?,
            float64s(&arrays[2])?,
        );
        let seeds = match arrays.get(3) {
            Some(seeds) => float64s(seeds)?,
            None => Arc::new(Float64Array::from(vec![0.0; keys.len()])),
        };
        let mut parts = Vec::with_capacity(keys.len());
        for row in 0..keys.len() {
            let (train, validation) = (at(&train, row), at(&validation, row));
            let (Some(train), Some(validation)) = (train, validation) else {
                return exec_err!("data_split: a fraction is null");
            };
            if !(train >= 0.0 && validation >= 0.0 && train + validation <= 1.0) {
                return exec_err!(
                    "data_split: {train} and {validation} are not fractions that add up to at most 1"
                );
            }
            let key = if keys.is_valid(row) {
                keys.value(row)
            } else {
                ""
            };
            let seed = at(&seeds, row).unwrap_or(0.0) as i64;
            // 53 bits, as many as a fraction has.
            let place = (XxHash64::oneshot(seed as u64, key.as_bytes()) >> 11) as f64;
            let place = place / (1u64 << 53) as f64;
            parts.push(if place < train {
                "train"
            } else if place < train + validation {
                "validation"
            } else {
                "test"
            });
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(parts))))
    }
}
