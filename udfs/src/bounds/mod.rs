//! What the original may have been: functions that know the error bound of a column.
//!
//! A scan of a packed or portable file carries each column's bound in its Arrow field
//! ([`ColumnBound`]). When a query is planned, a rule that [`CarryBounds::enable`] adds follows columns
//! back to their scans, through what passes values on row by row; casts, computed columns and values
//! that other rows lend (`lag`, `first_value`) have no bound, as nothing is promised of them. A function
//! that needs a bound which is not known is an error of planning, never a guess.
//!
//! All of it rests on one property: rounding to the nearest float is monotone. A lower bound that is
//! rounded so is still no larger than the original, which is a float, and sums of lower bounds are no
//! larger than the same sums of originals, rounded alike.

mod aggregates;
mod carried;
mod interval;
mod marked;
mod origin;
mod predicates;
mod values;

pub use aggregates::{avg_interval, count_interval, max_interval, min_interval, sum_interval};
pub use carried::{BOUNDED, CarryBounds, ColumnBound};
pub use predicates::{certainly, possibly};
pub use values::{error_bound, lower_bound, upper_bound, value_range};
