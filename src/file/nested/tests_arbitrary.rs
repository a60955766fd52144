//! Protects nested columns of any shape: structure and nulls exactly, values within the bound, and
//! the virtual file as Parquet's own reader sees it.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use half::f16;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::tests::check;
use crate::codec::{Effort, ErrorBound};
use crate::file::{VectorRange, WriterOptions};

fn any_type(rng: &mut StdRng, depth: usize) -> DataType {
    let field = |rng: &mut StdRng, name: &str| {
        let data_type = any_type(rng, depth - 1);
        Arc::new(Field::new(name, data_type, rng.random_bool(0.7)))
    };
    match if depth == 0 {
        0
    } else {
        rng.random_range(0..7)
    } {
        1 | 2 => DataType::List(field(rng, "item")),
        3 => DataType::LargeList(field(rng, "element")),
        4 => DataType::FixedSizeList(field(rng, "item"), rng.random_range(1..5)),
        5 | 6 => {
            let n = rng.random_range(1..4);
            let fields = (0..n).map(|i| field(rng, ["a", "b", "c.d"][i]));
            DataType::Struct(fields.collect::<Vec<_>>().into())
        }
        _ => match rng.random_range(0..6) {
            0 => DataType::Float16,
            1 => DataType::Float64,
            2 => DataType::Int32,
            3 => DataType::Utf8,
            _ => DataType::Float32,
        },
    }
}

fn any_number(rng: &mut StdRng) -> f64 {
    match rng.random_range(0..40) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => -0.0,
        4 => 0.0,
        5..20 => f64::from(rng.random_range(-20i32..20)) * 0.5,
        _ => rng.random_range(-30.0..30.0),
    }
}

fn any_array(rng: &mut StdRng, field: &Field, n: usize) -> ArrayRef {
    let nulls = (field.is_nullable() && rng.random_bool(0.7)).then(|| {
        let share = [0.1, 0.5, 1.0][rng.random_range(0..3)];
        NullBuffer::from_iter((0..n).map(|_| !rng.random_bool(share)))
    });
    match field.data_type() {
        DataType::Float16 => {
            let values = (0..n).map(|_| f16::from_f64(any_number(rng)));
            Arc::new(Float16Array::new(values.collect(), nulls))
        }
        DataType::Float32 => {
            let values = (0..n).map(|_| any_number(rng) as f32);
            Arc::new(Float32Array::new(values.collect(), nulls))
        }
        DataType::Float64 => {
            let values = (0..n).map(|_| any_number(rng));
            Arc::new(Float64Array::new(values.collect(), nulls))
        }
        DataType::Int32 => {
            let values = (0..n).map(|_| rng.random_range(0..9));
            Arc::new(Int32Array::new(values.collect(), nulls))
        }
        DataType::Utf8 => {
            let valid = |i: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(i));
            let value = |i: usize| valid(i).then(|| format!("s{}", i % 5));
            Arc::new(StringArray::from_iter((0..n).map(value)))
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().map(|field| any_array(rng, field, n));
            Arc::new(StructArray::new(fields.clone(), columns.collect(), nulls))
        }
        DataType::FixedSizeList(item, size) => {
            let items = any_array(rng, item, n * *size as usize);
            Arc::new(FixedSizeListArray::new(
                Arc::clone(item),
                *size,
                items,
                nulls,
            ))
        }
        DataType::List(item) => {
            // Lists that are null may have items all the same.
            let lengths: Vec<usize> = (0..n).map(|_| rng.random_range(0..4)).collect();
            let items = any_array(rng, item, lengths.iter().sum());
            let offsets = OffsetBuffer::from_lengths(lengths);
            Arc::new(ListArray::new(Arc::clone(item), offsets, items, nulls))
        }
        DataType::LargeList(item) => {
            let lengths: Vec<usize> = (0..n).map(|_| rng.random_range(0..3)).collect();
            let items = any_array(rng, item, lengths.iter().sum());
            let offsets = OffsetBuffer::from_lengths(lengths);
            Arc::new(LargeListArray::new(Arc::clone(item), offsets, items, nulls))
        }
        other => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_nesting_comes_back(seed: u64, rows in 0usize..40, cut: bool, exact: bool, fast: bool) {
        let mut rng = StdRng::seed_from_u64(seed);
        let columns = rng.random_range(1..4);
        let fields: Fields = (0..columns)
            .map(|i| {
                let data_type = any_type(&mut rng, 3);
                Field::new(format!("x{i}"), data_type, rng.random_bool(0.7))
            })
            .collect::<Vec<_>>()
            .into();
        let whole = rows + 5;
        let arrays: Vec<ArrayRef> =
            fields.iter().map(|field| any_array(&mut rng, field, whole)).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        // Slices have offsets.
        let batch = batch.slice(if cut { 4 } else { 0 }, rows);
        let bound = if exact { 0.0 } else { 0.25 };
        let mut options = WriterOptions::new()
            .with_effort(if fast { Effort::Fast } else { Effort::Balanced })
            .with_bound(match exact {
                true => ErrorBound::Exact,
                false => ErrorBound::abs(bound).unwrap(),
            });
        if rng.random_bool(0.5) {
            options = options.with_block_rows(7).with_row_group_rows(14);
        }
        check(&batch, options, bound);
    }

    /// Each dimension keeps a hundredth of its own range.
    #[test]
    fn dimensions_keep_their_own_bounds(seed: u64, rows in 1usize..80, size in 2i32..6) {
        let mut rng = StdRng::seed_from_u64(seed);
        let item = Arc::new(Field::new("item", DataType::Float32, rng.random_bool(0.5)));
        let field = Field::new("v", DataType::FixedSizeList(item, size), rng.random_bool(0.5));
        let array = any_array(&mut rng, &field, rows);
        let schema = Arc::new(Schema::new(vec![field]));
        let batch = RecordBatch::try_new(schema, vec![array]).unwrap();
        let options = WriterOptions::new()
            .with_bound(ErrorBound::rel(0.01).unwrap())
            .with_vector_range(VectorRange::Dimension);
        check(&batch, options, 0.6);
    }
}
