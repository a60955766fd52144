//! Protects against forgery: files whose checksums match, but whose index, footer or pages lie.
//! They may be refused or read as something else, but nothing panics.

use std::sync::Arc;

use bytes::Bytes;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use proptest::prelude::*;

use super::catalog_codec::{self, ZSTD_LEVEL};
use super::layout::UnitKind;
use super::seal::{self, Seal};
use super::tests::{pack, table};
use super::virtual_file::open_source;
use super::*;

/// A packed file, taken apart.
struct Parts {
    data: Vec<u8>,
    index: Vec<u8>,
    /// Footer and what surrounds it.
    end: Vec<u8>,
    seal: Seal,
}

/// Of a table with nested columns, or without.
fn parts(nested: bool) -> Parts {
    let table = match nested {
        true => super::nested::tests::table(250),
        false => table(250),
    };
    let (bytes, _) = pack(
        &table,
        WriterOptions::new()
            .with_block_rows(64)
            .with_row_group_rows(128),
    );
    let seal = seal::find(&bytes).unwrap().unwrap();
    let index_end = (seal.index_offset + seal.index_len) as usize;
    Parts {
        data: bytes[..seal.index_offset as usize].to_vec(),
        index: zstd::stream::decode_all(&bytes[seal.index_offset as usize..index_end - 4]).unwrap(),
        end: bytes[index_end..].to_vec(),
        seal,
    }
}

/// The index with a checksum that fits, of `len` bytes if that can be done: else the footer's offsets
/// of what lies behind it are wrong.
fn closed(index: &[u8], len: usize) -> Vec<u8> {
    let mut out = fitted(index, len - 4);
    let checksum = catalog_codec::checksum(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// The index compressed to `len` bytes if that can be done.
fn fitted(index: &[u8], len: usize) -> Vec<u8> {
    /// A frame that decoders skip: magic number and length.
    const SKIPPED: usize = 8;
    for level in (1..=ZSTD_LEVEL).rev() {
        let mut out = zstd::bulk::compress(index, level).unwrap();
        if out.len() == len {
            return out;
        }
        if let Some(padding) = len.checked_sub(out.len() + SKIPPED) {
            out.extend_from_slice(&0x184d_2a50u32.to_le_bytes());
            out.extend_from_slice(&(padding as u32).to_le_bytes());
            out.resize(len, 0);
            return out;
        }
    }
    zstd::bulk::compress(index, ZSTD_LEVEL).unwrap()
}

/// Puts a file together again, with a seal that fits.
fn sealed(parts: &Parts, index: &[u8], end: &[u8]) -> Option<Bytes> {
    let index = closed(index, parts.seal.index_len as usize);
    let new = Seal {
        version: parts.seal.version,
        index_offset: parts.data.len() as u64,
        index_len: index.len() as u64,
    };
    let mut tail = [index.as_slice(), end].concat();
    let old = parts.seal.blank();
    let prefix = &old.as_bytes()[..old.len() - 8];
    let at = tail
        .windows(prefix.len())
        .rposition(|window| window == prefix)?;
    tail[at..at + old.len()].copy_from_slice(Seal::BLANK.blank().as_bytes());
    seal::close(&mut tail, new).ok()?;
    Some(Bytes::from([parts.data.as_slice(), &tail].concat()))
}

/// Where each packed page is, and its checksum in an index.
fn packed_pages(bytes: &Bytes) -> Vec<(std::ops::Range<usize>, u32)> {
    let file = VirtualFile::new(Arc::new(bytes.clone())).unwrap();
    let pages = file
        .layout()
        .units
        .iter()
        .filter_map(|unit| match &unit.kind {
            UnitKind::Virtual(page) => {
                let start = page.offset as usize;
                Some((start..start + page.block.page_len, page.block.checksum))
            }
            UnitKind::Ordinary(_) => None,
        });
    pages.collect()
}

/// The index with another checksum for the page that has the checksum `old`.
fn with_checksum(bytes: &Bytes, old: u32, new: u32) -> Vec<u8> {
    let file = VirtualFile::new(Arc::new(bytes.clone())).unwrap();
    let mut index = file.layout().index().clone();
    let of = |column: &mut PackedColumn| {
        let blocks = column.row_groups.iter_mut().flatten();
        let blocks = blocks.filter(|block| block.checksum == old);
        blocks.for_each(|block| block.checksum = new);
    };
    for column in &mut index.columns {
        match column {
            IndexColumn::Packed(column) => of(column),
            IndexColumn::Ordinary(_) => {}
            IndexColumn::Nested(column) => column.leaves.iter_mut().for_each(|leaf| {
                if let IndexLeaf::Packed(leaf) = leaf {
                    of(&mut leaf.column);
                }
            }),
        }
    }
    let mut reader =
        ParquetMetaDataReader::new().with_column_index_policy(PageIndexPolicy::Optional);
    reader.try_parse(bytes).unwrap();
    catalog_codec::raw(&reader.finish().unwrap(), &index).unwrap()
}

/// Reads everything that can be read, by both ways.
fn read_all(bytes: Bytes) -> bool {
    let _ = check_footer(&bytes);
    let reader = ReaderBuilder::new(Arc::new(bytes.clone())).and_then(ReaderBuilder::build);
    let read = reader.is_ok_and(|reader| reader.take(100).all(|batch| batch.is_ok()));
    if let Ok(file) = VirtualFile::new(Arc::new(bytes))
        && let Ok(len) = file.len()
    {
        let _ = file.read(0..len.min(1 << 24));
    }
    read
}

#[test]
fn an_honest_file_survives_the_forging() {
    for nested in [false, true] {
        let parts = parts(nested);
        let honest = sealed(&parts, &parts.index, &parts.end).unwrap();
        check_footer(&honest).unwrap();
        assert!(read_all(honest));
    }
}

/// More where more are asked for.
fn cases() -> u32 {
    ProptestConfig::default().cases.max(2000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn forged_indexes(nested: bool, damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let parts = parts(nested);
        let mut index = parts.index.clone();
        for (at, byte) in damages {
            let at = at.index(index.len());
            index[at] = byte;
        }
        if let Some(bytes) = sealed(&parts, &index, &parts.end) {
            read_all(bytes);
        }
    }

    #[test]
    fn forged_footers(nested: bool, damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let parts = parts(nested);
        let mut end = parts.end.clone();
        for (at, byte) in damages {
            let at = at.index(end.len());
            end[at] = byte;
        }
        if let Some(bytes) = sealed(&parts, &parts.index, &end) {
            read_all(bytes);
        }
    }

    /// Levels and payloads that lie, under checksums that match.
    #[test]
    fn forged_pages(
        nested: bool,
        page: prop::sample::Index,
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        front: bool,
    ) {
        let mut parts = parts(nested);
        let bytes = sealed(&parts, &parts.index, &parts.end).unwrap();
        let pages = packed_pages(&bytes);
        let (range, old) = pages[page.index(pages.len())].clone();
        let forged = &mut parts.data[range];
        let reach = if front { forged.len().min(60) } else { forged.len() };
        for (at, byte) in damages {
            forged[at.index(reach)] = byte;
        }
        let new = crc32c::crc32c(forged);
        let index = with_checksum(&bytes, old, new);
        read_all(sealed(&parts, &index, &parts.end).unwrap());
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2000), magic in any::<bool>()) {
        let mut bytes = bytes;
        if magic {
            let len = (bytes.len() / 2) as u32;
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(b"PAR1");
        }
        let opened = open_source(&Bytes::from(bytes));
        prop_assert!(!matches!(opened, Ok(Opened::Packed(_))));
    }
}
