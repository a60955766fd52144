//! Columns of lists and structs: both sides are taken apart together, level by level, down to the
//! values, each of which is judged as that of a flat column is.
//!
//! A null or a list that is of another length on one side is a violation of the column; what is
//! inside is then not compared.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt32Array, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::column::{Chunk, ColumnCheck};
use super::types::canonical;
use super::{ColumnVerdict, LeafPromise, Promise};
use crate::ErrorBound;
use crate::file::is_float;

/// Columns, at most, that rows in any order are matched by, of one nested column.
const MAX_KEYS: usize = 64;

/// What has been seen of one nested column so far.
pub(super) struct NestedCheck {
    pub(super) original: usize,
    pub(super) packed: usize,
    name: String,
    data_type: DataType,
    leaves: HashMap<String, LeafCheck>,
    /// Structure, and all that is not a float.
    rest: ColumnCheck,
    has_rest: bool,
}

/// The floats of one leaf.
struct LeafCheck {
    /// In the file's order.
    number: usize,
    /// One, or one for each dimension.
    checks: Vec<ColumnCheck>,
}

/// Elements of both sides that belong together.
struct Elements {
    original: ArrayRef,
    packed: ArrayRef,
    /// The row of each, within the chunk.
    rows: Vec<u32>,
    /// The dimension of each, within its vector.
    positions: Vec<u32>,
}

impl NestedCheck {
    pub(super) fn new(
        (original, packed): (usize, usize),
        name: &str,
        data_type: DataType,
        promises: &[LeafPromise],
        row_groups: usize,
    ) -> Self {
        let leaf = |(number, promise): (usize, &LeafPromise)| {
            let check = |of_one: Promise| {
                let data_type = promise.data_type.clone();
                let columns = (original, packed);
                ColumnCheck::new(columns, &promise.name, data_type, Some(of_one), row_groups)
            };
            let checks = match promise.dimensions.is_empty() {
                true => vec![check(promise.promise.clone())],
                false => {
                    let dimensions = promise.dimensions.iter();
                    let of_one = dimensions.map(|abs_bounds| Promise {
                        abs_bounds: abs_bounds.clone(),
                        ..promise.promise.clone()
                    });
                    of_one.map(check).collect()
                }
            };
            (promise.name.clone(), LeafCheck { number, checks })
        };
        let leaves: HashMap<String, LeafCheck> = promises.iter().enumerate().map(leaf).collect();
        let rest = ColumnCheck::new(
            (original, packed),
            name,
            data_type.clone(),
            None,
            row_groups,
        );
        Self {
            original,
            packed,
            name: name.to_string(),
            has_rest: has_rest(name, &data_type, &leaves),
            data_type,
            leaves,
            rest,
        }
    }

    pub(super) fn check(&mut self, chunk: &Chunk<'_>) -> Result<(), ArrowError> {
        let (original, packed) = same_type(&self.data_type, chunk.original, chunk.packed)?;
        let n = original.len();
        let elements = Elements {
            original,
            packed,
            rows: (0..n as u32).collect(),
            positions: vec![0; n],
        };
        let name = self.name.clone();
        self.walk(&name, elements, chunk)
    }

    fn walk(&mut self, name: &str, all: Elements, chunk: &Chunk<'_>) -> Result<(), ArrowError> {
        let data_type = all.original.data_type().clone();
        if is_float(&data_type) && self.leaves.contains_key(name) {
            return self.values(name, &all, chunk);
        }
        if !is_taken_apart(&data_type) {
            let part = Chunk {
                original: &all.original,
                packed: &all.packed,
                rows: Some(&all.rows),
                ..*chunk
            };
            return self.rest.check_equal(&part);
        }
        let kept = self.without_nulls(all, chunk)?;
        match data_type {
            DataType::Struct(fields) => {
                for (i, field) in fields.iter().enumerate() {
                    let inside = Elements {
                        original: Arc::clone(kept.original.as_struct().column(i)),
                        packed: Arc::clone(kept.packed.as_struct().column(i)),
                        rows: kept.rows.clone(),
                        positions: kept.positions.clone(),
                    };
                    self.walk(&format!("{name}.{}", field.name()), inside, chunk)?;
                }
                Ok(())
            }
            _ => {
                let items = self.items(&kept, chunk)?;
                self.walk(name, items, chunk)
            }
        }
    }

    /// What is null on neither side; a null on one of them is a violation.
    fn without_nulls(&mut self, all: Elements, chunk: &Chunk<'_>) -> Result<Elements, ArrowError> {
        if all.original.null_count() + all.packed.null_count() == 0 {
            return Ok(all);
        }
        let mut kept = Vec::with_capacity(all.rows.len());
        for (i, row) in all.rows.iter().enumerate() {
            match (all.original.is_null(i), all.packed.is_null(i)) {
                (false, false) => kept.push(i as u32),
                (true, true) => {}
                (null, _) => self.rest.null_changed(chunk, *row as usize, null),
            }
        }
        let of = |values: &[u32]| kept.iter().map(|i| values[*i as usize]).collect();
        let (rows, positions) = (of(&all.rows), of(&all.positions));
        let kept = UInt32Array::from(kept);
        Ok(Elements {
            original: take(&all.original, &kept, None)?,
            packed: take(&all.packed, &kept, None)?,
            rows,
            positions,
        })
    }

    /// The items of lists that are as long on both sides; others are violations.
    fn items(&mut self, lists: &Elements, chunk: &Chunk<'_>) -> Result<Elements, ArrowError> {
        let (original, packed) = (Lists::of(&lists.original), Lists::of(&lists.packed));
        let mut at = (Vec::new(), Vec::new());
        let (mut rows, mut positions) = (Vec::new(), Vec::new());
        for (i, row) in lists.rows.iter().enumerate() {
            let (a, b) = (original.range(i), packed.range(i));
            if a.end - a.start != b.end - b.start {
                let lengths = (a.end - a.start, b.end - b.start);
                self.rest.length_changed(chunk, *row as usize, lengths);
                continue;
            }
            rows.extend(a.clone().map(|_| *row));
            let first = match original.fixed {
                // Beyond 32 bits there are no dimensions with bounds of their own.
                Some(size) => lists.positions[i].wrapping_mul(size),
                None => 0,
            };
            let fixed = u32::from(original.fixed.is_some());
            positions.extend((0..(a.end - a.start) as u32).map(|k| first.wrapping_add(k * fixed)));
            at.0.extend(a);
            at.1.extend(b);
        }
        Ok(Elements {
            original: take(original.items, &UInt64Array::from(at.0), None)?,
            packed: take(packed.items, &UInt64Array::from(at.1), None)?,
            rows,
            positions,
        })
    }

    /// Judges the values of a leaf.
    fn values(&mut self, name: &str, all: &Elements, chunk: &Chunk<'_>) -> Result<(), ArrowError> {
        let Some(leaf) = self.leaves.get_mut(name) else {
            return Ok(());
        };
        if let [check] = &mut leaf.checks[..] {
            return check.check(&Chunk {
                original: &all.original,
                packed: &all.packed,
                rows: Some(&all.rows),
                ..*chunk
            });
        }
        let mut of_dimension = vec![Vec::new(); leaf.checks.len()];
        for (i, position) in all.positions.iter().enumerate() {
            match of_dimension.get_mut(*position as usize) {
                Some(dimension) => dimension.push(i as u32),
                None => self.rest.null_changed(chunk, all.rows[i] as usize, false),
            }
        }
        for (check, at) in leaf.checks.iter_mut().zip(of_dimension) {
            let rows: Vec<u32> = at.iter().map(|i| all.rows[*i as usize]).collect();
            let at = UInt32Array::from(at);
            check.check(&Chunk {
                original: &take(&all.original, &at, None)?,
                packed: &take(&all.packed, &at, None)?,
                rows: Some(&rows),
                ..*chunk
            })?;
        }
        Ok(())
    }

    /// One verdict for each leaf of floats, and one for the rest if there is any or it broke.
    pub(super) fn finish(self) -> Vec<ColumnVerdict> {
        let mut leaves: Vec<(String, LeafCheck)> = self.leaves.into_iter().collect();
        leaves.sort_by_key(|(_, leaf)| leaf.number);
        let mut verdicts: Vec<ColumnVerdict> = leaves
            .into_iter()
            .filter_map(|(_, leaf)| {
                let verdicts = leaf.checks.into_iter().map(ColumnCheck::finish);
                verdicts.reduce(ColumnVerdict::joined)
            })
            .collect();
        let rest = self.rest.finish();
        if self.has_rest || rest.violations > 0 {
            verdicts.push(rest);
        }
        verdicts
    }

    /// Columns by which rows in any order are matched: values, and lengths of lists, of both sides,
    /// with the bound of each.
    pub(super) fn keys(
        &self,
        original: &ArrayRef,
        stored: &ArrayRef,
        row_group: usize,
    ) -> Result<Vec<(ArrayRef, ArrayRef, f64)>, ArrowError> {
        let (original, stored) = same_type(&self.data_type, original, stored)?;
        let (mut a, mut b) = (Keys::default(), Keys::default());
        a.add(&self.name, &original, all_rows(&original), 0)?;
        b.add(&self.name, &stored, all_rows(&stored), 0)?;
        let pairs = a.0.into_iter().zip(b.0);
        let bounded = pairs.filter_map(|(a, b)| {
            let bound = match self
                .leaves
                .get(&a.name)
                .filter(|_| is_float(a.array.data_type()))
            {
                None => 0.0,
                Some(leaf) => {
                    let check = leaf.checks.get(a.position).or(leaf.checks.first())?;
                    // A fraction of each value is no distance.
                    check.is_absolute().then(|| check.stored_bound(row_group))?
                }
            };
            Some((a.array, b.array, bound))
        });
        Ok(bounded.collect())
    }
}

fn is_taken_apart(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Struct(_)
            | DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(_, _)
    )
}

/// Whether there is anything but floats that have a promise.
fn has_rest(name: &str, data_type: &DataType, leaves: &HashMap<String, LeafCheck>) -> bool {
    match data_type {
        DataType::Struct(fields) => fields.iter().any(|field| {
            has_rest(
                &format!("{name}.{}", field.name()),
                field.data_type(),
                leaves,
            )
        }),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            has_rest(name, item.data_type(), leaves)
        }
        _ => !leaves.contains_key(name),
    }
}

fn same_type(
    data_type: &DataType,
    original: &ArrayRef,
    packed: &ArrayRef,
) -> Result<(ArrayRef, ArrayRef), ArrowError> {
    if original.data_type() == packed.data_type() {
        return Ok((Arc::clone(original), Arc::clone(packed)));
    }
    let canonical = canonical(data_type);
    Ok((cast(original, &canonical)?, cast(packed, &canonical)?))
}

/// Lists of any of the three kinds.
struct Lists<'a> {
    array: &'a ArrayRef,
    items: &'a ArrayRef,
    /// The size of all.
    fixed: Option<u32>,
}

impl<'a> Lists<'a> {
    fn of(array: &'a ArrayRef) -> Self {
        let (items, fixed) = match array.data_type() {
            DataType::List(_) => (array.as_list::<i32>().values(), None),
            DataType::LargeList(_) => (array.as_list::<i64>().values(), None),
            _ => {
                let array = array.as_fixed_size_list();
                (array.values(), u32::try_from(array.value_length()).ok())
            }
        };
        Self {
            array,
            items,
            fixed,
        }
    }

    fn range(&self, i: usize) -> std::ops::Range<u64> {
        match self.array.data_type() {
            DataType::List(_) => {
                let offsets = self.array.as_list::<i32>().value_offsets();
                offsets[i] as u64..offsets[i + 1] as u64
            }
            DataType::LargeList(_) => {
                let offsets = self.array.as_list::<i64>().value_offsets();
                offsets[i] as u64..offsets[i + 1] as u64
            }
            _ => {
                let array = self.array.as_fixed_size_list();
                let size = array.value_length() as u64;
                let first = array.value_offset(0) as u64 + i as u64 * size;
                first..first + size
            }
        }
    }
}

/// Columns that rows are matched by.
#[derive(Default)]
struct Keys(Vec<Key>);

struct Key {
    name: String,
    position: usize,
    array: ArrayRef,
}

fn all_rows(array: &ArrayRef) -> Vec<Option<u64>> {
    (0..array.len() as u64).map(Some).collect()
}

impl Keys {
    /// `at` has for each row the index of an element, or None.
    fn add(
        &mut self,
        name: &str,
        array: &ArrayRef,
        at: Vec<Option<u64>>,
        position: usize,
    ) -> Result<(), ArrowError> {
        if self.0.len() >= MAX_KEYS {
            return Ok(());
        }
        if !is_taken_apart(array.data_type()) {
            let array = take(array, &UInt64Array::from(at), None)?;
            self.0.push(Key {
                name: name.to_string(),
                position,
                array,
            });
            return Ok(());
        }
        let valid = |at: Option<u64>| at.filter(|at| array.is_valid(*at as usize));
        let at: Vec<Option<u64>> = at.into_iter().map(valid).collect();
        if let DataType::Struct(fields) = array.data_type() {
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                self.add(
                    &format!("{name}.{}", field.name()),
                    column,
                    at.clone(),
                    position,
                )?;
            }
            return Ok(());
        }
        let lists = Lists::of(array);
        let range = |at: &Option<u64>| at.map(|at| lists.range(at as usize));
        let ranges: Vec<Option<std::ops::Range<u64>>> = at.iter().map(range).collect();
        let lengths = ranges.iter().map(|range| {
            let range = range.as_ref()?;
            Some((range.end - range.start) as i64)
        });
        self.0.push(Key {
            name: name.to_string(),
            position,
            array: Arc::new(Int64Array::from_iter(lengths)),
        });
        for k in 0..lists.fixed.unwrap_or(1).min(MAX_KEYS as u32) {
            let item = |range: &Option<std::ops::Range<u64>>| {
                let at = range.as_ref()?.start + u64::from(k);
                (at < range.as_ref()?.end).then_some(at)
            };
            let position = match lists.fixed {
                Some(size) => position * size as usize + k as usize,
                None => 0,
            };
            self.add(
                name,
                lists.items,
                ranges.iter().map(item).collect(),
                position,
            )?;
        }
        Ok(())
    }
}

impl ColumnCheck {
    /// Whether its bound is a distance.
    fn is_absolute(&self) -> bool {
        !matches!(self.bound(), Some(ErrorBound::PointwiseRel(_)))
    }
}
