//! Arrays to levels and values: what Parquet's pages hold, of one leaf and one run of rows
//! (Melnik et al., "Dremel: Interactive Analysis of Web-Scale Datasets", VLDB 2010).

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field};

use super::leaf::{Leaf, MAX_BLOCK_LEVELS, Step};
use crate::file::error::{FileError, Result};

/// The levels of a run of rows, and the values that are there.
pub(super) struct Shredded {
    pub(super) rep: Vec<u8>,
    pub(super) def: Vec<u8>,
    /// Without nulls.
    pub(super) values: ArrayRef,
}

/// No value, and nothing to look for below.
const NOTHING: u64 = u64::MAX;

/// One entry for each value, null and empty list, as far down as the walk has come.
struct Slots {
    rep: Vec<u8>,
    def: Vec<u8>,
    /// Indices into the array that the walk has come to, or [`NOTHING`].
    at: Vec<u64>,
}

impl Slots {
    /// Nulls end here; all else goes one level down.
    fn nullable(&mut self, nulls: Option<&NullBuffer>) {
        for (def, at) in self.def.iter_mut().zip(&mut self.at) {
            if *at == NOTHING {
                continue;
            }
            match nulls {
                Some(nulls) if nulls.is_null(*at as usize) => *at = NOTHING,
                _ => *def += 1,
            }
        }
    }

    /// The items of lists, each of which is at `items(i)` in the items' array; `depth` is the
    /// repetition level of a list's further items.
    fn items(&mut self, depth: u8, items: impl Fn(usize) -> (u64, u64)) {
        let mut out = Slots {
            rep: Vec::with_capacity(self.rep.len()),
            def: Vec::with_capacity(self.rep.len()),
            at: Vec::with_capacity(self.rep.len()),
        };
        for ((rep, def), at) in self.rep.iter().zip(&self.def).zip(&self.at) {
            let (start, end) = match *at {
                NOTHING => (0, 0),
                at => items(at as usize),
            };
            if start >= end {
                out.rep.push(*rep);
                out.def.push(*def);
                out.at.push(NOTHING);
                continue;
            }
            let len = (end - start) as usize;
            out.rep.push(*rep);
            out.rep.extend(std::iter::repeat_n(depth, len - 1));
            out.def.extend(std::iter::repeat_n(def + 1, len));
            out.at.extend(start..end);
        }
        *self = out;
    }
}

/// Shreds `rows` of a column's array for one leaf.
pub(super) fn shred(
    field: &Field,
    array: &ArrayRef,
    leaf: &Leaf,
    rows: std::ops::Range<usize>,
) -> Result<Shredded> {
    let mut slots = Slots {
        rep: vec![0; rows.len()],
        def: vec![0; rows.len()],
        at: (rows.start as u64..rows.end as u64).collect(),
    };
    let (mut field, mut array) = (field, ArrayRef::clone(array));
    let mut depth = 0;
    for step in leaf.steps.iter().copied() {
        if field.is_nullable() {
            slots.nullable(array.nulls());
        }
        depth += u8::from(step == Step::Item);
        (field, array) = match (step, field.data_type()) {
            (Step::Field(i), DataType::Struct(fields)) => (
                fields[i].as_ref(),
                ArrayRef::clone(array.as_struct().column(i)),
            ),
            (Step::Item, DataType::List(item)) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                slots.items(depth, |i| (offsets[i] as u64, offsets[i + 1] as u64));
                (item.as_ref(), ArrayRef::clone(list.values()))
            }
            (Step::Item, DataType::LargeList(item)) => {
                let list = array.as_list::<i64>();
                let offsets = list.value_offsets();
                slots.items(depth, |i| (offsets[i] as u64, offsets[i + 1] as u64));
                (item.as_ref(), ArrayRef::clone(list.values()))
            }
            (Step::Item, DataType::FixedSizeList(item, size)) => {
                let list = array.as_fixed_size_list();
                let size = *size as u64;
                let first = list.value_offset(0) as u64;
                slots.items(depth, |i| {
                    let start = first + i as u64 * size;
                    (start, start + size)
                });
                (item.as_ref(), ArrayRef::clone(list.values()))
            }
            _ => {
                return Err(FileError::invalid(
                    "an array of another type than its field",
                ));
            }
        };
    }
    if field.is_nullable() {
        slots.nullable(array.nulls());
    }
    Ok(Shredded {
        values: taken(&array, slots.at)?,
        rep: slots.rep,
        def: slots.def,
    })
}

/// The values at these indices but for [`NOTHING`]; a slice where they lie together.
fn taken(array: &ArrayRef, at: Vec<u64>) -> Result<ArrayRef> {
    let at: Vec<u64> = at.into_iter().filter(|at| *at != NOTHING).collect();
    let (Some(first), Some(last)) = (at.first(), at.last()) else {
        return Ok(array.slice(0, 0));
    };
    // They ascend.
    if last - first + 1 == at.len() as u64 && array.null_count() == 0 {
        return Ok(array.slice(*first as usize, at.len()));
    }
    Ok(take(array, &UInt64Array::from(at), None)?)
}

/// Rows that a block from `start` on may have without more than `levels` levels, at least 1 and at
/// most `rows`.
pub(super) fn block_rows(
    field: &Field,
    array: &ArrayRef,
    leaf: &Leaf,
    start: usize,
    rows: usize,
    levels: usize,
) -> Result<usize> {
    let most = |rows: usize| levels_at_most(field, array, leaf, start..start + rows);
    if most(rows) <= levels {
        return Ok(rows);
    }
    let (mut fits, mut exceeds) = (1, rows.max(2));
    while exceeds - fits > 1 {
        let middle = fits + (exceeds - fits) / 2;
        if most(middle) <= levels {
            fits = middle;
        } else {
            exceeds = middle;
        }
    }
    let least = most(fits);
    if least > MAX_BLOCK_LEVELS {
        return Err(FileError::invalid(format!(
            "column {:?}: a row of {least} values; a row may have up to {MAX_BLOCK_LEVELS}",
            leaf.name()
        )));
    }
    Ok(fits)
}

/// No fewer than the levels of these rows; more where lists that are null have items.
fn levels_at_most(
    field: &Field,
    array: &ArrayRef,
    leaf: &Leaf,
    rows: std::ops::Range<usize>,
) -> usize {
    let (mut field, mut array) = (field, ArrayRef::clone(array));
    let (mut start, mut end) = (rows.start, rows.end);
    // Those that end above the leaf: a null or an empty list each.
    let mut ended = 0;
    for step in leaf.steps.iter().copied() {
        (field, array) = match (step, field.data_type()) {
            (Step::Field(i), DataType::Struct(fields)) => (
                fields[i].as_ref(),
                ArrayRef::clone(array.as_struct().column(i)),
            ),
            (Step::Item, DataType::List(item)) => {
                let list = array.as_list::<i32>();
                ended += end - start;
                let offsets = list.value_offsets();
                (start, end) = (offsets[start] as usize, offsets[end] as usize);
                (item.as_ref(), ArrayRef::clone(list.values()))
            }
            (Step::Item, DataType::LargeList(item)) => {
                let list = array.as_list::<i64>();
                ended += end - start;
                let offsets = list.value_offsets();
                (start, end) = (offsets[start] as usize, offsets[end] as usize);
                (item.as_ref(), ArrayRef::clone(list.values()))
            }
            (Step::Item, DataType::FixedSizeList(item, size)) => {
                let list = array.as_fixed_size_list();
                let first = list.value_offset(0) as usize;
                let size = *size as usize;
                (start, end) = (first + start * size, first + end * size);
                (item.as_ref(), ArrayRef::clone(list.values()))
            }
            _ => return usize::MAX,
        };
    }
    ended.saturating_add(end - start)
}
