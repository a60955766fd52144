//! Runs every method on every input and bound, and answers questions about the results.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::{Cell, Result, Table};
use crate::machine::Machine;
use crate::measure::{Measurement, measure};
use crate::method::Method;
use crate::tolerant_variants::FAMILY;

/// Everything that was measured, as it is written to the JSON file.
#[derive(Debug, Serialize)]
pub struct Comparison {
    pub command: String,
    pub machine: Machine,
    /// Packages and their versions, from the lock file.
    pub versions: Vec<(String, String)>,
    pub inputs: Vec<Input>,
    pub measurements: Vec<Measurement>,
    pub failures: Vec<Failure>,
    /// Peers' results of an earlier run.
    #[serde(skip)]
    earlier: Vec<Measurement>,
}

/// What is read of an earlier run's JSON file.
#[derive(Deserialize)]
struct Earlier {
    measurements: Vec<Measurement>,
}

#[derive(Debug, Serialize)]
pub struct Input {
    pub name: String,
    pub rows: usize,
    pub columns: usize,
    pub synthetic: bool,
    pub bounds: Vec<f64>,
}

/// A method that gave an error instead of a result.
#[derive(Debug, Serialize)]
pub struct Failure {
    pub input: String,
    pub rel: f64,
    pub method: String,
    pub message: String,
}

impl Comparison {
    pub fn new(command: String) -> Self {
        Self {
            command,
            machine: Machine::here(),
            versions: crate::machine::versions(),
            inputs: Vec::new(),
            measurements: Vec::new(),
            failures: Vec::new(),
            earlier: Vec::new(),
        }
    }

    /// Takes peers' results from the JSON file of an earlier run where it has them.
    pub fn reuse(&mut self, path: &Path) -> Result<()> {
        let text = fs::read_to_string(path)?;
        let earlier: Earlier = serde_json::from_str(&text)?;
        self.earlier = earlier.measurements;
        self.earlier.retain(|m| m.family != FAMILY);
        Ok(())
    }

    /// Measures the methods on one table at each bound. Progress goes to standard error.
    pub fn add(
        &mut self,
        table: &Table,
        bounds: &[f64],
        synthetic: bool,
        methods: &[Method],
    ) -> Result<()> {
        self.inputs.push(Input {
            name: table.name.clone(),
            rows: table.rows(),
            columns: table.columns.len(),
            synthetic,
            bounds: bounds.to_vec(),
        });
        for &rel in bounds {
            let cell = Cell::new(table, rel)?;
            for method in methods {
                eprint!(
                    "\r\x1b[K{} {rel:.0e}: {} {}",
                    table.name, method.family, method.mode
                );
                std::io::stderr().flush()?;
                if !self.add_earlier(method, &cell) {
                    self.add_method(method, &cell);
                }
            }
        }
        eprint!("\r\x1b[K");
        Ok(())
    }

    /// Whether an earlier run measured the method on this cell.
    fn add_earlier(&mut self, method: &Method, cell: &Cell) -> bool {
        let tightened = format!("{} (bound x ", method.mode);
        let found = self.earlier.iter().filter(|m| {
            m.input == cell.table.name
                && m.raw_bytes == cell.table.raw_bytes()
                // JSON may give back a float's neighbour.
                && (m.rel / cell.rel - 1.0).abs() < 1e-12
                && m.family == method.family
                && (m.mode == method.mode || m.mode.starts_with(&tightened))
        });
        let before = self.measurements.len();
        self.measurements.extend(found.map(|m| Measurement {
            rel: cell.rel,
            ..m.clone()
        }));
        self.measurements.len() > before
    }

    fn add_method(&mut self, method: &Method, cell: &Cell) {
        if method.lossless
            && let Some(before) = self.measurements.iter().find(|m| {
                m.input == cell.table.name
                    && m.family == method.family
                    && m.mode == method.mode
                    && m.keeps_bound()
            })
        {
            let again = Measurement {
                rel: cell.rel,
                ..before.clone()
            };
            self.measurements.push(again);
            return;
        }
        match measure(method, cell) {
            Ok(measured) => self.measurements.extend(measured),
            Err(error) => self.failures.push(Failure {
                input: cell.table.name.clone(),
                rel: cell.rel,
                method: format!("{} {}", method.family, method.mode),
                message: error.to_string(),
            }),
        }
    }

    /// Inputs with each of their bounds.
    pub fn cells(&self, synthetic: bool) -> impl Iterator<Item = (&Input, f64)> {
        self.inputs
            .iter()
            .filter(move |input| input.synthetic == synthetic)
            .flat_map(|input| input.bounds.iter().map(move |&rel| (input, rel)))
    }

    pub fn of_cell(&self, input: &str, rel: f64) -> impl Iterator<Item = &Measurement> {
        self.measurements
            .iter()
            .filter(move |m| m.input == input && m.rel == rel)
    }

    /// The smallest result of a peer that keeps the bound.
    pub fn best_peer(&self, input: &str, rel: f64) -> Option<&Measurement> {
        smallest(self.of_cell(input, rel).filter(|m| m.family != FAMILY))
    }

    /// The smallest result of a family that keeps the bound.
    pub fn best_of(&self, input: &str, rel: f64, family: &str) -> Option<&Measurement> {
        smallest(self.of_cell(input, rel).filter(|m| m.family == family))
    }

    pub fn result(&self, input: &str, rel: f64, family: &str, mode: &str) -> Option<&Measurement> {
        self.of_cell(input, rel)
            .find(|m| m.family == family && m.mode == mode)
    }

    /// Of (variant / best peer) over all cells; none where the variant has no result in one, or
    /// breaks a bound.
    pub fn geometric_mean(&self, variant: &str, synthetic: bool) -> Option<f64> {
        let (mut logs, mut n) = (0.0, 0);
        for (input, rel) in self.cells(synthetic) {
            let ours = self.result(&input.name, rel, FAMILY, variant)?;
            if !ours.keeps_bound() {
                return None;
            }
            logs += (ours.ratio / self.best_peer(&input.name, rel)?.ratio).ln();
            n += 1;
        }
        (n > 0).then(|| (logs / f64::from(n)).exp())
    }
}

fn smallest<'a>(among: impl Iterator<Item = &'a Measurement>) -> Option<&'a Measurement> {
    among.filter(|m| m.keeps_bound()).min_by_key(|m| m.bytes)
}
