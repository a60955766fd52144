//! The `Range` header of RFC 9110, section 14, and bodies of several parts.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

/// More parts than this in one request are refused: nobody needs them who means well.
const MAX_RANGES: usize = 1024;

/// What a `Range` header asks of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The whole file: there is no such header, or none that is understood.
    Whole,
    /// These parts, none empty, no two overlapping.
    Parts(Vec<Range<u64>>),
    /// Nothing that the file has, or too many parts.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `len` bytes. Overlapping ranges are joined, which puts all
/// of them in ascending order; otherwise they stay in the order that they were asked in.
pub fn parse(header: &str, len: u64) -> Asked {
    let Some((unit, list)) = header.split_once('=') else {
        return Asked::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let mut ranges = Vec::new();
    let mut count = 0;
    for item in list.split(',').map(str::trim) {
        // An empty item of a list means nothing (RFC 9110, section 5.6.1).
        if item.is_empty() {
            continue;
        }
        count += 1;
        if count > MAX_RANGES {
            return Asked::Unsatisfiable;
        }
        match range(item, len) {
            None => return Asked::Whole,
            Some(range) if range.is_empty() => {}
            Some(range) => ranges.push(range),
        }
    }
    match (count, ranges.is_empty()) {
        (0, _) => Asked::Whole,
        (_, true) => Asked::Unsatisfiable,
        _ => Asked::Parts(without_overlap(ranges)),
    }
}

/// One range within the file, empty where the file ends before it starts; None if it is malformed.
fn range(item: &str, len: u64) -> Option<Range<u64>> {
    let (first, last) = item.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(len.saturating_sub(suffix)..len);
    }
    let first = number(first)?;
    let end = if last.is_empty() {
        len
    } else {
        let last = number(last)?;
        if last < first {
            return None;
        }
        last.saturating_add(1).min(len)
    };
    Some(first.min(end)..end)
}

/// Digits only; what is too large for 64 bits lies beyond every file.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn without_overlap(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut sorted = ranges.clone();
    sorted.sort_unstable_by_key(|range| range.start);
    if sorted.windows(2).all(|pair| pair[0].end <= pair[1].start) {
        return ranges;
    }
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// The value of `Content-Range`.
pub fn content_range(range: &Range<u64>, len: u64) -> String {
    format!("bytes {}-{}/{len}", range.start, range.end - 1)
}

/// A `multipart/byteranges` body: what stands before each part, and after the last.
pub struct Multipart {
    pub boundary: String,
    pub heads: Vec<String>,
    pub tail: String,
}

impl Multipart {
    pub fn new(ranges: &[Range<u64>], len: u64, content_type: &str) -> Self {
        let boundary = boundary();
        let heads = ranges.iter().map(|range| {
            let range = content_range(range, len);
            format!(
                "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {range}\r\n\r\n"
            )
        });
        Self {
            heads: heads.collect(),
            tail: format!("\r\n--{boundary}--\r\n"),
            boundary,
        }
    }
}

/// 128 random bits, which no file holds but by a chance of nothing.
fn boundary() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("tolerant-{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(header: &str, len: u64) -> Vec<Range<u64>> {
        match parse(header, len) {
            Asked::Parts(parts) => parts,
            other => panic!("{header}: {other:?}"),
        }
    }

    fn one(range: Range<u64>) -> Vec<Range<u64>> {
        Vec::from_iter([range])
    }

    #[test]
    fn ranges_of_the_specification() {
        assert_eq!(parts("bytes=0-499", 10_000), one(0..500));
        assert_eq!(parts("bytes=-500", 10_000), one(9500..10_000));
        assert_eq!(parts("bytes=9500-", 10_000), one(9500..10_000));
        assert_eq!(parts("bytes=0-0,-1", 10_000), [0..1, 9999..10_000]);
        assert_eq!(parts("bytes= 5-6 , 1-2", 10_000), [5..7, 1..3]);
        assert_eq!(parts("bytes=500-700,601-999", 10_000), one(500..1000));
        assert_eq!(parts("bytes=0-99999999999999999999", 10), one(0..10));
        assert_eq!(parts("bytes=-99", 10), one(0..10));
        assert_eq!(parts("bytes=20-30,2-3", 10), one(2..4));
    }

    #[test]
    fn what_is_not_understood_is_ignored() {
        for header in [
            "bytes",
            "rows=1-2",
            "bytes=",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=-",
            "bytes=1",
        ] {
            assert_eq!(parse(header, 10), Asked::Whole, "{header}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for header in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99-,50-60"] {
            assert_eq!(parse(header, 10), Asked::Unsatisfiable, "{header}");
        }
        let many = format!("bytes={}", "0-0,".repeat(2000));
        assert_eq!(parse(&many, 10), Asked::Unsatisfiable);
    }

    proptest! {
        #[test]
        fn parts_are_what_was_asked_for(
            asked in prop::collection::vec((0u64..120, 0u64..120), 1..8),
            len in 1u64..100,
        ) {
            let items: Vec<_> = asked.iter().map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))).collect();
            let covered = |at: u64| asked.iter().any(|(a, b)| (*a.min(b)..=*a.max(b)).contains(&at));
            let found = match parse(&format!("bytes={}", items.join(",")), len) {
                Asked::Parts(parts) => parts,
                Asked::Unsatisfiable => Vec::new(),
                Asked::Whole => return Err(TestCaseError::fail("ignored")),
            };
            for at in 0..len {
                let times = found.iter().filter(|part| part.contains(&at)).count();
                prop_assert_eq!(times, usize::from(covered(at)));
            }
            prop_assert!(found.iter().all(|part| part.end <= len && !part.is_empty()));
        }

        #[test]
        fn no_header_panics(header in "\\PC{0,40}", len in any::<u64>()) {
            parse(&header, len);
        }
    }
}
