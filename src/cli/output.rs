//! Standard output and the tables, numbers and names on it.

use std::io::{self, Write};

use crate::tools::{Result, ToolError};

/// Columns of a table that people get to see; JSON has them all.
pub const SHOWN_COLUMNS: usize = 40;

/// Writes to standard output. A reader that has gone away (`| head`) has seen enough: no error.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(()),
    }
}

/// The error of writing to standard output.
pub fn failed(source: io::Error) -> ToolError {
    ToolError::Io {
        what: "cannot write to standard output".to_string(),
        source,
    }
}

/// One JSON document on one line.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(|error| {
        ToolError::invalid(format!("cannot express the report as JSON: {error}"))
    })?;
    print(&(text + "\n"))
}

/// A table in plain text: the first `left` columns aligned left, the others right.
pub struct Table {
    left: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(left: usize, header: &[&str]) -> Self {
        Self {
            left,
            rows: vec![header.iter().map(ToString::to_string).collect()],
        }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| {
                    if column < self.left {
                        format!("{cell:<width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                });
            text += cells.collect::<Vec<_>>().join("  ").trim_end();
            text.push('\n');
        }
        text
    }
}

/// "... and 12 more columns" after a table that shows the first ones only.
pub fn and_more(columns: usize) -> String {
    match columns.saturating_sub(SHOWN_COLUMNS) {
        0 => String::new(),
        more => format!(
            "... and {} more columns; --json has them all\n",
            count(more as u64)
        ),
    }
}

/// A name from a file as one line of plain text, cut if it is very long.
pub fn name(name: &str) -> String {
    const LONGEST: usize = 40;
    let plain: String = name.chars().flat_map(plain).collect();
    if plain.chars().count() > LONGEST {
        plain.chars().take(LONGEST - 1).chain(['…']).collect()
    } else {
        plain
    }
}

/// A message as one line of plain text.
pub fn one_line(message: &str) -> String {
    let lines: Vec<&str> = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(" ").chars().flat_map(plain).collect()
}

/// Control characters, which could steer a terminal, escaped.
fn plain(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let kept = escaped.is_none().then_some(c);
    escaped.into_iter().flatten().chain(kept)
}

/// With thousands separators: 1,234,567.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Four significant digits, without an exponent where that is readable.
pub fn number(x: f64) -> String {
    if x == 0.0 {
        return "0".to_string();
    }
    let magnitude = x.abs();
    if !(1e-4..1e7).contains(&magnitude) {
        return format!("{x:.3e}");
    }
    let decimals = (3 - magnitude.log10().floor() as i32).max(0) as usize;
    let text = format!("{x:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    } else {
        text
    }
}

/// 3.45 kB, in powers of 1000.
pub fn bytes(n: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut size = n as f64;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < units.len() {
        size /= 1000.0;
        unit += 1;
    }
    match (unit, size) {
        (0, _) => format!("{n} B"),
        (_, size) if size < 9.995 => format!("{size:.2} {}", units[unit]),
        (_, size) if size < 99.95 => format!("{size:.1} {}", units[unit]),
        (_, size) => format!("{size:.0} {}", units[unit]),
    }
}

/// How many times smaller; "-" where there is nothing to compare.
pub fn ratio(before: u64, after: u64) -> String {
    if before == 0 || after == 0 {
        return "-".to_string();
    }
    let ratio = before as f64 / after as f64;
    if ratio < 99.95 {
        format!("{ratio:.2}")
    } else {
        format!("{ratio:.0}")
    }
}

/// Bits of the file for each of `values`; "-" if there is none.
pub fn bits_per_value(bytes: u64, values: u64) -> String {
    if values == 0 {
        "-".to_string()
    } else {
        format!("{:.2}", bytes as f64 * 8.0 / values as f64)
    }
}
