//! The tables of the benchmark, in pieces, so that tables of any size can be written.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::Result;

const STORES: i32 = 1000;
/// Rows made at a time, and rows of a row group.
const PIECE: usize = 1 << 20;

/// Writes both tables, lossless and packed; their bytes, of the packed ones first.
pub async fn write_both(folder: &Path, rows: usize, rel: f64, effort: &str) -> Result<[u64; 2]> {
    let (packed, lossless) = (folder.join("packed"), folder.join("lossless"));
    fs::create_dir_all(&packed)?;
    fs::create_dir_all(&lossless)?;
    write(&lossless.join("sales.parquet"), Sales::new(rows))?;
    write(
        &lossless.join("stores.parquet"),
        [stores()?].into_iter().map(Ok),
    )?;
    let context = tolerant::datafusion::session_context();
    let mut sizes = [0, 0];
    for table in ["sales.parquet", "stores.parquet"] {
        let (from, to) = (lossless.join(table), packed.join(table));
        let sql = format!(
            "COPY (SELECT * FROM '{}') TO '{}' STORED AS TOLERANT \
             OPTIONS (bound 'rel:{rel:e}', effort '{effort}')",
            from.display(),
            to.display()
        );
        context.sql(&sql).await?.collect().await?;
        sizes[0] += fs::metadata(&to)?.len();
        sizes[1] += fs::metadata(&from)?.len();
    }
    Ok(sizes)
}

/// Writes lossless ZSTD Parquet.
pub fn write(path: &Path, batches: impl Iterator<Item = Result<RecordBatch>>) -> Result<()> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(PIECE))
        .build();
    let mut batches = batches.peekable();
    let Some(Ok(first)) = batches.peek() else {
        return Err("no rows".into());
    };
    let mut writer = ArrowWriter::try_new(File::create(path)?, first.schema(), Some(properties))?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(())
}

fn stores() -> Result<RecordBatch> {
    let mut rng = StdRng::seed_from_u64(7);
    let area = |_| rng.random_range(50.0..2000.0);
    let columns: [(&str, ArrayRef); 3] = [
        ("store", Arc::new(Int32Array::from_iter_values(0..STORES))),
        (
            "region",
            Arc::new(Int32Array::from_iter_values((0..STORES).map(|i| i % 12))),
        ),
        (
            "area",
            Arc::new(Float32Array::from_iter_values((0..STORES).map(area))),
        ),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// The large table: sales in the order of time, with what sensors of the stores said. Prices have cents,
/// discounts are whole percents, and sensors give as many digits as sensors give, but for `load`, `x` and `y`.
pub struct Sales {
    rng: StdRng,
    rows: usize,
    done: usize,
    /// Of the weather, and of the pressure.
    walks: [f64; 2],
}

impl Sales {
    pub fn new(rows: usize) -> Self {
        Self {
            rng: StdRng::seed_from_u64(1),
            rows,
            done: 0,
            walks: [0.0; 2],
        }
    }

    fn normal(&mut self) -> f64 {
        let (u, v): (f64, f64) = (1.0 - self.rng.random::<f64>(), self.rng.random());
        (-2.0 * u.ln()).sqrt() * (v * std::f64::consts::TAU).cos()
    }

    fn row(&mut self, i: usize) -> Row {
        let store = self.rng.random_range(0..STORES);
        for walk in 0..self.walks.len() {
            self.walks[walk] = 0.9999 * self.walks[walk] + 0.02 * self.normal();
        }
        let [weather, pressure] = self.walks;
        let day = (i as f64 / self.rows as f64 * 2500.0) as i32;
        let season = (f64::from(day) / 365.25 * std::f64::consts::TAU).sin();
        let temperature = 12.0 + 10.0 * season + 3.0 * weather + 0.5 * self.normal();
        let cents = (900.0 * (1.1 * self.normal()).exp()).round() + 1.0;
        let angle = f64::from(store) * 0.0063;
        Row {
            sale: i as i64,
            store,
            day,
            quantity: self.rng.random_range(1..=50) as f32,
            price: cents / 100.0,
            discount: f64::from(self.rng.random_range(0..=10)) / 100.0,
            temperature: ((temperature * 100.0).round() / 100.0) as f32,
            pressure: (((1013.0 + 6.0 * pressure) * 10.0).round() / 10.0) as f32,
            load: (1.0 / (1.0 + (-season - self.normal()).exp())) as f32,
            x: (100.0 * angle.cos() + self.normal()) as f32,
            y: (100.0 * angle.sin() + self.normal()) as f32,
        }
    }
}

struct Row {
    sale: i64,
    store: i32,
    day: i32,
    quantity: f32,
    price: f64,
    discount: f64,
    temperature: f32,
    pressure: f32,
    load: f32,
    x: f32,
    y: f32,
}

impl Iterator for Sales {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.rows.min(self.done + PIECE);
        let rows: Vec<Row> = (self.done..end).map(|i| self.row(i)).collect();
        self.done = end;
        if rows.is_empty() {
            return None;
        }
        fn f32s(rows: &[Row], of: fn(&Row) -> f32) -> ArrayRef {
            Arc::new(Float32Array::from_iter_values(rows.iter().map(of)))
        }
        fn f64s(rows: &[Row], of: fn(&Row) -> f64) -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(rows.iter().map(of)))
        }
        fn i32s(rows: &[Row], of: fn(&Row) -> i32) -> ArrayRef {
            Arc::new(Int32Array::from_iter_values(rows.iter().map(of)))
        }
        let sale: ArrayRef = Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|row| row.sale),
        ));
        let columns = [
            ("sale", sale),
            ("store", i32s(&rows, |row| row.store)),
            ("day", i32s(&rows, |row| row.day)),
            ("quantity", f32s(&rows, |row| row.quantity)),
            ("price", f64s(&rows, |row| row.price)),
            ("discount", f64s(&rows, |row| row.discount)),
            ("temperature", f32s(&rows, |row| row.temperature)),
            ("pressure", f32s(&rows, |row| row.pressure)),
            ("load", f32s(&rows, |row| row.load)),
            ("x", f32s(&rows, |row| row.x)),
            ("y", f32s(&rows, |row| row.y)),
        ];
        Some(RecordBatch::try_from_iter(columns).map_err(Into::into))
    }
}
