//! Parquet's RLE / bit-packing hybrid, for indices and levels of any width.
//! (<https://parquet.apache.org/docs/file-format/data-pages/encodings/>)

use super::super::levels::write_varint;

/// Appends `values`, of `width` bits each (at most 32), as bit-packed runs, and as repeated runs
/// where at least `min_run` values in a row are equal.
pub(super) fn write(values: &[u32], width: u32, min_run: usize, out: &mut Vec<u8>) {
    // Where the values start that are yet to be written.
    let mut pending = 0;
    let mut position = 0;
    while let Some(value) = values.get(position) {
        let run = values[position..]
            .iter()
            .take_while(|other| *other == value)
            .count();
        // Bit-packed runs hold whole groups of eight.
        let fill = (position - pending).next_multiple_of(8) - (position - pending);
        if run.saturating_sub(fill) >= min_run {
            write_packed(&values[pending..position + fill], width, out);
            write_varint(((run - fill) as u64) << 1, out);
            out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
            pending = position + run;
        }
        position += run;
    }
    write_packed(&values[pending..], width, out);
}

/// A bit-packed run; the last group is filled up with zeros.
fn write_packed(values: &[u32], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    write_varint((groups as u64) << 1 | 1, out);
    let end = out.len() + groups * width as usize;
    let (mut bits, mut filled) = (0u64, 0);
    for value in values {
        bits |= u64::from(*value) << filled;
        filled += width;
        while filled >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            filled -= 8;
        }
    }
    out.push(bits as u8);
    out.resize(end, 0);
}

/// The values that [`write`] would write as repeated runs.
pub(super) fn in_runs(values: &[u32], min_run: usize) -> usize {
    values
        .chunk_by(|a, b| a == b)
        .map(<[u32]>::len)
        .filter(|run| *run >= min_run)
        .sum()
}
