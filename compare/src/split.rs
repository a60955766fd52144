//! Turns a table into the arrays that a peer codes, and back.

use crate::data::{Cell, Result};
use crate::method::{Array, Layout};

/// Columns that a peer codes, and those that it is spared: their bound is 0, because they are
/// constant or hold nothing finite.
pub struct Split {
    lossy: Vec<usize>,
    exact: Vec<usize>,
}

impl Split {
    pub fn new(cell: &Cell, lossless: bool) -> Self {
        let all = 0..cell.table.columns.len();
        let (lossy, exact) = all.partition(|&i| lossless || cell.bounds[i] > 0.0);
        Self { lossy, exact }
    }

    /// 4 bytes for a constant column, pco for another.
    pub fn exact_bytes(&self, cell: &Cell) -> Result<usize> {
        let mut bytes = 0;
        for column in self.exact.iter().map(|&i| &cell.table.columns[i]) {
            let first = column.values[0].to_bits();
            bytes += if column.values.iter().all(|x| x.to_bits() == first) {
                size_of::<f32>()
            } else {
                pco::standalone::simple_compress(&column.values, &pco::ChunkConfig::default())?
                    .len()
            };
        }
        Ok(bytes)
    }

    /// The columns as a peer takes them, with `factor` times their bound.
    pub fn arrays(&self, cell: &Cell, layout: Layout, factor: f64) -> Vec<Array> {
        let (rows, width) = (cell.table.rows(), self.lossy.len());
        match layout {
            Layout::Columns(tune) => self
                .lossy
                .iter()
                .map(|&i| {
                    let values = cell.table.columns[i].values.clone();
                    Array {
                        parameter: tune(&values, cell.bounds[i] * factor),
                        values,
                        shape: vec![rows],
                    }
                })
                .collect(),
            Layout::Matrix { transposed, offset } => {
                let mut values = vec![0.0; rows * width];
                for (j, &i) in self.lossy.iter().enumerate() {
                    let (bound, min) = scale(cell, i, offset);
                    for (row, &x) in cell.table.columns[i].values.iter().enumerate() {
                        let at = place(row, j, rows, width, transposed);
                        values[at] = ((f64::from(x) - min) / bound) as f32;
                    }
                }
                let shape = match transposed {
                    true => vec![width, rows],
                    false => vec![rows, width],
                };
                vec![Array {
                    values,
                    shape,
                    parameter: factor,
                }]
            }
        }
    }

    /// All columns of the table, from what `arrays` were decoded to.
    pub fn columns(
        &self,
        cell: &Cell,
        layout: Layout,
        decoded: Vec<Vec<f32>>,
    ) -> Result<Vec<Vec<f32>>> {
        let (rows, width) = (cell.table.rows(), self.lossy.len());
        let Layout::Matrix { transposed, offset } = layout else {
            return Ok(self.merge(cell, decoded));
        };
        let matrix = decoded
            .first()
            .filter(|values| values.len() == rows * width);
        let matrix = matrix.ok_or("not as many values came back as were coded")?;
        let columns = self.lossy.iter().enumerate().map(|(j, &i)| {
            let (bound, min) = scale(cell, i, offset);
            let value = |row| {
                let at = place(row, j, rows, width, transposed);
                (f64::from(matrix[at]) * bound + min) as f32
            };
            (0..rows).map(value).collect()
        });
        Ok(self.merge(cell, columns.collect()))
    }

    /// All columns of the table, in its order.
    fn merge(&self, cell: &Cell, lossy: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        let mut lossy = self.lossy.iter().zip(lossy).peekable();
        let columns = cell.table.columns.iter().enumerate();
        columns
            .map(|(i, column)| match lossy.next_if(|(at, _)| **at == i) {
                Some((_, decoded)) => decoded,
                None => column.values.clone(),
            })
            .collect()
    }
}

/// What a column is divided by, after what is subtracted from it.
fn scale(cell: &Cell, column: usize, offset: bool) -> (f64, f64) {
    let min = if offset { cell.ranges[column].min } else { 0.0 };
    (cell.bounds[column], min)
}

/// Where a value lies in a row-major matrix.
fn place(row: usize, column: usize, rows: usize, width: usize, transposed: bool) -> usize {
    if transposed {
        column * rows + row
    } else {
        row * width + column
    }
}
