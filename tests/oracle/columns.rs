//! Random columns of all types, most of them floats.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, FixedSizeListArray, Float16Array,
    Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, LargeListArray, ListArray,
    StringArray, StructArray, TimestampMicrosecondArray, TimestampNanosecondArray, UInt16Array,
    UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields};
use half::f16;

use crate::chance::Chance;

/// What a column is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Float16,
    Float32,
    Float64,
    Int8,
    Int32,
    Int64,
    UInt16,
    UInt64,
    Boolean,
    Utf8,
    Dictionary,
    Date,
    Micros,
    Nanos,
    Decimal,
    FixedList,
    List,
    LargeList,
    Struct,
}

const FLOATS: &[Kind] = &[Kind::Float16, Kind::Float32, Kind::Float64];
const OTHERS: &[Kind] = &[
    Kind::Int8,
    Kind::Int32,
    Kind::Int64,
    Kind::UInt16,
    Kind::UInt64,
    Kind::Boolean,
    Kind::Utf8,
    Kind::Utf8,
    Kind::Dictionary,
    Kind::Date,
    Kind::Micros,
    Kind::Nanos,
    Kind::Decimal,
];
const NESTED: &[Kind] = &[Kind::FixedList, Kind::List, Kind::LargeList, Kind::Struct];

/// How the numbers of a column lie.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Uniform,
    Ascending,
    Descending,
    Constant,
    Levels,
    Whole,
    /// NaN, infinities and signed zeros between other numbers.
    Special,
    Tiny,
}

const SHAPES: &[Shape] = &[
    Shape::Uniform,
    Shape::Uniform,
    Shape::Ascending,
    Shape::Descending,
    Shape::Constant,
    Shape::Levels,
    Shape::Whole,
    Shape::Special,
    Shape::Special,
    Shape::Tiny,
];

/// Which rows are null.
#[derive(Debug, Clone, Copy)]
enum Nulls {
    None,
    Few,
    Most,
    All,
    /// All but the last ones, so that row groups differ.
    Early,
}

const NULLS: &[Nulls] = &[
    Nulls::None,
    Nulls::None,
    Nulls::Few,
    Nulls::Few,
    Nulls::Most,
    Nulls::Early,
    Nulls::All,
];

/// A column of which any number of rows can be made.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    shape: Shape,
    nulls: Nulls,
}

impl Column {
    pub fn new(chance: &mut Chance, name: String) -> Self {
        let kinds = match chance.below(10) {
            0..5 => FLOATS,
            5..8 => OTHERS,
            _ => NESTED,
        };
        Self {
            name,
            kind: *chance.pick(kinds),
            shape: *chance.pick(SHAPES),
            nulls: *chance.pick(NULLS),
        }
    }

    /// Whether floats are in it, which have a bound.
    pub fn is_float(&self) -> bool {
        FLOATS.contains(&self.kind) || NESTED.contains(&self.kind)
    }

    pub fn is_nested(&self) -> bool {
        NESTED.contains(&self.kind)
    }

    /// Whether NaN is among its numbers.
    pub fn is_special(&self) -> bool {
        matches!(self.shape, Shape::Special)
    }

    pub fn rows(&self, chance: &mut Chance, rows: usize) -> ArrayRef {
        let nulls = self.nulls(chance, rows);
        let valid = |i: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(i));
        let numbers: Vec<f64> = (0..rows).map(|i| self.number(chance, i, rows)).collect();
        let whole = |i: usize| match numbers[i] {
            x if x.is_finite() => x as i64,
            _ => 0,
        };
        let present = |i: usize| valid(i).then_some(());
        match self.kind {
            Kind::Float16 => Arc::new(Float16Array::from_iter(
                (0..rows).map(|i| present(i).map(|()| f16::from_f64(numbers[i]))),
            )),
            Kind::Float32 => Arc::new(Float32Array::from_iter(
                (0..rows).map(|i| present(i).map(|()| numbers[i] as f32)),
            )),
            Kind::Float64 => Arc::new(Float64Array::from_iter(
                (0..rows).map(|i| present(i).map(|()| numbers[i])),
            )),
            Kind::Int8 => Arc::new(Int8Array::from_iter(
                (0..rows).map(|i| present(i).map(|()| (whole(i) % 100) as i8)),
            )),
            Kind::Int32 => Arc::new(Int32Array::from_iter(
                (0..rows).map(|i| present(i).map(|()| whole(i) as i32)),
            )),
            Kind::Int64 => Arc::new(Int64Array::from_iter(
                (0..rows).map(|i| present(i).map(|()| whole(i))),
            )),
            Kind::UInt16 => Arc::new(UInt16Array::from_iter(
                (0..rows).map(|i| present(i).map(|()| whole(i).unsigned_abs() as u16)),
            )),
            Kind::UInt64 => {
                Arc::new(UInt64Array::from_iter((0..rows).map(|i| {
                    present(i).map(|()| u64::MAX - whole(i).unsigned_abs())
                })))
            }
            Kind::Boolean => Arc::new(BooleanArray::from_iter(
                (0..rows).map(|i| present(i).map(|()| whole(i) % 3 == 0)),
            )),
            Kind::Utf8 => Arc::new(self.strings(chance, &valid, rows)),
            Kind::Dictionary => {
                let keyed =
                    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                cast(&self.strings(chance, &valid, rows), &keyed).expect("strings have keys")
            }
            Kind::Date => Arc::new(Date32Array::from_iter(
                (0..rows).map(|i| present(i).map(|()| 19_000 + (whole(i) % 500) as i32)),
            )),
            Kind::Micros => {
                Arc::new(TimestampMicrosecondArray::from_iter((0..rows).map(|i| {
                    present(i).map(|()| 1_700_000_000_000_000 + 1000 * whole(i))
                })))
            }
            Kind::Nanos => {
                Arc::new(TimestampNanosecondArray::from_iter((0..rows).map(|i| {
                    present(i).map(|()| 1_700_000_000_000_000_000 + whole(i))
                })))
            }
            Kind::Decimal => Arc::new(
                Decimal128Array::from_iter(
                    (0..rows).map(|i| present(i).map(|()| i128::from(whole(i)))),
                )
                .with_precision_and_scale(12, 2)
                .expect("a decimal of twelve digits"),
            ),
            Kind::FixedList => {
                let items = self.items(chance, 4 * rows);
                let items = cast(&items, &DataType::Float32).expect("floats of either width");
                Arc::new(FixedSizeListArray::new(
                    item(DataType::Float32),
                    4,
                    items,
                    nulls,
                ))
            }
            Kind::List => {
                let lengths: Vec<usize> = (0..rows).map(|_| chance.below(4)).collect();
                let items = self.items(chance, lengths.iter().sum());
                let offsets = OffsetBuffer::from_lengths(lengths);
                Arc::new(ListArray::new(
                    item(DataType::Float64),
                    offsets,
                    items,
                    nulls,
                ))
            }
            Kind::LargeList => {
                let lengths: Vec<usize> = (0..rows).map(|_| chance.below(3)).collect();
                let items = self.items(chance, lengths.iter().sum());
                let offsets = OffsetBuffer::from_lengths(lengths);
                Arc::new(LargeListArray::new(
                    item(DataType::Float64),
                    offsets,
                    items,
                    nulls,
                ))
            }
            Kind::Struct => {
                let fields = Fields::from(vec![
                    Field::new("x", DataType::Float64, true),
                    Field::new("name", DataType::Utf8, true),
                ]);
                let names = self.strings(chance, &|i| i % 5 != 2, rows);
                let columns: Vec<ArrayRef> = vec![self.items(chance, rows), Arc::new(names)];
                Arc::new(StructArray::new(fields, columns, nulls))
            }
        }
    }

    /// What a nested column holds.
    fn items(&self, chance: &mut Chance, n: usize) -> ArrayRef {
        let sparse = chance.one_in(2);
        let values = (0..n).map(|i| {
            let x = self.number(chance, i, n);
            (!sparse || !chance.one_in(6)).then_some(x)
        });
        Arc::new(Float64Array::from_iter(values))
    }

    fn strings(
        &self,
        chance: &mut Chance,
        valid: &dyn Fn(usize) -> bool,
        rows: usize,
    ) -> StringArray {
        let words = [
            "",
            "a",
            "Oslo",
            "bern",
            "n%1",
            "it's",
            "\u{e9}t\u{e9}",
            "a long word, too long to be inlined",
        ];
        let few = chance.one_in(2);
        (0..rows)
            .map(|i| {
                let word = chance.pick(&words);
                let text = if few {
                    (*word).to_owned()
                } else {
                    format!("{word}{}", chance.below(200))
                };
                valid(i).then_some(text)
            })
            .collect()
    }

    fn nulls(&self, chance: &mut Chance, rows: usize) -> Option<NullBuffer> {
        let valid: Vec<bool> = match self.nulls {
            Nulls::None => return None,
            Nulls::Few => (0..rows).map(|_| !chance.one_in(8)).collect(),
            Nulls::Most => (0..rows).map(|_| chance.one_in(20)).collect(),
            Nulls::All => vec![false; rows],
            Nulls::Early => (0..rows).map(|i| i + rows / 4 >= rows).collect(),
        };
        Some(NullBuffer::from(valid))
    }

    fn number(&self, chance: &mut Chance, i: usize, rows: usize) -> f64 {
        let along = i as f64 / rows.max(1) as f64;
        match self.shape {
            Shape::Uniform => chance.between(-100.0, 100.0),
            Shape::Ascending => 100.0 * along + chance.between(0.0, 1.0),
            Shape::Descending => -100.0 * along + chance.between(0.0, 1.0),
            Shape::Constant => 2.5,
            Shape::Levels => chance.below(5) as f64 - 2.0,
            Shape::Whole => chance.between(-1000.0, 1000.0).round(),
            Shape::Special => match chance.below(12) {
                0 => f64::NAN,
                1 => f64::INFINITY,
                2 => f64::NEG_INFINITY,
                3 => -0.0,
                4 => 0.0,
                _ => chance.between(-10.0, 10.0),
            },
            Shape::Tiny => chance.between(-1.0, 1.0) * 1e-39,
        }
    }
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}
