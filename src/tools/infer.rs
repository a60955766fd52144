//! The type of a CSV column, from every one of its values in every file.

use arrow::compute::kernels::cast_utils::{Parser, string_to_timestamp_nanos};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit};

use crate::codec::ValueRange;

/// What a column's values have been so far. An empty text is null and says nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    kinds: u16,
    /// Of the finite numbers, read as Float64.
    range: ValueRange,
}

const BOOLEAN: u16 = 1;
/// Digits that fit Int64.
const INTEGER: u16 = 1 << 1;
/// Digits that do not: kept as text, unless other values show that the column is a float.
const LONG_INTEGER: u16 = 1 << 2;
const FLOAT: u16 = 1 << 3;
const DATE: u16 = 1 << 4;
/// A date and time without (local) and with (UTC) a final `Z`.
const LOCAL: u16 = 1 << 5;
const UTC: u16 = 1 << 6;
/// Digits after the second, at most 3, 6 and 9.
const MILLIS: u16 = 1 << 7;
const MICROS: u16 = 1 << 8;
const NANOS: u16 = 1 << 9;
/// A year that 64-bit nanoseconds cannot express.
const FAR_YEAR: u16 = 1 << 10;
const TEXT: u16 = 1 << 11;

impl Seen {
    pub const NOTHING: Seen = Seen {
        kinds: 0,
        range: ValueRange::EMPTY,
    };

    /// Takes one value in; `text` is as written, unquoted.
    pub fn update(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.kinds |= if let Some((kind, value)) = number(text) {
            if value.is_finite() {
                self.range = self.range.union(&ValueRange {
                    min: value,
                    max: value,
                });
            }
            kind
        } else if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            BOOLEAN
        } else {
            moment(text).unwrap_or(TEXT)
        };
    }

    /// What two parts of a column have been together.
    pub fn merge(&self, other: &Self) -> Self {
        Self {
            kinds: self.kinds | other.kinds,
            range: self.range.union(&other.range),
        }
    }

    /// The narrowest type that holds every value seen; `Utf8` where nothing narrower does.
    pub fn data_type(&self) -> DataType {
        let only = |kinds: u16| self.kinds & !kinds == 0;
        let timestamp = LOCAL | MILLIS | MICROS | NANOS | FAR_YEAR;
        match self.kinds {
            // No value at all: text is the type that any later file's values fit.
            0 => DataType::Utf8,
            BOOLEAN => DataType::Boolean,
            INTEGER => DataType::Int64,
            DATE => DataType::Date32,
            kinds if only(INTEGER | LONG_INTEGER | FLOAT) && kinds & FLOAT != 0 => {
                DataType::Float64
            }
            _ if only(timestamp | DATE) => self.timestamp(None),
            // Dates have no time zone, so that a mix with them is not a moment in UTC.
            _ if only((timestamp & !LOCAL) | UTC) => self.timestamp(Some("+00:00")),
            _ => DataType::Utf8,
        }
    }

    fn timestamp(&self, zone: Option<&str>) -> DataType {
        let unit = match self.kinds {
            kinds if kinds & NANOS != 0 && kinds & FAR_YEAR != 0 => return DataType::Utf8,
            kinds if kinds & NANOS != 0 => TimeUnit::Nanosecond,
            kinds if kinds & MICROS != 0 => TimeUnit::Microsecond,
            kinds if kinds & MILLIS != 0 => TimeUnit::Millisecond,
            _ => TimeUnit::Second,
        };
        DataType::Timestamp(unit, zone.map(Into::into))
    }

    /// The range of the finite numbers, read as Float64.
    pub fn range(&self) -> ValueRange {
        self.range
    }

    /// Whether every value seen can be read as `wanted` (a type from another file) without loss,
    /// rounding to a narrower float aside.
    pub fn fits(&self, wanted: &DataType) -> bool {
        use DataType::*;
        match (self.data_type(), wanted) {
            (found, wanted) if &found == wanted => true,
            _ if self.kinds == 0 => {
                wanted.is_integer() || wanted.is_floating() || is_csv_type(wanted)
            }
            (_, Utf8 | Utf8View | Dictionary(..)) => is_csv_type(wanted),
            (Int64, wanted) if wanted.is_integer() => self.in_integer_range(wanted),
            (Int64 | Float64, wanted) => wanted.is_floating(),
            (Date32, Timestamp(_, None)) => true,
            (Timestamp(found, zone), Timestamp(wanted, other)) => {
                found as u8 <= *wanted as u8 && zone.is_some() == other.is_some()
            }
            _ => false,
        }
    }

    fn in_integer_range(&self, wanted: &DataType) -> bool {
        let bits = 8 * wanted.primitive_width().unwrap_or(0) as i32;
        let (low, high) = if wanted.is_unsigned_integer() {
            (0.0, 2f64.powi(bits))
        } else {
            (-(2f64.powi(bits - 1)), 2f64.powi(bits - 1))
        };
        low <= self.range.min && self.range.max < high
    }
}

/// Whether the CSV reader can give this type, numbers aside.
fn is_csv_type(data_type: &DataType) -> bool {
    use DataType::*;
    match data_type {
        Utf8 | Utf8View | Boolean | Date32 | Date64 | Timestamp(..) => true,
        Dictionary(_, value) => value.as_ref() == &Utf8,
        _ => false,
    }
}

/// INTEGER, LONG_INTEGER or FLOAT, and the value as Float64; blanks around a number are allowed.
fn number(text: &str) -> Option<(u16, f64)> {
    let text = text.trim_ascii();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let named = ["nan", "inf", "infinity"]
        .iter()
        .any(|name| unsigned.eq_ignore_ascii_case(name));
    if !named && !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let value = Float64Type::parse(text)?;
    let kind = if !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        FLOAT
    } else if Int64Type::parse(text).is_some() {
        INTEGER
    } else {
        LONG_INTEGER
    };
    Some((kind, value))
}

/// `YYYY-MM-DD`, or that and `[T ]HH:MM:SS[.fraction][Z]`, if there is such a moment.
fn moment(text: &str) -> Option<u16> {
    let bytes = text.as_bytes();
    let shaped = |at: usize, shape: &[u8]| {
        bytes.get(at..at + shape.len()).is_some_and(|part| {
            part.iter().zip(shape).all(|(byte, want)| match want {
                b'0' => byte.is_ascii_digit(),
                want => byte == want,
            })
        })
    };
    if !shaped(0, b"0000-00-00") || Date32Type::parse(text.get(..10)?).is_none() {
        return None;
    }
    if bytes.len() == 10 {
        return Some(DATE);
    }
    let in_day = shaped(11, b"00:00:00")
        && matches!(bytes[10], b'T' | b' ')
        && &bytes[11..13] < b"24".as_slice()
        && bytes[14] < b'6'
        // Nor a leap second: Arrow's timestamps have none.
        && bytes[17] < b'6';
    if !in_day {
        return None;
    }
    let rest = text.get(19..)?;
    let (fraction, zone) = match rest.strip_suffix('Z') {
        Some(fraction) => (fraction, UTC),
        None => (rest, LOCAL),
    };
    let precision = match fraction.strip_prefix('.') {
        None if fraction.is_empty() => 0,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            match digits.len() {
                1..=3 => MILLIS,
                4..=6 => MICROS,
                7..=9 => NANOS,
                _ => return None,
            }
        }
        _ => return None,
    };
    let far = if string_to_timestamp_nanos(text).is_err() {
        FAR_YEAR
    } else {
        0
    };
    Some(zone | precision | far)
}
