//! The seal: one checksum over everything behind the data pages, and the way to find it.
//!
//! parquet-rs writes no checksums, so a damaged footer would be read as another table. The footer's
//! key-value entry `tolerant` therefore holds where the block index starts and a CRC-32C of all
//! bytes from there to the end of the file, its own eight digits taken as zeros. Readers find it by
//! its text, before any of those bytes is parsed. From version 5 on the index has a checksum of its
//! own, and who reads no more than that needs the seal for its place alone.

use super::error::{FileError, Result};

/// The key of the entry in the Parquet footer.
pub(super) const KEY: &str = "tolerant";

/// What every packed file's `created_by` starts with. With the key it tells a damaged packed file
/// from an ordinary one.
pub(super) const CREATED_BY: &str = "tolerant version";

/// Followed by the format version of the file as a whole, one digit.
const MARKER: &str = "TOLERANT";

/// The format version that this build writes. It reads all up to this.
pub(super) const VERSION: u8 = 6;

/// Where the block index lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seal {
    /// The format version of the file.
    pub(super) version: u8,
    pub(super) index_offset: u64,
    pub(super) index_len: u64,
}

impl Seal {
    /// What stands in for the seal until it is known.
    pub(super) const BLANK: Self = Self {
        version: VERSION,
        index_offset: 0,
        index_len: 0,
    };

    /// The entry's value, its checksum still zeros.
    pub(super) fn blank(self) -> String {
        format!(
            "{MARKER}{} {:016x} {:016x} 00000000",
            self.version, self.index_offset, self.index_len
        )
    }
}

/// Writes the seal where [`Seal::BLANK`] is. `tail` is everything from the block index to the end of
/// the file.
pub(super) fn close(tail: &mut [u8], seal: Seal) -> Result<()> {
    let blank = Seal::BLANK.blank();
    let at = rfind(tail, blank.as_bytes())
        .ok_or_else(|| FileError::invalid("the footer lost its entry for the block index"))?;
    let end = at + blank.len();
    tail[at..end].copy_from_slice(seal.blank().as_bytes());
    let checksum = crc32c::crc32c(tail);
    tail[end - 8..end].copy_from_slice(format!("{checksum:08x}").as_bytes());
    Ok(())
}

/// The seal in a footer, or in the end of one, not yet verified; None where there is none.
///
/// # Errors
/// [`FileError::Corrupt`] for an entry that cannot be read.
pub(super) fn find(footer: &[u8]) -> Result<Option<Seal>> {
    // As Thrift frames the value: field 2, a string of 52 bytes. Other text of a footer, such as a
    // column's name, may hold the marker too.
    let framed = [b"\x18\x34", MARKER.as_bytes()].concat();
    let version_of = |window: &[u8]| {
        let version = window.strip_prefix(framed.as_slice())?[0].wrapping_sub(b'0');
        (1..=VERSION).contains(&version).then_some(version)
    };
    let mut windows = footer.windows(framed.len() + 1).enumerate().rev();
    let Some((at, version)) =
        windows.find_map(|(at, window)| Some((at + framed.len() + 1, version_of(window)?)))
    else {
        return Ok(None);
    };
    let damaged = || FileError::corrupt("the entry for the block index is damaged");
    let text = footer.get(at..at + 35).ok_or_else(damaged)?;
    let digits = |start: usize| {
        let digits = std::str::from_utf8(&text[start..start + 16]).ok()?;
        u64::from_str_radix(digits, 16).ok()
    };
    let seal = Seal {
        version,
        index_offset: digits(1).ok_or_else(damaged)?,
        index_len: digits(18).ok_or_else(damaged)?,
    };
    // There is no second spelling.
    match seal.blank().as_bytes().get(MARKER.len() + 1..) {
        Some(own) if own.starts_with(text) => Ok(Some(seal)),
        _ => Err(damaged()),
    }
}

/// Verifies `tail`, everything from the block index to the end of the file.
pub(super) fn verify(tail: &[u8], seal: Seal) -> Result<()> {
    let damaged = || FileError::corrupt("checksum of footer and block index does not match");
    let blank = seal.blank();
    let prefix = &blank.as_bytes()[..blank.len() - 8];
    let at = rfind(tail, prefix).ok_or_else(damaged)? + prefix.len();
    let digits = tail.get(at..at + 8).ok_or_else(damaged)?;
    let stored = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    // Upper-case digits would be a second spelling of the same number: damage that goes unseen.
    let canonical = stored.filter(|stored| format!("{stored:08x}").as_bytes() == digits);
    let actual = crc32c::crc32c_append(
        crc32c::crc32c_append(crc32c::crc32c(&tail[..at]), b"00000000"),
        &tail[at + 8..],
    );
    if canonical == Some(actual) {
        Ok(())
    } else {
        Err(damaged())
    }
}

fn rfind(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .rposition(|window| window == needle)
}
