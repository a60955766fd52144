//! Which columns may refer to which: acyclic, and shallow in the sense that a column has few
//! ancestors, for a reader of one column decodes all of them.

/// References among columns.
pub(super) struct Graph {
    parents: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
    most_ancestors: usize,
}

impl Graph {
    pub(super) fn new(columns: usize, most_ancestors: usize) -> Self {
        Self {
            parents: vec![Vec::new(); columns],
            children: vec![Vec::new(); columns],
            most_ancestors,
        }
    }

    pub(super) fn columns(&self) -> usize {
        self.parents.len()
    }

    pub(super) fn parents(&self, column: usize) -> &[usize] {
        &self.parents[column]
    }

    pub(super) fn set_parents(&mut self, column: usize, parents: &[usize]) {
        for parent in std::mem::take(&mut self.parents[column]) {
            self.children[parent].retain(|child| *child != column);
        }
        for &parent in parents {
            self.parents[column].push(parent);
            self.children[parent].push(column);
        }
    }

    /// Columns that a reader of one with `parents` decodes besides it.
    pub(super) fn ancestors(&self, parents: &[usize]) -> Vec<usize> {
        let mut ancestors = Vec::new();
        for &parent in parents {
            self.ancestors_into(parent, &mut ancestors);
        }
        ancestors
    }

    /// Whether `column` may refer to `parents` instead of to those that it refers to now.
    pub(super) fn allows(&self, column: usize, parents: &[usize]) -> bool {
        let ancestors = self.ancestors(parents);
        if ancestors.len() > self.most_ancestors || ancestors.contains(&column) {
            return false;
        }
        // What comes above the column comes above all below it.
        let mut below = vec![column];
        let mut at = 0;
        while at < below.len() {
            for &child in &self.children[below[at]] {
                if below.contains(&child) {
                    continue;
                }
                below.push(child);
                let mut all = ancestors.clone();
                self.ancestors_into(child, &mut all);
                // `all` counts the child itself, and the parents that the column has now.
                if all.len() > self.most_ancestors + 1 {
                    return false;
                }
            }
            at += 1;
        }
        true
    }

    /// Adds `column` and all that it refers to, directly or not.
    fn ancestors_into(&self, column: usize, all: &mut Vec<usize>) {
        if all.contains(&column) {
            return;
        }
        all.push(column);
        for &parent in &self.parents[column] {
            self.ancestors_into(parent, all);
        }
    }
}
