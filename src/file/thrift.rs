//! Thrift footers, looked through before parquet-rs reads them.
//!
//! parquet-rs makes room for as many row groups and children of a column as a footer says that there
//! are, keeps the whole path of each column, and follows a schema as deep as it goes: forty bytes can
//! end the process. It also takes a field that it knows for what it should be, whatever type stands
//! before it; where these differ it would read something else than was looked through, and so they
//! may not.
//!
//! Source: the Thrift compact protocol, and `parquet.thrift` of parquet-format 2.12.

use super::error::{FileError, Result};

/// How deep structs and lists lie within one another; four times what a footer needs.
const MAX_DEPTH: usize = 64;
/// How deep columns lie within one another.
const MAX_SCHEMA_DEPTH: usize = 200;
/// parquet-rs numbers row groups by 16 bits.
pub(super) const MAX_ROW_GROUPS: u64 = 1 << 15;
/// Bytes of the names of all columns, each with those of what it lies in: so much, or this many times the
/// footer.
const MAX_PATHS: usize = 64 << 20;
const MAX_PATHS_OF_FOOTER: usize = 16;
/// The least that an element of a schema takes, and a page of an offset index.
const LEAST_ELEMENT: u64 = 3;
const LEAST_PAGE: u64 = 7;

/// What a field of a struct is.
#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Byte,
    /// Of any width: all are varints, and fastparquet writes 64 bits for most.
    Int,
    /// Of a schema element: what it is called, and how many of those that follow are its children.
    Name,
    Children,
    Double,
    Binary,
    List(&'static Kind),
    /// A list of schema elements.
    Schema,
    RowGroups,
    Struct(Fields),
    /// As the field itself says.
    Any(u8),
}
use Kind::{Binary, Bool, Byte, Children, Double, Int, List, Name, RowGroups, Schema, Struct};

/// The fields that parquet-rs knows of a struct, by their ids.
type Fields = &'static [(i16, Kind)];

const EMPTY: Kind = Struct(&[]);
const UNIT: Kind = Struct(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]);
const TIME: Kind = Struct(&[(1, Bool), (2, UNIT)]);
const LOGICAL_TYPE: Kind = Struct(&[
    (1, EMPTY),
    (2, EMPTY),
    (3, EMPTY),
    (4, EMPTY),
    (5, Struct(&[(1, Int), (2, Int)])),
    (6, EMPTY),
    (7, TIME),
    (8, TIME),
    (10, Struct(&[(1, Byte), (2, Bool)])),
    (11, EMPTY),
    (12, EMPTY),
    (13, EMPTY),
    (14, EMPTY),
    (15, EMPTY),
    (16, Struct(&[(1, Byte)])),
    (17, Struct(&[(1, Binary)])),
    (18, Struct(&[(1, Binary), (2, Int)])),
]);
const SCHEMA_ELEMENT: Fields = &[
    (1, Int),
    (2, Int),
    (3, Int),
    (4, Name),
    (5, Children),
    (6, Int),
    (7, Int),
    (8, Int),
    (9, Int),
    (10, LOGICAL_TYPE),
];
const KEY_VALUE: Kind = Struct(&[(1, Binary), (2, Binary)]);
const STATISTICS: Kind = Struct(&[
    (1, Binary),
    (2, Binary),
    (3, Int),
    (4, Int),
    (5, Binary),
    (6, Binary),
    (7, Bool),
    (8, Bool),
]);
const SIZE_STATISTICS: Kind = Struct(&[(1, Int), (2, List(&Int)), (3, List(&Int))]);
const BOX: Kind = Struct(&[
    (1, Double),
    (2, Double),
    (3, Double),
    (4, Double),
    (5, Double),
    (6, Double),
    (7, Double),
    (8, Double),
]);
const ENCODING_STATS: Kind = Struct(&[(1, Int), (2, Int), (3, Int)]);
const COLUMN: Kind = Struct(&[
    (1, Int),
    (2, List(&Int)),
    (3, List(&Binary)),
    (4, Int),
    (5, Int),
    (6, Int),
    (7, Int),
    (8, List(&KEY_VALUE)),
    (9, Int),
    (10, Int),
    (11, Int),
    (12, STATISTICS),
    (13, List(&ENCODING_STATS)),
    (14, Int),
    (15, Int),
    (16, SIZE_STATISTICS),
    (17, Struct(&[(1, BOX), (2, List(&Int))])),
]);
const COLUMN_KEY: Kind = Struct(&[(1, List(&Binary)), (2, Binary)]);
const COLUMN_CHUNK: Kind = Struct(&[
    (1, Binary),
    (2, Int),
    (3, COLUMN),
    (4, Int),
    (5, Int),
    (6, Int),
    (7, Int),
    (8, Struct(&[(1, EMPTY), (2, COLUMN_KEY)])),
    (9, Binary),
]);
const SORTING_COLUMN: Kind = Struct(&[(1, Int), (2, Bool), (3, Bool)]);
const ROW_GROUP: Fields = &[
    (1, List(&COLUMN_CHUNK)),
    (2, Int),
    (3, Int),
    (4, List(&SORTING_COLUMN)),
    (5, Int),
    (6, Int),
    (7, Int),
];
const CIPHER: Kind = Struct(&[(1, Binary), (2, Binary), (3, Bool)]);
const FILE: Fields = &[
    (1, Int),
    (2, Schema),
    (3, Int),
    (4, RowGroups),
    (5, List(&KEY_VALUE)),
    (6, Binary),
    (7, List(&Struct(&[(1, EMPTY), (2, EMPTY)]))),
    (8, Struct(&[(1, CIPHER), (2, CIPHER)])),
    (9, Binary),
];

/// The types of the compact protocol.
mod wire {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const UUID: u8 = 13;
}

impl Kind {
    fn is(self, wire: u8) -> bool {
        match self {
            Bool => matches!(wire, wire::TRUE | wire::FALSE),
            Byte => wire == wire::BYTE,
            Int | Children => matches!(wire, wire::I16 | wire::I32 | wire::I64),
            Double => wire == wire::DOUBLE,
            Binary | Name => wire == wire::BINARY,
            List(_) | Schema | RowGroups => wire == wire::LIST,
            Struct(_) => wire == wire::STRUCT,
            Kind::Any(own) => wire == own,
        }
    }
}

/// An error where parquet-rs should not be given this footer.
///
/// # Errors
/// [`FileError::Corrupt`] for a list of more elements than there can be, for columns too deep within one
/// another, and for a field of another type than Parquet gives it.
pub(super) fn check_footer(footer: &[u8]) -> Result<()> {
    let mut walk = Walk::new(footer);
    walk.fields(FILE, 0)
}

/// Whether parquet-rs may be given this offset index: it has no more pages than there can be.
pub(super) fn is_offset_index(index: &[u8]) -> bool {
    let mut walk = Walk::new(index);
    let pages = walk.byte().and_then(|_| walk.list());
    pages.is_ok_and(|(_, pages)| pages.saturating_mul(LEAST_PAGE) <= walk.rest.len() as u64)
}

/// The bytes that have not been looked through.
struct Walk<'a> {
    rest: &'a [u8],
    len: usize,
    /// Of the last schema element.
    children: i32,
    name: usize,
}

impl<'a> Walk<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self {
            rest,
            len: rest.len(),
            children: 0,
            name: 0,
        }
    }

    fn fields(&mut self, known: Fields, depth: usize) -> Result<()> {
        let mut last = 0i16;
        loop {
            let header = self.byte()?;
            let wire = header & 0xf;
            if wire == 0 {
                return Ok(());
            }
            let id = match header >> 4 {
                0 => self.zigzag()? as i16,
                delta => last
                    .checked_add(i16::from(delta))
                    .ok_or_else(|| senseless("a field without a number"))?,
            };
            last = id;
            let kind = known.iter().find(|(known, _)| *known == id);
            let kind = kind.map_or(Kind::Any(wire), |(_, kind)| *kind);
            if !kind.is(wire) {
                return Err(senseless("a field of another type than Parquet's"));
            }
            // Of a field, the type is the value.
            if !matches!(wire, wire::TRUE | wire::FALSE) {
                self.value(kind, depth + 1)?;
            }
        }
    }

    fn value(&mut self, kind: Kind, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(senseless("it is too deep"));
        }
        match kind {
            Bool | Byte => self.byte().map(|_| ()),
            Int => self.varint().map(|_| ()),
            Children => {
                self.children = self.zigzag()? as i32;
                Ok(())
            }
            Double => self.skip(8),
            Name => {
                let before = self.rest.len();
                self.value(Binary, depth)?;
                self.name = before - self.rest.len();
                Ok(())
            }
            Binary => {
                let len = self.varint()?;
                self.skip(len)
            }
            Struct(known) => self.fields(known, depth),
            List(element) => {
                let count = self.list_of(*element)?;
                self.values(*element, count, depth)
            }
            Schema => self.schema(depth),
            RowGroups => match self.list_of(Struct(ROW_GROUP))? {
                count @ ..=MAX_ROW_GROUPS => self.values(Struct(ROW_GROUP), count, depth),
                _ => Err(senseless("more row groups than there can be")),
            },
            Kind::Any(wire) => self.unknown(wire, depth),
        }
    }

    /// A value of which nothing is known but how it is written.
    fn unknown(&mut self, wire: u8, depth: usize) -> Result<()> {
        match wire {
            // parquet-rs takes them to have no length.
            wire::TRUE | wire::FALSE => Err(senseless("a list of booleans")),
            wire::BYTE => self.value(Byte, depth),
            wire::I16 | wire::I32 | wire::I64 => self.value(Int, depth),
            wire::DOUBLE => self.value(Double, depth),
            wire::BINARY => self.value(Binary, depth),
            wire::LIST | wire::SET => {
                let (wire, count) = self.list()?;
                self.values(Kind::Any(wire), count, depth)
            }
            wire::MAP => self.map(depth),
            wire::STRUCT => self.fields(&[], depth),
            wire::UUID => self.skip(16),
            _ => Err(senseless("a type that there is not")),
        }
    }

    fn values(&mut self, kind: Kind, count: u64, depth: usize) -> Result<()> {
        (0..count).try_for_each(|_| self.value(kind, depth + 1))
    }

    /// The number of a list's elements, which must be of this kind.
    fn list_of(&mut self, kind: Kind) -> Result<u64> {
        let (wire, count) = self.list()?;
        match count == 0 || kind.is(wire) {
            true => Ok(count),
            false => Err(senseless("a list of another type than Parquet's")),
        }
    }

    fn schema(&mut self, depth: usize) -> Result<()> {
        let element = Struct(SCHEMA_ELEMENT);
        let count = self.list_of(element)?;
        if count.saturating_mul(LEAST_ELEMENT) > self.rest.len() as u64 {
            return Err(senseless("a list of more elements than bytes"));
        }
        let mut tree = Tree::default();
        for i in 0..count {
            (self.children, self.name) = (0, 0);
            self.value(element, depth + 1)?;
            tree.add(self.children, self.name, count - i - 1)?;
        }
        let most = MAX_PATHS.max(self.len.saturating_mul(MAX_PATHS_OF_FOOTER));
        match tree.paths <= most {
            true => Ok(()),
            false => Err(senseless("names of columns without end")),
        }
    }

    fn map(&mut self, depth: usize) -> Result<()> {
        let count = self.count()?;
        if count > 0 {
            let kinds = self.byte()?;
            for _ in 0..count {
                self.value(Kind::Any(kinds >> 4), depth + 1)?;
                self.value(Kind::Any(kinds & 0xf), depth + 1)?;
            }
        }
        Ok(())
    }

    /// The type and the number of a list's elements.
    fn list(&mut self) -> Result<(u8, u64)> {
        let header = self.byte()?;
        let count = match header >> 4 {
            15 => self.count()?,
            count => u64::from(count),
        };
        Ok((header & 0xf, count))
    }

    /// A number of elements, of which each has a byte at least.
    fn count(&mut self) -> Result<u64> {
        let count = self.varint()?;
        match count <= self.rest.len() as u64 {
            true => Ok(count),
            false => Err(senseless("a list of more elements than bytes")),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self
            .rest
            .split_first()
            .ok_or_else(|| senseless("it is cut"))?;
        self.rest = rest;
        Ok(*first)
    }

    fn skip(&mut self, len: impl TryInto<usize>) -> Result<()> {
        let rest = len.try_into().ok().and_then(|len| self.rest.get(len..));
        self.rest = rest.ok_or_else(|| senseless("it is cut"))?;
        Ok(())
    }

    /// As parquet-rs, of which this must take the same bytes for the same number.
    fn varint(&mut self) -> Result<u64> {
        let (mut number, mut shift) = (0u64, 0u32);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift = shift.wrapping_add(7);
        }
    }

    fn zigzag(&mut self) -> Result<i64> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

/// The shape of a schema, from its elements in order.
#[derive(Default)]
struct Tree {
    /// For each open group the children that are still to come, and the bytes of its name.
    open: Vec<(u64, usize)>,
    /// The sum of the children that are still to come, and that of the names.
    awaited: u64,
    names: usize,
    /// Bytes of the paths of all columns.
    paths: usize,
}

impl Tree {
    /// Adds an element, which `left` others follow.
    fn add(&mut self, children: i32, name: usize, left: u64) -> Result<()> {
        while let Some((0, closed)) = self.open.last() {
            self.names -= closed;
            self.open.pop();
        }
        if let Some((awaited, _)) = self.open.last_mut() {
            *awaited -= 1;
            self.awaited -= 1;
        }
        let children =
            u64::try_from(children).map_err(|_| senseless("a negative number of columns"))?;
        self.awaited += children;
        if self.awaited > left {
            return Err(senseless("columns that are not there"));
        }
        if children > 0 {
            self.names += name;
            self.open.push((children, name));
        } else {
            self.paths = self.paths.saturating_add(self.names + name);
        }
        match self.open.len() <= MAX_SCHEMA_DEPTH {
            true => Ok(()),
            false => Err(FileError::corrupt(format!(
                "columns within columns, more than {MAX_SCHEMA_DEPTH} deep"
            ))),
        }
    }
}

fn senseless(what: &str) -> FileError {
    FileError::corrupt(format!("the footer makes no sense: {what}"))
}
