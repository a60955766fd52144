//! Statistics of a file for the planner.
//!
//! They are DataFusion's own reading of Parquet's. Its search for each column by name takes time
//! with the square of the columns, which for a table of 60,000 is minutes where it could be
//! moments, so wide tables are read in parts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::error::Result;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema, parquet_to_arrow_schema};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataBuilder, RowGroupMetaData,
};
use parquet::schema::types::{SchemaDescriptor, Type};

/// Columns of a part.
const PART: usize = 256;

/// The statistics of a file, for each column of the table, which the file may have or not.
pub(super) fn of_file(metadata: &ParquetMetaData, table: &SchemaRef) -> Result<Statistics> {
    let mut statistics = of_row_groups(metadata, table)?;
    hide_partial_extremes(metadata, table, &mut statistics);
    Ok(statistics)
}

/// Takes back the extremes of columns of which some row group has none to tell.
///
/// DataFusion leaves such row groups out and calls what the others say exact. But a chunk that
/// holds NaN has no extremes, and its numbers may lie beyond those of the others.
fn hide_partial_extremes(
    metadata: &ParquetMetaData,
    table: &SchemaRef,
    statistics: &mut Statistics,
) {
    let schema = metadata.file_metadata().schema_descr();
    let silent = |leaf: usize| {
        metadata.row_groups().iter().any(|row_group| {
            let chunk = row_group.column(leaf);
            let known = chunk.statistics();
            let nulls = known.and_then(|known| known.null_count_opt()).unwrap_or(0);
            let extremes = known.is_some_and(|known| {
                known.min_bytes_opt().is_some() && known.max_bytes_opt().is_some()
            });
            chunk.num_values() as u64 > nulls && !extremes
        })
    };
    let silent: HashSet<&str> = (0..schema.num_columns())
        .filter(|leaf| silent(*leaf))
        .map(|leaf| schema.get_column_root(leaf).name())
        .collect();
    for (field, column) in table.fields().iter().zip(&mut statistics.column_statistics) {
        if silent.contains(field.name().as_str()) {
            column.min_value = Precision::Absent;
            column.max_value = Precision::Absent;
        }
    }
}

fn of_row_groups(metadata: &ParquetMetaData, table: &SchemaRef) -> Result<Statistics> {
    if table.fields().len() <= 2 * PART {
        return DFParquetMetadata::statistics_from_parquet_metadata(metadata, table);
    }
    let file = Columns::of(metadata)?;
    let mut all = Statistics::default();
    for fields in table.fields().chunks(PART) {
        let part: SchemaRef = Arc::new(Schema::new(fields.to_vec()));
        let mut columns: Vec<usize> = fields
            .iter()
            .filter_map(|field| file.by_name.get(field.name().as_str()).copied())
            .collect();
        columns.sort_unstable();
        let statistics =
            DFParquetMetadata::statistics_from_parquet_metadata(&file.select(&columns)?, &part)?;
        all.num_rows = statistics.num_rows;
        all.column_statistics.extend(statistics.column_statistics);
    }
    Ok(all)
}

/// The top-level columns of a file.
struct Columns<'a> {
    metadata: &'a ParquetMetaData,
    arrow: Schema,
    by_name: HashMap<&'a str, usize>,
    /// For each column, the leaves that it is made of.
    leaves: Vec<Vec<usize>>,
}

impl<'a> Columns<'a> {
    fn of(metadata: &'a ParquetMetaData) -> Result<Self, ParquetError> {
        let file = metadata.file_metadata();
        let schema = file.schema_descr();
        let fields = schema.root_schema().get_fields();
        let mut by_name = HashMap::with_capacity(fields.len());
        let mut leaves = vec![Vec::new(); fields.len()];
        for (i, field) in fields.iter().enumerate() {
            // Of two columns with one name the first is found.
            by_name.entry(field.name()).or_insert(i);
        }
        (0..schema.num_columns())
            .for_each(|leaf| leaves[schema.get_column_root_idx(leaf)].push(leaf));
        let arrow = parquet_to_arrow_schema(schema, file.key_value_metadata())?;
        Ok(Self {
            metadata,
            arrow,
            by_name,
            leaves,
        })
    }

    /// The metadata of a file that has these columns only.
    fn select(&self, columns: &[usize]) -> Result<ParquetMetaData> {
        let file = self.metadata.file_metadata();
        let root = file.schema_descr().root_schema();
        let fields = columns
            .iter()
            .map(|i| Arc::clone(&root.get_fields()[*i]))
            .collect();
        let root = Type::group_type_builder(root.name())
            .with_fields(fields)
            .build()?;
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(root)));
        let row_groups = self.metadata.row_groups().iter().map(|row_group| {
            let leaves = columns.iter().flat_map(|i| &self.leaves[*i]);
            RowGroupMetaData::builder(Arc::clone(&schema))
                .set_num_rows(row_group.num_rows())
                .set_total_byte_size(row_group.total_byte_size())
                .set_column_metadata(leaves.map(|leaf| row_group.column(*leaf).clone()).collect())
                .build()
        });
        let row_groups = row_groups.collect::<Result<Vec<_>, _>>()?;
        let arrow = encode_arrow_schema(&self.arrow.project(columns)?);
        let key_values = vec![KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), arrow)];
        let file = FileMetaData::new(
            file.version(),
            file.num_rows(),
            None,
            Some(key_values),
            schema,
            None,
        );
        Ok(ParquetMetaDataBuilder::new(file)
            .set_row_groups(row_groups)
            .build())
    }
}
