//! What a writer checks of what is asked of vectors.

use arrow::datatypes::SchemaRef;

use crate::codec::ErrorBound;

use super::leaves;
use crate::file::error::{FileError, Result};
use crate::file::options::{FileLayout, WriterOptions};

/// Whether dimensions can have ranges of their own, if they are to.
pub(in crate::file) fn check_vectors(
    schema: &SchemaRef,
    options: &WriterOptions,
    layout: FileLayout,
) -> Result<()> {
    if !options.is_by_dimension() {
        return Ok(());
    }
    if layout == FileLayout::Portable {
        return Err(FileError::invalid(
            "the portable layout keeps vectors exactly; a range for each dimension needs the packed \
             layout",
        ));
    }
    let mut vectors = 0;
    let columns = schema.fields().iter().filter_map(|field| leaves(field));
    for leaf in columns.flatten().filter(|leaf| leaf.element.is_some()) {
        let dimensions = leaf.dimensions();
        if dimensions < 2 {
            continue;
        }
        vectors += 1;
        let bound = options.bound_of_leaf(&leaf, schema);
        if let bound @ ErrorBound::Psnr(_) = bound.unwrap_or(options.default_bound()) {
            return Err(FileError::invalid(format!(
                "column {:?}: {bound} is a mean over all values and takes no range for each \
                 dimension; give it another bound, or one range over all",
                leaf.name()
            )));
        }
        let declared = options.dimension_ranges_of(&leaf, schema);
        if let Some(other) = declared.map(<[_]>::len).filter(|n| *n != dimensions) {
            return Err(FileError::invalid(format!(
                "column {:?} has {dimensions} dimensions, and ranges of {other}",
                leaf.name()
            )));
        }
    }
    if vectors == 0 {
        return Err(FileError::invalid(
            "a range for each dimension needs a column of lists of fixed size (FixedSizeList), and \
             there is none: lists of varying size have no dimensions; cast them, or take one range \
             over all",
        ));
    }
    Ok(())
}
