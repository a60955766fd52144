//! Categories as numbers.

use std::sync::Arc;

use datafusion::arrow::array::FixedSizeListArray;
use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, Float32Array, Int64Array};
use datafusion::arrow::compute::kernels::cmp::not_distinct;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::{answer, vector_type};

/// `one_hot(x, category, ...)`: a `FixedSizeList<Float32>` with one element for each category, 1 where x
/// is that category and 0 elsewhere; all 0 where x is none of them, or null.
pub fn one_hot() -> ScalarUDF {
    Categories::udf("one_hot", Code::OneHot)
}

/// `ordinal_code(x, category, ...)`: the place of x among the categories, an Int64 from 0; null where x
/// is none of them.
pub fn ordinal_code() -> ScalarUDF {
    Categories::udf("ordinal_code", Code::Ordinal)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Code {
    OneHot,
    Ordinal,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Categories {
    name: &'static str,
    code: Code,
    signature: Signature,
}

impl Categories {
    fn udf(name: &'static str, code: Code) -> ScalarUDF {
        ScalarUDF::from(Self {
            name,
            code,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    }
}

impl ScalarUDFImpl for Categories {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Categories become of x's type.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [x, _, ..] => Ok(vec![x.clone(); types.len()]),
            _ => plan_err!("{} takes a column and its categories", self.name),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{} answers by field", self.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let data_type = match self.code {
            Code::OneHot => vector_type(args.arg_fields.len() - 1)?,
            Code::Ordinal => DataType::Int64,
        };
        Ok(answer(self.name, data_type))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let x = args.args[0].to_array(args.number_rows)?;
        let mut matches: Vec<BooleanArray> = Vec::with_capacity(args.args.len() - 1);
        for category in &args.args[1..] {
            matches.push(not_distinct(&x, &category.to_array(args.number_rows)?)?);
        }
        // A null among the categories is none: it would make nulls a category unasked.
        let is = |row: usize, category: &BooleanArray| x.is_valid(row) && category.value(row);
        let codes: ArrayRef = match self.code {
            Code::Ordinal => {
                let place = |row| matches.iter().position(|category| is(row, category));
                let places = (0..x.len()).map(|row| place(row).map(|place| place as i64));
                Arc::new(Int64Array::from_iter(places))
            }
            Code::OneHot => {
                let elements = (0..x.len()).flat_map(|row| {
                    let matches = matches.iter();
                    matches.map(move |category| if is(row, category) { 1.0 } else { 0.0 })
                });
                let elements: Float32Array = elements.map(Some).collect();
                let element = Field::new_list_field(DataType::Float32, true);
                let width = matches.len() as i32;
                Arc::new(FixedSizeListArray::try_new(
                    Arc::new(element),
                    width,
                    Arc::new(elements),
                    None,
                )?)
            }
        };
        Ok(ColumnarValue::Array(codes))
    }
}
