//! The sweep of all methods: from the most careful parameter on, until the model bears no more.

use super::{Phase, Search};
use crate::tune::candidate::Candidate;
use crate::tune::error::Result;

/// A method's sweep ends at a loss that is so many times the one that is allowed, and at least this much.
const HOPELESS: f64 = 5.0;
const HOPELESS_LOSS: f64 = 0.05;

impl Search<'_> {
    pub(super) fn methods(&mut self) -> Result<()> {
        let mut sweeps: Vec<(usize, std::vec::IntoIter<String>)> = self
            .harness
            .methods
            .iter()
            .map(|method| method.parameters().into_iter())
            .enumerate()
            .collect();
        // One parameter of each method at a time, so that sweeps can end early.
        while !sweeps.is_empty() && !self.exhausted {
            let mut wave = Vec::new();
            sweeps.retain_mut(|(method, parameters)| {
                let parameter = parameters.next();
                wave.extend(parameter.map(|parameter| Candidate::Method {
                    method: *method,
                    parameter,
                }));
                !parameters.as_slice().is_empty()
            });
            let points = self.try_all(Phase::Methods, &wave)?;
            let hopeless = (self.target * HOPELESS).max(HOPELESS_LOSS);
            let ended: Vec<usize> = wave
                .iter()
                .zip(points)
                .filter_map(|(candidate, point)| match candidate {
                    Candidate::Method { method, .. } => {
                        let loss = self.figures(point?).map(|(_, loss)| loss);
                        loss.is_some_and(|loss| loss > hopeless).then_some(*method)
                    }
                    _ => None,
                })
                .collect();
            sweeps.retain(|(method, _)| !ended.contains(method));
        }
        Ok(())
    }
}
