//! States of aggregates that are numbers only: one Float64 array a part, one row a state.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::Float64Type;

/// The states that are to be merged, part by part as `Accumulator::state` gave them.
pub(crate) fn rows<const PARTS: usize>(states: &[ArrayRef]) -> impl Iterator<Item = [f64; PARTS]> {
    let rows = states.first().map_or(0, |part| part.len());
    (0..rows).map(move |row| {
        let mut state = [0.0; PARTS];
        for (number, part) in state.iter_mut().zip(states) {
            *number = part.as_primitive::<Float64Type>().value(row);
        }
        state
    })
}
