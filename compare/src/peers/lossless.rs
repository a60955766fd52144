//! Lossless: Parquet with ZSTD, and pco.

use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use crate::method::{Decoded, Method};

pub fn methods() -> Vec<Method> {
    let mut methods = Vec::new();
    for level in [3, 19] {
        methods.push(parquet(format!("ZSTD {level}"), level, |options| options));
        methods.push(parquet(
            format!("BYTE_STREAM_SPLIT + ZSTD {level}"),
            level,
            |options| {
                options
                    .set_dictionary_enabled(false)
                    .set_encoding(Encoding::BYTE_STREAM_SPLIT)
            },
        ));
    }
    methods.push(
        Method::columns(
            "pco",
            "lossless, level 8",
            |values, _| {
                let config = pco::ChunkConfig::default();
                Ok(pco::standalone::simple_compress(values, &config)?)
            },
            |bytes, _, _| Ok(pco::standalone::simple_decompress(bytes)?),
        )
        .lossless(),
    );
    methods
}

fn parquet(
    mode: String,
    level: i32,
    options: fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
) -> Method {
    Method::table(
        "Parquet",
        mode,
        move |cell| {
            let zstd = Compression::ZSTD(ZstdLevel::try_new(level)?);
            let properties = options(WriterProperties::builder().set_compression(zstd)).build();
            let batch = &cell.batch;
            let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))?;
            writer.write(batch)?;
            Ok(writer.into_inner()?)
        },
        |bytes| {
            let bytes = Bytes::copy_from_slice(bytes);
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()?;
            Ok(Decoded::Batches(
                reader.collect::<std::result::Result<_, _>>()?,
            ))
        },
    )
    .lossless()
}
