//! Prediction from neighbours on both sides, coarse to fine, for smooth series.
//!
//! The first integer is known; then, with strides halving down to 1, each integer half way between
//! two known ones is predicted from the two known ones on each side by a cubic, or at the ends by
//! what there is. Source: Zhao et al., "Optimizing error-bounded lossy compression for scientific
//! data by dynamic spline interpolation", ICDE 2021 (SZ3's interpolation), here on quantized
//! values.

use super::wide;

/// Integers to residuals, in place.
pub(super) fn apply(integers: &mut [i32]) {
    let mut stride = 1;
    // Fine to coarse, so that what a prediction looks at is still there.
    while stride < integers.len() {
        for i in (stride..integers.len()).step_by(2 * stride) {
            integers[i] = integers[i].wrapping_sub(prediction(integers, i, stride));
        }
        stride *= 2;
    }
}

/// Residuals to integers, in place: stride by stride, each next to one another in memory.
pub(super) fn invert(residuals: &mut [i32]) {
    let Some(first) = residuals.first() else {
        return;
    };
    // Multiples of twice the stride.
    let mut known = vec![*first];
    let mut stride = residuals.len().next_power_of_two() / 2;
    wide::run(
        #[inline(always)]
        || {
            while stride > 1 {
                let mut finer = vec![0; residuals.len().div_ceil(stride)];
                for (to, residual) in finer.iter_mut().zip(residuals.iter().step_by(stride)) {
                    *to = *residual;
                }
                refine(&known, &mut finer);
                (known, stride) = (finer, stride / 2);
            }
            if stride == 1 {
                refine(&known, residuals);
            }
        },
    );
}

/// Replaces every second of `finer`, from the first on, by what is `known`, and adds to the residuals between
/// what these predict.
#[inline(always)]
fn refine(known: &[i32], finer: &mut [i32]) {
    let at = |i: usize| known.get(i).copied();
    let (pairs, last) = finer.as_chunks_mut::<2>();
    for (to, known) in last.iter_mut().zip(known.last()) {
        *to = *known;
    }
    // All but those at the ends have two known ones on each side.
    let inner = 1..known.len().saturating_sub(2).max(1);
    for j in (0..inner.start.min(pairs.len())).chain(inner.end..pairs.len()) {
        let prediction = between(
            j.checked_sub(1).and_then(at),
            known[j],
            at(j + 1),
            at(j + 2),
        );
        pairs[j] = [known[j], pairs[j][1].wrapping_add(prediction)];
    }
    let inner = pairs.get_mut(inner).unwrap_or_default();
    let around = known.array_windows();
    match known.iter().fold(0, |all, x| all | (x ^ x >> 31)) < 1 << 26 {
        true => around.zip(inner).for_each(
            #[inline(always)]
            |([earlier, before, after, later], pair)| {
                let prediction = (9 * (before + after) - earlier - later + 8) >> 4;
                *pair = [*before, pair[1].wrapping_add(prediction)];
            },
        ),
        false => around.zip(inner).for_each(
            #[inline(always)]
            |([earlier, before, after, later], pair)| {
                let prediction = between(Some(*earlier), *before, Some(*after), Some(*later));
                *pair = [*before, pair[1].wrapping_add(prediction)];
            },
        ),
    }
}

/// The prediction of the integer at `i`, an odd multiple of `stride`, from even multiples.
#[inline(always)]
pub(super) fn prediction(integers: &[i32], i: usize, stride: usize) -> i32 {
    let at = |i: usize| integers.get(i).copied();
    let earlier = i.checked_sub(3 * stride).and_then(at);
    let (after, later) = (at(i + stride), at(i + 3 * stride));
    between(earlier, integers[i - stride], after, later)
}

/// The prediction from two integers on each side, as far as there are such.
#[inline(always)]
pub(super) fn between(
    earlier: Option<i32>,
    before: i32,
    after: Option<i32>,
    later: Option<i32>,
) -> i32 {
    let before = i64::from(before);
    match (
        earlier.map(i64::from),
        after.map(i64::from),
        later.map(i64::from),
    ) {
        (Some(earlier), Some(after), Some(later)) => {
            ((9 * (before + after) - earlier - later + 8) >> 4) as i32
        }
        (_, Some(after), _) => ((before + after + 1) >> 1) as i32,
        // The last one: on the line through the two before.
        (Some(earlier), None, _) => (before + ((before - earlier) >> 1)) as i32,
        (None, None, _) => before as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As it is defined: in place, by [`prediction`].
    fn plainly(residuals: &mut [i32]) {
        let mut stride = residuals.len().max(1).next_power_of_two();
        while stride > 0 {
            for i in (stride..residuals.len()).step_by(2 * stride) {
                residuals[i] = residuals[i].wrapping_add(prediction(residuals, i, stride));
            }
            stride /= 2;
        }
    }

    proptest! {
        #[test]
        fn inverted_as_defined(
            shift in 0u32..32,
            integers in prop::collection::vec(any::<i32>(), 0..300),
        ) {
            let integers: Vec<i32> = integers.iter().map(|x| x >> shift).collect();
            let (mut plain, mut inverted) = (integers.clone(), integers.clone());
            plainly(&mut plain);
            invert(&mut inverted);
            prop_assert_eq!(&plain, &inverted);
            apply(&mut inverted);
            prop_assert_eq!(inverted, integers);
        }
    }
}
