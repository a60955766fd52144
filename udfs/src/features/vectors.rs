//! Columns as vectors.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float32Builder};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::{MAX_WIDTH, answer, as_float32s, at, float64s, size_argument, vector_type};

/// `feature_vector(a, b, ...)`: the arguments one after another as a `FixedSizeList<Float32>`: numbers,
/// booleans as 0 and 1, and fixed-size lists of numbers with all their elements. Null elements where
/// they are null.
pub fn feature_vector() -> ScalarUDF {
    Vectors::udf("feature_vector", Kind::Features)
}

/// `polynomial_terms(degree, a, b, ...)`: all products of the arguments with 1 to `degree` factors, as
/// a `FixedSizeList<Float32>`: a, b, a², ab, b², and so on. A product is null where a factor is.
///
/// # Errors
/// Of planning, for a degree that is no constant, and for more than 16,384 terms.
pub fn polynomial_terms() -> ScalarUDF {
    Vectors::udf("polynomial_terms", Kind::Polynomial)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Features,
    Polynomial,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Vectors {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

impl Vectors {
    fn udf(name: &'static str, kind: Kind) -> ScalarUDF {
        ScalarUDF::from(Self {
            name,
            kind,
            signature: Signature::variadic_any(Volatility::Immutable),
        })
    }
}

impl ScalarUDFImpl for Vectors {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{} answers by field", self.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let width = match self.kind {
            Kind::Features => {
                let widths = args
                    .arg_fields
                    .iter()
                    .map(|field| width_of(self.name, field));
                widths.sum::<Result<usize>>()?
            }
            Kind::Polynomial => {
                let degree = size_argument(self.name, &args, 0)?;
                let factors = &args.arg_fields[1..];
                if factors.is_empty() {
                    return plan_err!("polynomial_terms takes a degree and columns");
                }
                if let Some(field) = factors.iter().find(|field| !is_number(field.data_type())) {
                    return not_numbers(self.name, field);
                }
                terms(degree, factors.len())?.len()
            }
        };
        Ok(answer(self.name, vector_type(width)?))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::FixedSizeList(element, width) = args.return_field.data_type() else {
            return internal_err!("{} answers with vectors", self.name);
        };
        let rows = args.number_rows;
        let mut elements = Float32Builder::with_capacity(rows * *width as usize);
        match self.kind {
            Kind::Features => {
                let parts: Vec<_> = args
                    .args
                    .iter()
                    .map(|part| Part::of(&part.to_array(rows)?))
                    .collect::<Result<_>>()?;
                for row in 0..rows {
                    parts
                        .iter()
                        .for_each(|part| part.append(row, &mut elements));
                }
            }
            Kind::Polynomial => {
                let factors: Vec<ArrayRef> = args.args[1..]
                    .iter()
                    .map(|factor| float64s(&factor.to_array(rows)?))
                    .collect::<Result<_>>()?;
                // The degree is that of the width, which was planned.
                let terms = terms_of_width(*width as usize, factors.len())?;
                for row in 0..rows {
                    for term in &terms {
                        let product = term
                            .iter()
                            .try_fold(1.0, |all, factor| Some(all * at(&factors[*factor], row)?));
                        elements.append_option(product.map(|x| x as f32));
                    }
                }
            }
        }
        let vectors = FixedSizeListArray::try_new(
            Arc::clone(element),
            *width,
            Arc::new(elements.finish()),
            None,
        )?;
        Ok(ColumnarValue::Array(Arc::new(vectors)))
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || matches!(data_type, DataType::Boolean | DataType::Null)
}

fn not_numbers<T>(function: &str, field: &Field) -> Result<T> {
    plan_err!(
        "{function}: {:?} is {}, not numbers; cast it, or code it by one_hot, ordinal_code or \
         hash_features",
        field.name(),
        field.data_type()
    )
}

fn width_of(function: &str, field: &Field) -> Result<usize> {
    match field.data_type() {
        data_type if is_number(data_type) => Ok(1),
        DataType::FixedSizeList(element, width) if is_number(element.data_type()) => {
            Ok(*width as usize)
        }
        _ => not_numbers(function, field),
    }
}

/// An argument of `feature_vector`: so many elements of each row.
struct Part {
    elements: datafusion::arrow::array::Float32Array,
    width: usize,
    /// Rows that are null as a whole.
    nulls: Option<datafusion::arrow::buffer::NullBuffer>,
}

impl Part {
    fn of(array: &ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::FixedSizeList(..) => {
                let lists = array.as_fixed_size_list();
                Self {
                    elements: as_float32s(lists.values())?,
                    width: lists.value_length() as usize,
                    nulls: lists.nulls().cloned(),
                }
            }
            _ => Self {
                elements: as_float32s(array)?,
                width: 1,
                nulls: None,
            },
        })
    }

    fn append(&self, row: usize, to: &mut Float32Builder) {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            to.append_nulls(self.width);
            return;
        }
        for i in row * self.width..(row + 1) * self.width {
            to.append_option(self.elements.is_valid(i).then(|| self.elements.value(i)));
        }
    }
}

/// The factors of each term: all ascending sequences of 1 to `degree` of `factors` numbers.
fn terms(degree: usize, factors: usize) -> Result<Vec<Vec<usize>>> {
    let mut terms: Vec<Vec<usize>> = Vec::new();
    let mut last_degree: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..degree {
        let mut next = Vec::new();
        for term in &last_degree {
            for factor in term.last().copied().unwrap_or(0)..factors {
                if terms.len() + next.len() == MAX_WIDTH {
                    return plan_err!(
                        "polynomial_terms: {factors} columns to degree {degree} make more than \
                         {MAX_WIDTH} terms"
                    );
                }
                next.push([term.as_slice(), &[factor]].concat());
            }
        }
        terms.extend_from_slice(&next);
        last_degree = next;
    }
    Ok(terms)
}

fn terms_of_width(width: usize, factors: usize) -> Result<Vec<Vec<usize>>> {
    let mut degree = 1;
    loop {
        let terms = terms(degree, factors)?;
        if terms.len() >= width {
            return Ok(terms);
        }
        degree += 1;
    }
}
