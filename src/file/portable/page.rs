//! Page headers: Parquet's `PageHeader` in Thrift's compact protocol, as short as it may be.
//! parquet-rs has no public writer for it.

use parquet::basic::Encoding;

use super::super::levels::write_varint;

/// Sizes of a page's body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) uncompressed: usize,
    pub(super) compressed: usize,
}

/// The header of a dictionary page of `entries`, PLAIN.
pub(super) fn dictionary_header(entries: usize, sizes: Sizes) -> Vec<u8> {
    let mut out = start(2, sizes); // DICTIONARY_PAGE
    out.push(0x4c); // 7: dictionary_page_header, a struct
    field_i32(entries, &mut out); // 1: num_values
    field_i32(Encoding::PLAIN as usize, &mut out); // 2: encoding
    out.extend_from_slice(&[0, 0]); // both structs end
    out
}

/// The header of a data page (version 1) of `values` rows, nulls included.
pub(super) fn data_header(values: usize, encoding: Encoding, sizes: Sizes) -> Vec<u8> {
    let mut out = start(0, sizes); // DATA_PAGE
    out.push(0x2c); // 5: data_page_header, a struct
    field_i32(values, &mut out); // 1: num_values
    field_i32(encoding as usize, &mut out); // 2: encoding
    field_i32(Encoding::RLE as usize, &mut out); // 3: definition_level_encoding
    field_i32(Encoding::RLE as usize, &mut out); // 4: repetition_level_encoding
    out.extend_from_slice(&[0, 0]); // both structs end
    out
}

fn start(page_type: usize, sizes: Sizes) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    field_i32(page_type, &mut out); // 1: type
    field_i32(sizes.uncompressed, &mut out); // 2: uncompressed_page_size
    field_i32(sizes.compressed, &mut out); // 3: compressed_page_size
    out
}

/// A field whose number is one above the one before: i32, zigzag.
fn field_i32(value: usize, out: &mut Vec<u8>) {
    out.push(0x15);
    write_varint((value as u64) << 1, out);
}
