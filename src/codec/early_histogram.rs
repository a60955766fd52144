//! Descriptions of tables as they were written before format version 6: a number for each symbol.

use super::bits::{BitReader, Number};

/// What the numbers of one description have in common.
pub(super) struct Models([[Number; 2]; 4]);

impl Models {
    pub(super) const NEW: Models = Models([const { [Number::NEW; 2] }; 4]);

    /// The model of a code, by the code before it and the code of the same symbol in the table
    /// before.
    fn of(&mut self, before: u32, above: u32) -> &mut Number {
        let row = match before {
            0 => 0,
            1..=2 => 1,
            3..=8 => 2,
            _ => 3,
        };
        &mut self.0[row][usize::from(above > 0)]
    }
}

/// The codes of a table of `symbols`; `above` are those of the table before.
pub(super) fn read(
    symbols: usize,
    above: Option<&[u32]>,
    models: &mut Models,
    input: &mut BitReader<'_>,
) -> Vec<u32> {
    let mut before = 0;
    (0..symbols)
        .map(|symbol| {
            let above = above.map_or(0, |above| above.get(symbol).copied().unwrap_or(0));
            before = input.number(models.of(before, above));
            before
        })
        .collect()
}
