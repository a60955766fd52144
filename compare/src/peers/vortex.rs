//! Vortex files, default and compact. Lossless.

use vortex::VortexSessionDefault;
use vortex::array::arrays::struct_::StructArrayExt;
use vortex::array::arrays::{PrimitiveArray, StructArray};
use vortex::array::validity::Validity;
use vortex::array::{IntoArray, VortexSessionExecute};
use vortex::buffer::{Buffer, ByteBuffer};
use vortex::compressor::BtrBlocksCompressorBuilder;
use vortex::dtype::FieldNames;
use vortex::file::{OpenOptionsSessionExt, WriteOptionsSessionExt, WriteStrategyBuilder};
use vortex::io::runtime::BlockingRuntime;
use vortex::io::runtime::current::CurrentThreadRuntime;
use vortex::io::session::RuntimeSessionExt;
use vortex::session::VortexSession;

use crate::data::{Result, Table};
use crate::method::{Decoded, Method};

pub fn methods() -> Vec<Method> {
    [("default file", false), ("compact file", true)]
        .map(|(mode, compact)| {
            Method::table(
                "Vortex",
                mode,
                move |cell| encode(cell.table, compact),
                decode,
            )
            .lossless()
        })
        .into()
}

/// A runtime on the calling thread only, and a session that uses it.
fn session() -> (CurrentThreadRuntime, VortexSession) {
    let runtime = CurrentThreadRuntime::new();
    let session = VortexSession::default().with_handle(runtime.handle());
    (runtime, session)
}

fn encode(table: &Table, compact: bool) -> Result<Vec<u8>> {
    let (runtime, session) = session();
    let names: FieldNames = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|column| {
            let values = Buffer::copy_from(column.values.as_slice());
            PrimitiveArray::new(values, Validity::NonNullable).into_array()
        })
        .collect();
    let array = StructArray::try_new(names, columns, table.rows(), Validity::NonNullable)?;
    let mut options = session.write_options();
    if compact {
        let compressor = BtrBlocksCompressorBuilder::from_session(&session).with_compact();
        let strategy = WriteStrategyBuilder::from_session(&session)
            .with_btrblocks_builder(compressor)
            .build();
        options = options.with_strategy(strategy);
    }
    let mut file = Vec::new();
    options
        .blocking(&runtime)
        .write(&mut file, array.into_array().to_array_iterator())?;
    Ok(file)
}

fn decode(bytes: &[u8]) -> Result<Decoded> {
    let (runtime, session) = session();
    let file = session
        .open_options()
        .open_buffer(ByteBuffer::copy_from(bytes))?;
    let mut context = session.create_execution_ctx();
    let mut columns: Vec<Vec<f32>> = Vec::new();
    for chunk in file.scan()?.into_array_iter(&runtime)? {
        let chunk = chunk?.execute::<StructArray>(&mut context)?;
        let fields: Vec<_> = chunk.iter_unmasked_fields().cloned().collect();
        columns.resize_with(fields.len(), Vec::new);
        for (column, field) in columns.iter_mut().zip(fields) {
            let values = field.execute::<PrimitiveArray>(&mut context)?;
            column.extend_from_slice(values.as_slice::<f32>());
        }
    }
    Ok(Decoded::Columns(columns))
}
