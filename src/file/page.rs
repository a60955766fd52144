//! Page headers: Parquet's `PageHeader` of an uncompressed PLAIN data page (version 1), in Thrift's
//! compact protocol. parquet-rs has no public writer for it.

use super::levels::write_varint;

/// The header of a page of `values` rows (nulls included) and `size` bytes (levels included).
pub(super) fn header(values: usize, size: usize) -> Vec<u8> {
    header_of_compressed(values, size, size)
}

/// The same of a page of `values` levels, whose `size` bytes take `compressed` in the file.
pub(super) fn header_of_compressed(values: usize, size: usize, compressed: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    field_i32(0, &mut out); // 1: type = DATA_PAGE
    field_i32(size, &mut out); // 2: uncompressed_page_size
    field_i32(compressed, &mut out); // 3: compressed_page_size
    out.push(0x2c); // 5: data_page_header, a struct
    field_i32(values, &mut out); // 1: num_values
    field_i32(0, &mut out); // 2: encoding = PLAIN
    field_i32(3, &mut out); // 3: definition_level_encoding = RLE
    field_i32(3, &mut out); // 4: repetition_level_encoding = RLE
    out.extend_from_slice(&[0, 0]); // both structs end
    out
}

/// A field whose number is one above the one before: i32, zigzag.
fn field_i32(value: usize, out: &mut Vec<u8>) {
    out.push(0x15);
    write_varint((value as u64) << 1, out);
}

/// The length of the header of `page`, which [`header`] wrote for a page of `values` rows; None if
/// it did not.
pub(super) fn header_len(values: usize, page: &[u8]) -> Option<usize> {
    // The header's length depends, by the size it states, on itself.
    (0..=page.len().min(48)).find(|len| page[..*len] == header(values, page.len() - len))
}

/// The same of a page that is compressed, of `size` bytes when it is not.
pub(super) fn compressed_header_len(values: usize, size: usize, page: &[u8]) -> Option<usize> {
    let is_header =
        |len: &usize| page[..*len] == header_of_compressed(values, size, page.len() - len);
    (0..=page.len().min(48)).find(is_header)
}
