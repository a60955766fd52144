//! SZ3 (PyPI: pysz) on the columns of a table, by `benches/sz3.py`.

use std::error::Error;
use std::io::Write as _;
use std::process::Command;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Float32Type;

/// What one of SZ3's algorithms makes of a table.
pub struct Mode {
    pub name: String,
    pub bytes: f64,
    /// The least of all rounds.
    pub encode_seconds: f64,
    pub decode_seconds: f64,
}

/// All algorithms on float32 columns, with an absolute bound for each column. Says why where there are none.
pub fn modes(
    table: &RecordBatch,
    bounds: &[f64],
    rounds: usize,
) -> Result<Vec<Mode>, Box<dyn Error>> {
    let Ok(python) = std::env::var("TOLERANT_PYTHON") else {
        println!("SZ3: not measured; set TOLERANT_PYTHON to a Python that has numpy and pysz");
        return Ok(Vec::new());
    };
    let mut file = tempfile::NamedTempFile::new()?;
    for column in table.columns() {
        let values = column.as_primitive::<Float32Type>().values();
        file.write_all(values.inner().as_slice())?;
    }
    file.flush()?;
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/sz3.py"))
        .arg(file.path())
        .args([rounds, table.num_columns()].map(|number| number.to_string()))
        .args(bounds.iter().map(f64::to_string))
        .output()?;
    if !output.status.success() {
        println!("SZ3: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let mut modes = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        if let [name, bytes, encode, decode] = line.split(' ').collect::<Vec<_>>()[..] {
            modes.push(Mode {
                name: name.to_owned(),
                bytes: bytes.parse()?,
                encode_seconds: encode.parse()?,
                decode_seconds: decode.parse()?,
            });
        }
    }
    Ok(modes)
}
