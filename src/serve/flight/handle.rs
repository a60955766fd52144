//! Handles of statements: the SQL text and, once they are bound, its parameters. Nothing is kept
//! here between requests.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::error::{DataFusionError, Result};

/// A statement, prepared or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Handle {
    pub sql: String,
    /// An Arrow IPC stream of one row.
    parameters: Vec<u8>,
}

impl Handle {
    pub fn new(sql: String) -> Self {
        Self {
            sql,
            parameters: Vec::new(),
        }
    }

    /// With the parameters of a batch.
    ///
    /// # Errors
    /// Unless the batch is of one row.
    pub fn bind(mut self, parameters: &RecordBatch) -> Result<Self> {
        if parameters.num_rows() != 1 {
            return Err(DataFusionError::Plan(format!(
                "a query takes one row of parameters, not {}",
                parameters.num_rows()
            )));
        }
        let mut writer = StreamWriter::try_new(Vec::new(), &parameters.schema())?;
        writer.write(parameters)?;
        self.parameters = writer.into_inner()?;
        Ok(self)
    }

    /// The length of the SQL text, the text, the parameters.
    pub fn encode(&self) -> Vec<u8> {
        let len = self.sql.len() as u64;
        [
            &len.to_le_bytes()[..],
            self.sql.as_bytes(),
            &self.parameters,
        ]
        .concat()
    }

    /// None for what is no handle.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (len, rest) = bytes.split_first_chunk()?;
        let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
        let (sql, parameters) = rest.split_at_checked(len)?;
        Some(Self {
            sql: std::str::from_utf8(sql).ok()?.to_owned(),
            parameters: parameters.to_vec(),
        })
    }

    /// The parameters, by position, and by name where all are named.
    ///
    /// # Errors
    /// When they are not what [`bind`](Self::bind) wrote.
    pub fn values(&self) -> Result<Option<ParamValues>> {
        if self.parameters.is_empty() {
            return Ok(None);
        }
        let mut reader = StreamReader::try_new(self.parameters.as_slice(), None)?;
        let batch = reader
            .next()
            .transpose()?
            .filter(|batch| batch.num_rows() == 1);
        let batch = batch.ok_or_else(|| ArrowError::IpcError("no row of parameters".to_owned()))?;
        let values = batch.columns().iter().map(|column| {
            let value = ScalarValue::try_from_array(column, 0)?;
            Ok(ScalarAndMetadata::from(value))
        });
        Ok(Some(ParamValues::List(values.collect::<Result<_>>()?)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn handles_come_back() {
        let columns = [
            ("a", Arc::new(Int64Array::from(vec![7])) as ArrayRef),
            ("b", Arc::new(StringArray::from(vec!["x"])) as ArrayRef),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        let plain = Handle::new("SELECT 'ä'".to_owned());
        assert_eq!(Handle::decode(&plain.encode()), Some(plain.clone()));
        assert!(plain.values().expect("none").is_none());
        let bound = plain.bind(&batch).expect("bound");
        let again = Handle::decode(&bound.encode()).expect("a handle");
        let Some(ParamValues::List(values)) = again.values().expect("values") else {
            panic!("no list")
        };
        assert_eq!(values.len(), 2);
        assert!(bound.bind(&batch.slice(0, 0)).is_err());
    }

    #[test]
    fn what_is_no_handle_is_refused() {
        for bytes in [
            &b""[..],
            b"1234567",
            &[255; 8],
            &[255; 40],
            &[9, 0, 0, 0, 0, 0, 0, 0, 1],
        ] {
            assert_eq!(Handle::decode(bytes), None);
        }
        let broken = [&1u64.to_le_bytes()[..], b"x", b"no ipc"].concat();
        assert!(Handle::decode(&broken).expect("a handle").values().is_err());
    }
}
