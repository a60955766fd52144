//! The order of a packed file's footer: its entries, the seal among them, at the end, where the file's
//! last few hundred bytes hold them however many columns there are.
//!
//! parquet-rs writes the orders of columns behind them, three bytes a column. They say what statistics
//! mean, and packed columns have none.

use parquet::file::metadata::{FileMetaData, KeyValue};

use super::footer::FOOTER_END;
use super::levels::write_varint;

// Of Thrift's compact protocol: types, and how field headers hold them.
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;
const STOP: u8 = 0;

/// `TypeDefinedOrder`, the only order there is: a union of an empty struct.
const ORDER: [u8; 3] = [1 << 4 | STRUCT, STOP, STOP];

/// Fields of `FileMetaData` that stand next to one another where all are there.
const ENTRIES_BEHIND_ROW_GROUPS: u8 = 1 << 4 | LIST;
const CREATED_BY_BEHIND_ENTRIES: u8 = 1 << 4 | BINARY;
const ORDERS_BEHIND_CREATED_BY: u8 = 1 << 4 | LIST;
const ORDERS_BEHIND_ROW_GROUPS: u8 = 3 << 4 | LIST;
/// Field 5 behind field 7: its own number, zigzag.
const ENTRIES_BEHIND_ORDERS: [u8; 2] = [LIST, 5 << 1];

/// Moves the orders of columns in front of the entries, or leaves them out unless they are `needed`.
///
/// `bytes` are what parquet-rs has written of `file`. If it ever writes this in another way, all
/// stays as it is: readers then read more of the footer.
pub(super) fn entries_last(bytes: Vec<u8>, file: &FileMetaData, needed: bool) -> Vec<u8> {
    let columns = file.schema_descr().num_columns();
    let entries = entries(file);
    let orders = orders(columns);
    let written = [
        &[ENTRIES_BEHIND_ROW_GROUPS],
        entries.as_slice(),
        &[ORDERS_BEHIND_CREATED_BY],
        &orders,
        &[STOP],
    ]
    .concat();
    let at = bytes.len().saturating_sub(FOOTER_END);
    let (footer, end) = bytes.split_at(at);
    let (Some(front), Some(len)) = (footer.strip_suffix(&written[..]), end.first_chunk::<4>())
    else {
        return bytes;
    };
    let own = match needed {
        true => [
            &[ORDERS_BEHIND_ROW_GROUPS],
            orders.as_slice(),
            &ENTRIES_BEHIND_ORDERS,
            &entries,
            &[STOP],
        ]
        .concat(),
        false => [&[ENTRIES_BEHIND_ROW_GROUPS], entries.as_slice(), &[STOP]].concat(),
    };
    let len = u32::from_le_bytes(*len) as usize - written.len() + own.len();
    [front, &own, &(len as u32).to_le_bytes(), &end[4..]].concat()
}

/// The entries behind their field's header, and who created the file.
fn entries(file: &FileMetaData) -> Vec<u8> {
    let mut out = Vec::new();
    let entries = file.key_value_metadata();
    let entries = entries.map_or(&[][..], Vec::as_slice);
    list(entries.len(), &mut out);
    for KeyValue { key, value } in entries {
        text(key, &mut out);
        if let Some(value) = value {
            text(value, &mut out);
        }
        out.push(STOP);
    }
    text(file.created_by().unwrap_or_default(), &mut out);
    out
}

fn orders(columns: usize) -> Vec<u8> {
    let mut out = Vec::new();
    list(columns, &mut out);
    out.extend(ORDER.repeat(columns));
    out
}

/// How a list of `len` structs begins.
fn list(len: usize, out: &mut Vec<u8>) {
    match len {
        0..=14 => out.push((len as u8) << 4 | STRUCT),
        _ => {
            out.push(15 << 4 | STRUCT);
            write_varint(len as u64, out);
        }
    }
}

/// A text in the field behind the one before.
fn text(text: &str, out: &mut Vec<u8>) {
    out.push(CREATED_BY_BEHIND_ENTRIES);
    write_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}
