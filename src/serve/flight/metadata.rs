//! What the server says of itself, and tables without rows: of keys there are none.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{
    SqlInfoData, SqlInfoDataBuilder, XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder,
};
use arrow_flight::sql::{Nullable, Searchable, SqlInfo, SqlSupportedCaseSensitivity, XdbcDataType};
use tonic::Status;

static SQL_INFO: LazyLock<Result<SqlInfoData, FlightError>> = LazyLock::new(|| {
    let mut info = SqlInfoDataBuilder::new();
    info.append(SqlInfo::FlightSqlServerName, "Tolerant");
    info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
    info.append(SqlInfo::FlightSqlServerReadOnly, true);
    info.append(SqlInfo::FlightSqlServerSql, true);
    info.append(SqlInfo::FlightSqlServerSubstrait, false);
    // None.
    info.append(SqlInfo::FlightSqlServerTransaction, 0);
    info.append(SqlInfo::FlightSqlServerCancel, false);
    info.append(SqlInfo::SqlDdlCatalog, false);
    info.append(SqlInfo::SqlDdlSchema, false);
    info.append(SqlInfo::SqlDdlTable, false);
    let lower = SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase;
    info.append(SqlInfo::SqlIdentifierCase, lower as i32);
    info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    let exact = SqlSupportedCaseSensitivity::SqlCaseSensitivityCaseInsensitive;
    info.append(SqlInfo::SqlQuotedIdentifierCase, exact as i32);
    info.build()
});

/// Facts about the server.
///
/// # Errors
/// When they could not be put together.
pub fn sql_info() -> Result<&'static SqlInfoData, Status> {
    SQL_INFO.as_ref().map_err(internal)
}

static TYPES: LazyLock<Result<XdbcTypeInfoData, FlightError>> = LazyLock::new(|| {
    use XdbcDataType as Type;
    let mut types = XdbcTypeInfoDataBuilder::new();
    for (name, kind, size, quote, radix) in [
        ("BOOLEAN", Type::XdbcBit, 1, None, None),
        ("TINYINT", Type::XdbcTinyint, 8, None, Some(2)),
        ("SMALLINT", Type::XdbcSmallint, 16, None, Some(2)),
        ("INTEGER", Type::XdbcInteger, 32, None, Some(2)),
        ("BIGINT", Type::XdbcBigint, 64, None, Some(2)),
        ("REAL", Type::XdbcReal, 24, None, Some(2)),
        ("DOUBLE", Type::XdbcDouble, 53, None, Some(2)),
        ("DECIMAL", Type::XdbcDecimal, 76, None, Some(10)),
        ("VARCHAR", Type::XdbcVarchar, i32::MAX, Some("'"), None),
        ("VARBINARY", Type::XdbcVarbinary, i32::MAX, Some("X'"), None),
        ("DATE", Type::XdbcDate, 10, Some("'"), None),
        ("TIME", Type::XdbcTime, 15, Some("'"), None),
        ("TIMESTAMP", Type::XdbcTimestamp, 32, Some("'"), None),
    ] {
        types.append(XdbcTypeInfo {
            type_name: name.to_owned(),
            data_type: kind,
            column_size: Some(size),
            literal_prefix: quote.map(str::to_owned),
            literal_suffix: quote.map(|_| "'".to_owned()),
            create_params: None,
            nullable: Nullable::NullabilityNullable,
            case_sensitive: name == "VARCHAR",
            searchable: Searchable::Full,
            unsigned_attribute: radix.map(|_| false),
            fixed_prec_scale: false,
            auto_increment: None,
            local_type_name: Some(name.to_owned()),
            minimum_scale: None,
            maximum_scale: None,
            sql_data_type: kind,
            datetime_subcode: None,
            num_prec_radix: radix,
            interval_precision: None,
        });
    }
    types.build()
});

/// The types of SQL.
///
/// # Errors
/// When they could not be put together.
pub fn types() -> Result<&'static XdbcTypeInfoData, Status> {
    TYPES.as_ref().map_err(internal)
}

fn internal(error: &FlightError) -> Status {
    Status::internal(error.to_string())
}

fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

/// The schema of GetPrimaryKeys.
pub fn primary_keys() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text("catalog_name", true),
        text("db_schema_name", true),
        text("table_name", false),
        text("column_name", false),
        text("key_name", true),
        Field::new("key_sequence", DataType::Int32, false),
    ]))
}

/// The schema of GetExportedKeys, GetImportedKeys and GetCrossReference.
pub fn foreign_keys() -> SchemaRef {
    let side = |key: &str| {
        [
            ("catalog_name", true),
            ("db_schema_name", true),
            ("table_name", false),
            ("column_name", false),
        ]
        .map(|(name, nullable)| text(&format!("{key}_{name}"), nullable))
    };
    let mut fields = [side("pk"), side("fk")].concat();
    fields.push(Field::new("key_sequence", DataType::Int32, false));
    fields.push(text("fk_key_name", true));
    fields.push(text("pk_key_name", true));
    fields.push(Field::new("update_rule", DataType::UInt8, false));
    fields.push(Field::new("delete_rule", DataType::UInt8, false));
    Arc::new(Schema::new(fields))
}

/// No rows.
pub fn nothing(schema: SchemaRef) -> RecordBatch {
    RecordBatch::new_empty(schema)
}
