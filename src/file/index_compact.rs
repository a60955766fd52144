//! What version 3 of the block index says more briefly: the largest error as a part of the bound,
//! and smallest and largest values as points of their block's grid.

use crate::codec::Grid;

use super::error::Result;
use super::index::{Block, BlockGrid, PackedColumn};
use super::index_arrays::{Arrays, Input, cut};

/// Parts of the bound that errors are told in.
const PARTS: f64 = 255.0;

/// Whether the largest error of a column is told as a part of its bound.
pub(super) fn has_relative_error(column: &PackedColumn) -> bool {
    largest_bound(column) > 0.0
}

fn largest_bound(column: &PackedColumn) -> f64 {
    column
        .abs_bounds
        .iter()
        .fold(0.0, |max, b| f64::max(max, *b))
}

/// The largest error that `part` stands for.
fn error_of(part: usize, bound: f64) -> f64 {
    if part as f64 >= PARTS {
        bound
    } else {
        bound * (part as f64 / PARTS)
    }
}

/// The part of `bound` that `error` is, rounded up.
fn part_of(error: f64, bound: f64) -> usize {
    let about = (error / bound * PARTS).floor() as usize;
    (about..PARTS as usize)
        .find(|part| error_of(*part, bound) >= error)
        .unwrap_or(PARTS as usize)
}

/// The quanta of a block's smallest and largest value, if both lie on its grid, and not too far from
/// where they are expected for a varint of 63 bits.
pub(super) fn quanta(column: &PackedColumn, block: &Block) -> Option<(Grid, [i64; 2])> {
    let (min, max) = block.min_max?;
    let grid = block.grid?.grid()?;
    let quantum = |bits: u64| {
        let quantum = grid.nearest(column.element.float_of(bits)?);
        (grid.bits(column.element, quantum) == Some(bits)).then_some(quantum)
    };
    let quanta = [quantum(min)?, quantum(max)?];
    let near = |(quantum, expected): (i64, i64)| {
        let difference = quantum.checked_sub(expected);
        difference.is_some_and(|difference| difference.unsigned_abs() < 1 << 61)
    };
    let expected = expected(column, grid);
    quanta
        .into_iter()
        .zip(expected)
        .all(near)
        .then_some((grid, quanta))
}

/// Where the smallest and the largest value of a block may be expected.
fn expected(column: &PackedColumn, grid: Grid) -> [i64; 2] {
    [column.range.min, column.range.max].map(|x| grid.nearest(x))
}

/// The step that the grids of row group `i` are nearly as wide as, most of them.
fn usual_step(column: &PackedColumn, i: usize) -> u32 {
    Grid::widest_step(column.abs_bound(i))
}

/// Errors of all columns that have a bound, then statistics of all blocks that lie on a grid.
pub(super) fn encode(packed: &[&PackedColumn], out: &mut Arrays) {
    let relative = packed.iter().filter(|column| has_relative_error(column));
    out.varints(relative.map(|column| part_of(column.max_error, largest_bound(column))));
    let mut arrays = [const { Vec::new() }; 4];
    for column in packed {
        for (i, blocks) in column.row_groups.iter().enumerate() {
            for (grid, quanta) in blocks.iter().filter_map(|block| quanta(column, block)) {
                let (step, phase) = grid.to_parts();
                let expected = expected(column, grid);
                let step = i64::from(usual_step(column, i)) - i64::from(step);
                arrays[0].push(zigzag(step));
                arrays[1].push(u64::from(phase));
                arrays[2].push(zigzag(quanta[0].wrapping_sub(expected[0])));
                arrays[3].push(zigzag(quanta[1].wrapping_sub(expected[1])));
            }
        }
    }
    for array in arrays {
        out.numbers(array);
    }
}

/// Puts in what [`encode`] told; blocks that it told of have a grid.
pub(super) fn decode(input: &mut Input<'_>, packed: &mut [PackedColumn]) -> Result<()> {
    let relative = packed.iter().filter(|column| has_relative_error(column));
    let mut parts = input.varints(relative.count())?.into_iter();
    let blocks = packed.iter().flat_map(PackedColumn::blocks);
    let count = blocks.filter(|block| block.grid.is_some()).count();
    let mut arrays = [const { Vec::new() }; 4];
    for array in &mut arrays {
        *array = input.numbers(count)?;
    }
    let [steps, phases, mins, maxs] = arrays;
    let mut next = 0;
    for column in packed {
        if has_relative_error(column) {
            column.max_error = error_of(parts.next().unwrap_or(0), largest_bound(column));
        }
        for i in 0..column.row_groups.len() {
            let usual = usual_step(column, i);
            for at in 0..column.row_groups[i].len() {
                if column.row_groups[i][at].grid.is_none() {
                    continue;
                }
                let step = i64::from(usual).wrapping_sub(unzigzag(steps[next]));
                let grid = BlockGrid {
                    step: u32::try_from(step).map_err(|_| cut())?,
                    phase: u8::try_from(phases[next]).map_err(|_| cut())?,
                };
                let known = grid.grid().ok_or_else(cut)?;
                let expected = expected(column, known);
                let value = |difference: u64, expected: i64| {
                    let quantum = expected.wrapping_add(unzigzag(difference));
                    known.bits(column.element, quantum).ok_or_else(cut)
                };
                let min_max = (
                    value(mins[next], expected[0])?,
                    value(maxs[next], expected[1])?,
                );
                let block = &mut column.row_groups[i][at];
                block.grid = Some(grid);
                block.min_max = Some(min_max);
                next += 1;
            }
        }
    }
    Ok(())
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
