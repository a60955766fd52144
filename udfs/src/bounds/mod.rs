//! What the original may have been: functions that know the error bound of a column.
//!
//! A scan of a packed or portable file carries each column's bound in its Arrow field
//! ([`ColumnBound`]), and projections pass it on; casts and computed columns
//! lose it, as nothing is promised of them. A function that needs a bound which is not known is an
//! error of planning, never a guess.
//!
//! All of it rests on one property: rounding to the nearest float is monotone. A lower bound that is
//! rounded so is still no larger than the original, which is a float, and sums of lower bounds are no
//! larger than the same sums of originals, rounded alike.

mod aggregates;
mod carried;
mod interval;
mod predicates;
mod values;

pub use aggregates::{avg_interval, count_interval, max_interval, min_interval, sum_interval};
pub use carried::{BOUNDED, CarryBounds, ColumnBound};
pub use predicates::{certainly, possibly};
pub use values::{error_bound, lower_bound, upper_bound, value_range};
