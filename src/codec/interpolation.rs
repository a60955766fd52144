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
    let at = |i: usize| integers.get(i).map(|x| i64::from(*x));
    let before = i64::from(integers[i - stride]);
    let Some(after) = at(i + stride) else {
        // The last one: on the line through the two before.
        return match i.checked_sub(3 * stride).and_then(at) {
            Some(earlier) => (before + ((before - earlier) >> 1)) as i32,
            None => before as i32,
        };
    };
    let outer = i
        .checked_sub(3 * stride)
        .and_then(at)
        .zip(at(i + 3 * stride));
    match outer {
        Some((earlier, later)) => ((9 * (before + after) - earlier - later + 8) >> 4) as i32,
        None => ((before + after + 1) >> 1) as i32,
    }
}
