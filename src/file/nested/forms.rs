//! Which form the values of vectors are coded in: in their order, with or without regard to their
//! dimension, or dimension by dimension. All are tried on the first block of a row group.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef};
use rayon::prelude::*;

use crate::codec::{
    self, Block, Effort, EncodedBlock, Float, Grid, MAX_BLOCK_VALUES, PayloadKind, Plan, Search,
    VectorForm, join_vector, plan_by_position, position_integers,
};

use crate::file::error::Result;
use crate::file::packed::{Limit, Way, float_block, way_of};
use crate::file::psnr;

/// Values of each dimension below which dimensions are not coded by themselves unless they must be.
const FEW: usize = 32;

/// The values of one block.
pub(super) struct Input<'a, F: Float> {
    pub(super) values: Cow<'a, [F]>,
    /// None where they are whole vectors.
    pub(super) positions: Option<Vec<u32>>,
}

/// What values are to keep.
pub(super) enum Coding {
    /// All of them the same.
    One(Limit),
    /// An absolute bound for each dimension.
    Dimensions(Vec<f64>),
    /// All of them together a root mean square error.
    Rmse(f64),
}

/// A coded block.
pub(super) struct Coded {
    /// Empty where there is no value.
    pub(super) payload: Vec<u8>,
    pub(super) parts: Vec<EncodedBlock>,
}

impl Coded {
    pub(super) fn kind(&self) -> PayloadKind {
        let first = self.parts.first();
        first.map_or(PayloadKind::Exact, |part| part.kind)
    }
}

/// The blocks of a row group.
pub(super) struct Encoded {
    pub(super) blocks: Vec<Coded>,
    /// The bound that was found to keep a mean error.
    pub(super) abs_bound: Option<f64>,
}

/// How the values of one leaf are coded.
pub(super) struct Coder {
    pub(super) dimensions: usize,
    pub(super) effort: Effort,
    pub(super) search: Search,
}

impl Coder {
    /// Codes the blocks of a row group; `arrays` hold their values too.
    pub(super) fn encode<F: Float>(
        &self,
        blocks: &[Input<'_, F>],
        coding: &Coding,
        arrays: &[ArrayRef],
    ) -> Result<Encoded> {
        let limit = match coding {
            Coding::One(limit) => *limit,
            Coding::Dimensions(bounds) => {
                let blocks = blocks.par_iter();
                return Ok(Encoded {
                    blocks: blocks
                        .map(|block| self.dimensions(block, |d| Limit::Absolute(bounds[d])))
                        .collect::<Result<_>>()?,
                    abs_bound: None,
                });
            }
            Coding::Rmse(rmse) => return self.within_rmse(blocks, *rmse, arrays),
        };
        let trial = |form: VectorForm, block: &Input<'_, F>| match form {
            VectorForm::Dimensions => self.dimensions(block, |_| limit),
            form => self.runs(block, &prepared(&block.values, limit, form)?, form),
        };
        let Some(first) = blocks.iter().position(|block| !block.values.is_empty()) else {
            let none = || Coded {
                payload: Vec::new(),
                parts: Vec::new(),
            };
            return Ok(Encoded {
                blocks: blocks.iter().map(|_| none()).collect(),
                abs_bound: None,
            });
        };
        let tried = self.forms(&blocks[first]).into_par_iter();
        let tried = tried.map(|form| Ok((form, trial(form, &blocks[first])?)));
        let tried: Vec<(VectorForm, Coded)> = tried.collect::<Result<_>>()?;
        let shortest = tried
            .into_iter()
            .min_by_key(|(_, coded)| coded.payload.len());
        let (form, mut best) = match shortest {
            Some((form, coded)) => (form, Some(coded)),
            None => (VectorForm::Runs, None),
        };
        let rest = blocks.par_iter().enumerate();
        let mut coded: Vec<Option<Coded>> = rest
            .map(|(i, block)| (i != first).then(|| trial(form, block)).transpose())
            .collect::<Result<_>>()?;
        coded[first] = best.take();
        Ok(Encoded {
            blocks: coded.into_iter().flatten().collect(),
            abs_bound: None,
        })
    }

    /// What is worth trying.
    fn forms<F: Float>(&self, block: &Input<'_, F>) -> Vec<VectorForm> {
        let mut forms = vec![VectorForm::Runs];
        if self.dimensions > 1 && self.effort != Effort::Fast {
            forms.push(VectorForm::Positions);
            if block.values.len() / self.dimensions >= FEW {
                forms.push(VectorForm::Dimensions);
            }
        }
        forms
    }

    /// Values in their order, prepared in runs.
    fn runs<F: Float>(
        &self,
        block: &Input<'_, F>,
        runs: &[Run],
        form: VectorForm,
    ) -> Result<Coded> {
        let mut first = 0;
        let mut parts = Vec::with_capacity(runs.len());
        for (run, values) in runs.iter().zip(block.values.chunks(MAX_BLOCK_VALUES)) {
            let (integers, range) = (run.block.integers(), first..first + values.len());
            first = range.end;
            let positional = match form {
                VectorForm::Positions => plan_by_position(integers, self.dimensions, self.effort),
                _ => None,
            };
            parts.push(match positional {
                Some(plan) => {
                    let positions = block.positions.as_deref();
                    let positions = position_integers(positions, range, self.dimensions);
                    run.block.encode(&plan, &[&positions], self.effort)
                }
                // Followed integers are coded by a plan of their own, whatever this one.
                None => {
                    let plan = Plan::alone(integers, self.effort);
                    run.block.encode(&plan, &[], self.effort)
                }
            });
        }
        Ok(joined(form, parts, &[]))
    }

    /// Each dimension by itself, or by others.
    fn dimensions<F: Float>(
        &self,
        block: &Input<'_, F>,
        limit: impl Fn(usize) -> Limit + Sync,
    ) -> Result<Coded> {
        if block.values.is_empty() {
            return Ok(Coded {
                payload: Vec::new(),
                parts: Vec::new(),
            });
        }
        let mut dimensions = vec![Vec::new(); self.dimensions];
        match &block.positions {
            None => {
                let n = block.values.len() / self.dimensions;
                dimensions
                    .iter_mut()
                    .for_each(|values| values.reserve_exact(n));
                for vector in block.values.chunks_exact(self.dimensions) {
                    for (values, x) in dimensions.iter_mut().zip(vector) {
                        values.push(*x);
                    }
                }
            }
            Some(positions) => {
                for (position, x) in positions.iter().zip(block.values.iter()) {
                    dimensions[*position as usize].push(*x);
                }
            }
        }
        let runs: Vec<Run> = dimensions
            .par_iter()
            .enumerate()
            .map(|(d, values)| Run::new(values, limit(d), VectorForm::Runs))
            .collect::<Result<_>>()?;
        let integers: Vec<Option<&[i32]>> = runs.iter().map(Run::integers).collect();
        let pieces: Vec<Option<Vec<&[i32]>>> = integers
            .iter()
            .map(|one| one.map(|one| vec![one]))
            .collect();
        let mut search = self.search;
        // Readers of a vector decode all its dimensions.
        search.price = 0.0;
        if block.positions.is_some() {
            // Only where all are as long are they aligned.
            search.references = 0;
        }
        let plans = codec::plan(&pieces, search);
        let parts = runs.par_iter().zip(&plans).map(|(run, plan)| {
            let references = plan.references.iter();
            let references: Option<Vec<&[i32]>> = references.map(|d| integers[*d]).collect();
            // Plans refer to dimensions that have integers.
            let references = references.unwrap_or_default();
            let mut part = run.block.encode(plan, &references, self.effort);
            if run.is_empty {
                part.payload.clear();
            }
            (part, plan.references.clone())
        });
        let (parts, references): (Vec<EncodedBlock>, Vec<Vec<usize>>) = parts.unzip();
        Ok(joined(VectorForm::Dimensions, parts, &references))
    }

    /// Values in their order, such that they keep a root mean square error.
    fn within_rmse<F: Float>(
        &self,
        blocks: &[Input<'_, F>],
        rmse: f64,
        arrays: &[ArrayRef],
    ) -> Result<Encoded> {
        let runs_of = |array: &ArrayRef| -> Vec<ArrayRef> {
            let starts = (0..array.len()).step_by(MAX_BLOCK_VALUES);
            starts
                .map(|at| array.slice(at, MAX_BLOCK_VALUES.min(array.len() - at)))
                .collect()
        };
        let slices: Vec<ArrayRef> = arrays.iter().flat_map(runs_of).collect();
        let form = match self.dimensions {
            1 => VectorForm::Runs,
            _ => VectorForm::Positions,
        };
        let (prepared, bound) = psnr::fit(&slices, rmse, |bound| {
            let all = blocks.par_iter().map(|block| {
                // The bound is fitted to the blocks as they come out of this.
                prepared(&block.values, Limit::Absolute(bound), VectorForm::Positions)
            });
            let all: Vec<Vec<Run>> = all.collect::<Result<_>>()?;
            Ok(all.into_iter().flatten().map(|run| run.block).collect())
        })?;
        let mut prepared = prepared.into_iter();
        let coded = blocks.iter().map(|block| {
            let runs = block.values.len().div_ceil(MAX_BLOCK_VALUES);
            let runs = prepared.by_ref().take(runs);
            let runs: Vec<Run> = runs
                .map(|block| Run {
                    block,
                    followed: false,
                    is_empty: false,
                })
                .collect();
            self.runs(block, &runs, form)
        });
        Ok(Encoded {
            blocks: coded.collect::<Result<_>>()?,
            abs_bound: Some(bound),
        })
    }
}

/// Values that make one payload.
struct Run {
    block: Block,
    followed: bool,
    is_empty: bool,
}

impl Run {
    fn new<F: Float>(values: &[F], limit: Limit, form: VectorForm) -> Result<Self> {
        let way = match (limit, form) {
            (Limit::Pointwise(_), _) => None,
            // Followed integers are coded by their one plan, which is not by position.
            (Limit::Absolute(bound), VectorForm::Positions) => {
                Grid::of(values, bound).map(Way::Nearest)
            }
            (Limit::Absolute(bound), _) => way_of(values, bound),
        };
        Ok(Self {
            block: float_block(values, limit, way)?,
            followed: matches!(way, Some(Way::Follow(_))),
            is_empty: values.is_empty(),
        })
    }

    /// The integers that others may refer to.
    fn integers(&self) -> Option<&[i32]> {
        if self.followed || self.is_empty {
            return None;
        }
        self.block.integers()
    }
}

fn prepared<F: Float>(values: &[F], limit: Limit, form: VectorForm) -> Result<Vec<Run>> {
    let runs = values.chunks(MAX_BLOCK_VALUES);
    runs.map(|run| Run::new(run, limit, form)).collect()
}

fn joined(form: VectorForm, parts: Vec<EncodedBlock>, references: &[Vec<usize>]) -> Coded {
    let payload = match parts.is_empty() {
        true => Vec::new(),
        false => join_vector(form, &parts, references),
    };
    Coded { payload, parts }
}
