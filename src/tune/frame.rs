//! Tables as models take them.

/// A table as models take it: by columns, NaN where a value is missing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    /// Of the columns.
    pub names: Vec<String>,
    /// The features: of equal lengths.
    pub columns: Vec<Vec<f64>>,
    /// What is to be predicted, of the same length: numbers, or of classes their positions from 0. Empty
    /// for clustering without labels.
    pub target: Vec<f64>,
}

impl Frame {
    /// Rows.
    pub fn len(&self) -> usize {
        self.columns
            .first()
            .map_or(self.target.len(), |column| column.len())
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows at these positions, in this order.
    pub fn take(&self, rows: &[usize]) -> Self {
        let take = |values: &Vec<f64>| -> Vec<f64> {
            let rows = rows.iter().filter_map(|row| values.get(*row));
            rows.copied().collect()
        };
        Self {
            names: self.names.clone(),
            columns: self.columns.iter().map(take).collect(),
            target: take(&self.target),
        }
    }
}
