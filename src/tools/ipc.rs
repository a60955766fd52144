//! Arrow IPC, file (Feather version 2) and stream format, from files that may be damaged.
//!
//! arrow-ipc trusts the sizes that a message declares and unwraps what a damaged one lacks. Here
//! every size is compared with the file before memory is asked for, and what is left is caught.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

use arrow::array::RecordBatch;
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::{
    self, Block, Message, MessageHeader, MetadataVersion, root_as_footer, root_as_message,
};

use super::error::{Result, ToolError};

pub const FILE_MAGIC: &[u8] = b"ARROW1";
pub const STREAM_MARKER: &[u8] = &[0xFF; 4];

/// No codec shrinks a buffer further: zstd codes a run of 128 KiB in 4 bytes.
const BEST_RATIO: u64 = 1 << 15;

/// The batches of an Arrow IPC file.
pub struct IpcReader {
    source: Source,
    decoder: FileDecoder,
    /// Where the footer of the file format says that batches are; a stream has none.
    blocks: Option<vec::IntoIter<Block>>,
    schema: SchemaRef,
}

/// The file, where the next stream message starts, and what to call it in errors.
struct Source {
    file: File,
    len: u64,
    at: u64,
    path: PathBuf,
}

/// Everything that comes before the batches.
struct Head {
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<Block>,
    blocks: Option<Vec<Block>>,
}

impl IpcReader {
    /// Opens a file of either format; `columns` (ascending) selects some.
    pub fn open(path: &Path, columns: Option<&[usize]>) -> Result<Self> {
        let io = |error| ToolError::io("read", path, error);
        let mut file = File::open(path).map_err(|error| ToolError::io("open", path, error))?;
        let len = file.metadata().map_err(io)?.len();
        let mut magic = Vec::new();
        (&mut file)
            .take(FILE_MAGIC.len() as u64)
            .read_to_end(&mut magic)
            .map_err(io)?;
        let mut source = Source {
            file,
            len,
            at: 0,
            path: path.to_path_buf(),
        };
        let head = if magic == FILE_MAGIC {
            source.file_head()?
        } else {
            source.stream_head()?
        };

        let mut decoder = FileDecoder::new(Arc::clone(&head.schema), head.version);
        for block in &head.dictionaries {
            let bytes = source.block(block)?;
            source.guard(|| decoder.read_dictionary(block, &bytes))?;
        }
        if let Some(columns) = columns {
            decoder = decoder.with_projection(columns.to_vec());
        }
        Ok(Self {
            source,
            decoder,
            blocks: head.blocks.map(Vec::into_iter),
            schema: head.schema,
        })
    }

    /// The schema of the whole file, whatever columns are selected.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn read(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let block = match &mut self.blocks {
                Some(blocks) => blocks.next(),
                None => self.source.next_message()?,
            };
            let Some(block) = block else { return Ok(None) };
            let bytes = self.source.block(&block)?;
            let (source, decoder) = (&self.source, &mut self.decoder);
            let batch = source.guard(|| {
                match message(&bytes[..block.metaDataLength() as usize])?.header_type() {
                    MessageHeader::DictionaryBatch => {
                        decoder.read_dictionary(&block, &bytes).map(|()| None)
                    }
                    _ => decoder.read_record_batch(&block, &bytes),
                }
            })?;
            if batch.is_some() {
                return Ok(batch);
            }
        }
    }
}

impl Iterator for IpcReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl Source {
    fn bad(&self, what: impl std::fmt::Display) -> ToolError {
        ToolError::bad_file(&self.path, what)
    }

    /// What arrow-ipc returns or panics with, as an error that names the file.
    fn guard<T>(&self, decode: impl FnOnce() -> std::result::Result<T, ArrowError>) -> Result<T> {
        match catch_unwind(AssertUnwindSafe(decode)) {
            Ok(decoded) => {
                decoded.map_err(|error| self.bad(format!("damaged Arrow data: {error}")))
            }
            Err(_) => Err(self.bad("damaged Arrow data")),
        }
    }

    fn read(&mut self, at: u64, len: u64) -> Result<Buffer> {
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(self.bad("an Arrow file cut short, or damaged: data lies past its end"));
        }
        let io = |error: io::Error| ToolError::io("read", &self.path, error);
        let mut bytes = MutableBuffer::from_len_zeroed(len as usize);
        self.file.seek(SeekFrom::Start(at)).map_err(io)?;
        self.file.read_exact(&mut bytes).map_err(io)?;
        Ok(bytes.into())
    }

    /// What the footer of the file format says.
    fn file_head(&mut self) -> Result<Head> {
        let tail_at = self.len.saturating_sub(10);
        let tail = self.read(tail_at, self.len - tail_at)?;
        let tail = <[u8; 10]>::try_from(tail.as_slice())
            .map_err(|_| self.bad("an Arrow file cut short"))?;
        let footer_len = read_footer_length(tail)
            .map_err(|_| self.bad("an Arrow file cut short: it does not end in ARROW1"))?
            as u64;
        let footer_at = tail_at
            .checked_sub(footer_len)
            .ok_or_else(|| self.bad("a damaged Arrow footer"))?;
        let footer = self.read(footer_at, footer_len)?;
        self.guard(|| {
            let footer =
                root_as_footer(&footer).map_err(|error| ArrowError::IpcError(error.to_string()))?;
            Ok(Head {
                schema: schema(footer.schema())?,
                version: footer.version(),
                dictionaries: footer
                    .dictionaries()
                    .into_iter()
                    .flatten()
                    .copied()
                    .collect(),
                blocks: Some(
                    footer
                        .recordBatches()
                        .into_iter()
                        .flatten()
                        .copied()
                        .collect(),
                ),
            })
        })
    }

    /// What the first message of a stream says.
    fn stream_head(&mut self) -> Result<Head> {
        let Some(block) = self.next_message()? else {
            return Err(self.bad("an Arrow stream without a schema"));
        };
        let bytes = self.block(&block)?;
        self.guard(|| {
            let message = message(&bytes[..block.metaDataLength() as usize])?;
            let schema = schema(message.header_as_schema())?;
            Ok(Head {
                schema,
                version: message.version(),
                dictionaries: Vec::new(),
                blocks: None,
            })
        })
    }

    /// Where the next message of a stream lies; `None` at the end.
    fn next_message(&mut self) -> Result<Option<Block>> {
        let rest = self.len - self.at;
        if rest == 0 {
            return Ok(None);
        }
        let prefix = self.read(self.at, 8)?;
        let size = match prefix.as_slice() {
            [0xFF, 0xFF, 0xFF, 0xFF, a, b, c, d] => i32::from_le_bytes([*a, *b, *c, *d]),
            _ => return Err(self.bad("damaged Arrow data: no message where one should start")),
        };
        if size == 0 {
            return Ok(None);
        }
        let header_len = size.checked_add(8).filter(|_| size > 0);
        let header_len =
            header_len.ok_or_else(|| self.bad("damaged Arrow data: a negative size"))?;
        let header = self.read(self.at, header_len as u64)?;
        let body_len = self.guard(|| Ok(message(&header)?.bodyLength()))?;
        let at = i64::try_from(self.at).map_err(|error| self.bad(error))?;
        self.at = self
            .at
            .saturating_add(header_len as u64)
            .saturating_add(body_len.max(0) as u64);
        Ok(Some(Block::new(at, header_len, body_len)))
    }

    /// A message and its body, of plausible sizes.
    fn block(&mut self, block: &Block) -> Result<Buffer> {
        let sizes = (
            block.offset(),
            i64::from(block.metaDataLength()),
            block.bodyLength(),
        );
        let (Ok(at), Ok(header), Ok(body)) = (
            sizes.0.try_into(),
            u64::try_from(sizes.1),
            u64::try_from(sizes.2),
        ) else {
            return Err(self.bad("damaged Arrow data: a negative size"));
        };
        let bytes = self.read(at, header.saturating_add(body))?;
        let impossible = self.guard(|| {
            let (header, body) = bytes.split_at(header as usize);
            let message = message(header)?;
            let batch = match message.header_type() {
                MessageHeader::DictionaryBatch => message
                    .header_as_dictionary_batch()
                    .and_then(|batch| batch.data()),
                _ => message.header_as_record_batch(),
            };
            Ok(batch.is_some_and(|batch| declares_too_much(batch, body)))
        })?;
        if impossible {
            Err(self.bad("damaged Arrow data: an impossible buffer length"))
        } else {
            Ok(bytes)
        }
    }
}

/// Whether a compressed buffer declares a length that it cannot have.
fn declares_too_much(batch: ipc::RecordBatch<'_>, body: &[u8]) -> bool {
    let Some(buffers) = batch.buffers().filter(|_| batch.compression().is_some()) else {
        return false;
    };
    buffers.iter().any(|buffer| {
        let (Ok(at), Ok(len)) = (
            usize::try_from(buffer.offset()),
            usize::try_from(buffer.length()),
        ) else {
            return true;
        };
        // An empty buffer has no prefix, and -1 marks one that is not compressed after all.
        let stored = at
            .checked_add(len)
            .and_then(|end| body.get(at..end))
            .unwrap_or_default();
        let declared = stored
            .first_chunk()
            .map_or(0, |prefix| i64::from_le_bytes(*prefix));
        u64::try_from(declared).unwrap_or(0) > (len as u64).saturating_mul(BEST_RATIO)
    })
}

/// The message in `bytes`, which start with its marker and length or, before Arrow 0.15, its length.
fn message(bytes: &[u8]) -> std::result::Result<Message<'_>, ArrowError> {
    let prefix = if bytes.starts_with(STREAM_MARKER) {
        8
    } else {
        4
    };
    let flat = bytes
        .get(prefix..)
        .ok_or_else(|| ArrowError::IpcError("a message without a header".into()))?;
    root_as_message(flat).map_err(|error| ArrowError::IpcError(error.to_string()))
}

fn schema(schema: Option<ipc::Schema<'_>>) -> std::result::Result<SchemaRef, ArrowError> {
    let schema = schema.ok_or_else(|| ArrowError::IpcError("no schema".into()))?;
    if !schema.endianness().equals_to_target_endianness() {
        return Err(ArrowError::IpcError(
            "data of another byte order is not supported".into(),
        ));
    }
    Ok(Arc::new(fb_to_schema(schema)))
}
