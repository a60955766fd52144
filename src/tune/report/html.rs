//! The report that a person reads: one file, no scripts, nothing from the network.

use std::path::Path;

use minijinja::{AutoEscape, Environment, context};

use super::super::error::{Result, TuneError};
use super::super::noise::{Baseline, Loss};
use super::write::CONFIG;
use super::{Report, plot};

const TEMPLATE: &str = include_str!("report.html");

impl Report {
    /// The page. `table` and `folder` are named in the command to apply the configuration.
    ///
    /// # Errors
    /// When a plot cannot be drawn: none is known of.
    pub fn to_html(&self, folder: &Path, table: &str) -> Result<String> {
        let failed = |error: minijinja::Error| TuneError::BadFile(format!("the report: {error:#}"));
        let mut page = Environment::new();
        page.set_auto_escape_callback(|_| AutoEscape::Html);
        page.add_filter("percent", |x: Option<f64>| {
            shown(x, |x| format!("{:.2} %", x * 100.0))
        });
        page.add_filter("ratio", |x: Option<f64>| shown(x, |x| format!("{x:.1}")));
        page.add_filter("figure", |x: Option<f64>| shown(x, figure));
        page.add_filter("count", |n: u64| count(n));
        page.add_template("report", TEMPLATE).map_err(failed)?;
        let columns = self.chosen.as_ref().map(|chosen| bars(&chosen.columns));
        let output = Path::new(table)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        let command = format!(
            "tolerant compress {} -o {} --config {}",
            quoted(table),
            quoted(&format!("{output}.tolerant.parquet")),
            quoted(&folder.join(CONFIG).display().to_string())
        );
        let values = context! {
            report => self,
            name => table,
            command => command,
            noise => [&self.validation, &self.test].map(Baseline::relative_spread),
            pareto => plot::pareto(self)?,
            distortion => plot::rate_distortion(self)?,
            columns => columns,
            failures => self.tried.iter().filter(|tried| tried.failure.is_some()).take(20).collect::<Vec<_>>(),
            uncertain => self.chosen.as_ref().and_then(|c| c.point.test).is_some_and(|loss: Loss| loss.within_noise),
        };
        let template = page.get_template("report").map_err(failed)?;
        template.render(values).map_err(failed)
    }
}

/// What a bar of sensitivity is as wide as, in percent of the widest.
fn bars(columns: &[super::ColumnFacts]) -> Vec<minijinja::Value> {
    let widest = |of: fn(&super::ColumnFacts) -> Option<f64>| {
        columns.iter().filter_map(of).fold(0.0, f64::max)
    };
    let missed = widest(|column| column.sensitivity);
    let told = widest(|column| column.information);
    let share = |x: Option<f64>, most: f64| match x {
        Some(x) if most > 0.0 => (x.max(0.0) / most * 100.0).round(),
        _ => 0.0,
    };
    columns
        .iter()
        .map(|column| {
            context! {
                facts => column,
                missed => share(column.sensitivity, missed),
                told => share(column.information, told),
            }
        })
        .collect()
}

fn shown(x: Option<f64>, how: impl Fn(f64) -> String) -> String {
    x.map_or_else(|| "–".to_owned(), how)
}

/// A number of four digits.
pub(super) fn figure(x: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    let digits = 3 - x.abs().log10().floor() as i32;
    if (-6..8).contains(&(3 - digits)) && digits >= 0 {
        format!("{x:.*}", digits as usize)
    } else {
        format!("{x:.3e}")
    }
}

fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// For a shell.
fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), |quoted| quoted.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(figure(0.12345), "0.1235");
        assert_eq!(figure(1234.5), "1234");
        assert_eq!(figure(1e-9), "1.000e-9");
        assert_eq!(figure(-12.0), "-12.00");
        assert_eq!(figure(0.0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(shown(None, figure), "–");
    }
}
