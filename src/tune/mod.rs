//! How much error a model bears: models, and the methods of reduction that are compared.

mod error;
mod frame;
mod method;
pub mod models;

pub use error::{Result, TuneError};
pub use frame::Frame;
pub use method::{Family, Reduced, Reduction, Setting, Task};
