//! Prediction from neighbours on both sides, coarse to fine, for smooth series.
//!
//! The first integer is known; then, with strides halving down to 1, each integer half way between
//! two known ones is predicted from the two known ones on each side by a cubic, or at the ends by
//! what there is. Source: Zhao et al., "Optimizing error-bounded lossy compression for scientific
//! data by dynamic spline interpolation", ICDE 2021 (SZ3's interpolation), here on quantized
//! values.

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

/// Residuals to integers, in place.
pub(super) fn invert(residuals: &mut [i32]) {
    let mut stride = residuals.len().max(1).next_power_of_two();
    while stride > 0 {
        for i in (stride..residuals.len()).step_by(2 * stride) {
            residuals[i] = residuals[i].wrapping_add(prediction(residuals, i, stride));
        }
        stride /= 2;
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
