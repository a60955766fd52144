//! The leaves of a nested column: which there are, what they are called, and which are packed.

use arrow::datatypes::{DataType, Field, Schema};

use crate::codec::ElementType;

use crate::file::column::{element_type, is_float};

/// Levels (values, nulls and empty lists) of one block, at most: what bounds the memory of a reader.
pub(in crate::file) const MAX_BLOCK_LEVELS: usize = 1 << 24;

/// Lists and structs around a leaf that is packed, at most: levels are bytes in memory.
const MAX_DEPTH: usize = 64;

/// From a field to the one inside that holds a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a field of a struct.
    Field(usize),
    /// Into the items of a list.
    Item,
}

/// A leaf of a top-level column, in the order of the Parquet schema.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::file) struct Leaf {
    /// The names of the column and of the fields of structs below it. The items of lists have none.
    pub(in crate::file) path: Vec<String>,
    pub(in crate::file) data_type: DataType,
    /// None for a leaf that stays ordinary Parquet.
    pub(in crate::file) element: Option<ElementType>,
    pub(super) steps: Vec<Step>,
    /// Definition and repetition level of a value.
    pub(super) max_def: u8,
    pub(super) max_rep: u8,
    /// Sizes of the innermost lists, as long as they are of fixed size, outermost first.
    pub(super) sizes: Vec<usize>,
}

impl Leaf {
    /// The names, joined by dots.
    pub(in crate::file) fn name(&self) -> String {
        self.path.join(".")
    }

    /// The names that bounds may be given by, the longest first. A dotted name that a column of
    /// `schema` has stands for that column alone.
    pub(in crate::file) fn names(&self, schema: &Schema) -> Vec<String> {
        let lengths = (1..=self.path.len()).rev();
        let names = lengths.map(|n| (n, self.path[..n].join(".")));
        names
            .filter(|(n, name)| *n == 1 || schema.field_with_name(name).is_err())
            .map(|(_, name)| name)
            .collect()
    }

    /// Its own name, unless a column of `schema` is called so.
    pub(in crate::file) fn own_name(&self, schema: &Schema) -> Option<String> {
        let name = self.name();
        (self.path.len() == 1 || schema.field_with_name(&name).is_err()).then_some(name)
    }

    /// Dimensions of the vectors that its values are; 1 where they are none of fixed size.
    pub(in crate::file) fn dimensions(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Whether it is a column by itself.
    pub(in crate::file) fn is_flat(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether its levels repeat: whether it is in a list.
    pub(in crate::file) fn is_repeated(&self) -> bool {
        self.max_rep > 0
    }
}

/// The leaves of a column of which at least one is packed; None for all other columns.
pub(in crate::file) fn leaves(field: &Field) -> Option<Vec<Leaf>> {
    if !field.data_type().is_nested() {
        return None;
    }
    let leaves = all_leaves(field);
    let packed = leaves.iter().any(|leaf| leaf.element.is_some());
    packed.then_some(leaves)
}

/// The leaves that a dotted name stands for as the name of a bound, if no column is called so.
pub(in crate::file) fn dotted_leaves(schema: &Schema, name: &str) -> Vec<Leaf> {
    let fields = schema.fields().iter();
    let structs = fields.filter(|field| {
        // Most columns are not meant.
        let rest = name.strip_prefix(field.name().as_str());
        rest.is_some_and(|rest| rest.starts_with('.'))
    });
    let leaves = structs.flat_map(|field| all_leaves(field));
    leaves
        .filter(|leaf| leaf.names(schema).iter().any(|own| own == name))
        .collect()
}

/// The leaves of any column; a flat column is its own.
pub(in crate::file) fn all_leaves(field: &Field) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let root = Walk {
        path: vec![field.name().clone()],
        steps: Vec::new(),
        max_def: 0,
        max_rep: 0,
        sizes: Vec::new(),
        packable: true,
    };
    walk(field, root, &mut leaves);
    leaves
}

/// Where a walk through a column's type is.
#[derive(Clone)]
struct Walk {
    path: Vec<String>,
    steps: Vec<Step>,
    max_def: usize,
    max_rep: usize,
    sizes: Vec<usize>,
    packable: bool,
}

fn walk(field: &Field, mut at: Walk, leaves: &mut Vec<Leaf>) {
    at.max_def += usize::from(field.is_nullable());
    match field.data_type() {
        DataType::Struct(fields) => {
            for (i, field) in fields.iter().enumerate() {
                let mut inside = at.clone();
                inside.path.push(field.name().clone());
                inside.steps.push(Step::Field(i));
                walk(field, inside, leaves);
            }
        }
        DataType::List(item) | DataType::LargeList(item) => {
            at.sizes.clear();
            walk(item, in_list(at), leaves);
        }
        DataType::FixedSizeList(item, size) => {
            at.sizes.push(usize::try_from(*size).unwrap_or(0));
            // Parquet has no levels for what is not there; nor may a row be larger than a block.
            let all = at
                .sizes
                .iter()
                .try_fold(1usize, |all, n| all.checked_mul(*n));
            at.packable &= all.is_some_and(|all| (1..=MAX_BLOCK_LEVELS).contains(&all));
            walk(item, in_list(at), leaves);
        }
        DataType::ListView(item) | DataType::LargeListView(item) => {
            at.packable = false;
            walk(item, in_list(at), leaves);
        }
        DataType::Map(entries, _) => {
            at.packable = false;
            walk(entries, in_list(at), leaves);
        }
        data_type => {
            let packed = at.packable
                && is_float(data_type)
                && at.steps.len() <= MAX_DEPTH
                && !at.steps.is_empty();
            leaves.push(Leaf {
                path: at.path,
                data_type: data_type.clone(),
                element: element_type(data_type).filter(|_| packed),
                steps: at.steps,
                max_def: u8::try_from(at.max_def).unwrap_or(u8::MAX),
                max_rep: u8::try_from(at.max_rep).unwrap_or(u8::MAX),
                sizes: at.sizes,
            });
        }
    }
}

fn in_list(mut at: Walk) -> Walk {
    at.steps.push(Step::Item);
    at.max_def += 1;
    at.max_rep += 1;
    at
}

impl Leaf {
    /// The positions in its vector of each value that is there.
    pub(super) fn positions(&self, rep: &[u8], def: &[u8]) -> Vec<u32> {
        let outer = usize::from(self.max_rep) - self.sizes.len();
        // Of each list of fixed size, the item that the walk is at.
        let mut items = vec![0usize; self.sizes.len()];
        let mut positions = Vec::with_capacity(def.len());
        for (rep, def) in rep.iter().zip(def) {
            // Level `outer + 1 + i` goes on in list i.
            match usize::from(*rep).checked_sub(outer + 1) {
                Some(list) if list < items.len() => {
                    items[list] += 1;
                    items[list + 1..].fill(0);
                }
                _ => items.fill(0),
            }
            if *def == self.max_def {
                let position = self
                    .sizes
                    .iter()
                    .zip(&items)
                    .fold(0usize, |position, (size, item)| {
                        position.wrapping_mul(*size).wrapping_add(*item)
                    });
                positions.push(position as u32);
            }
        }
        positions
    }
}
