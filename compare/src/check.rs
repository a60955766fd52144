//! The exact check: what a method gave back against what it was given. Shares no code with any
//! encoder, and rounds nothing.

/// What the check of one cell found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Findings {
    /// Values outside their column's bound, or NaN or infinite where the original is not the same.
    pub violations: u64,
    /// The largest |x - x'| / bound, over columns whose bound is not 0.
    pub worst: f64,
    /// Mean over columns of MSE / range^2: the squared error of range-normalized columns.
    pub normalized_mse: f64,
}

/// Whether |x - y| <= bound in exact arithmetic. NaN stands for NaN, an infinity for itself.
pub fn within(x: f32, y: f32, bound: f64) -> bool {
    if !x.is_finite() || !y.is_finite() {
        return x == y || (x.is_nan() && y.is_nan());
    }
    let (a, b) = (f64::from(x), -f64::from(y));
    // Knuth's two-sum: high + low is a + b exactly.
    let high = a + b;
    let bb = high - a;
    let low = (a - (high - bb)) + (b - bb);
    let (high, low) = if high < 0.0 {
        (-high, -low)
    } else {
        (high, low)
    };
    // low is at most half a unit in the last place of high, so it decides only where high = bound.
    high < bound || (high == bound && low <= 0.0)
}

/// Compares columns whose rows are in the order they were given in.
pub fn check(original: &[&[f32]], decoded: &[Vec<f32>], bounds: &[f64]) -> Findings {
    let mut found = Findings {
        violations: 0,
        worst: 0.0,
        normalized_mse: 0.0,
    };
    for ((x, y), &bound) in original.iter().zip(decoded).zip(bounds) {
        let missing = x.len().abs_diff(y.len());
        found.violations += missing as u64;
        let mut squares = 0.0;
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for (&x, &y) in x.iter().zip(y) {
            if !within(x, y, bound) {
                found.violations += 1;
                if !(x.is_finite() && y.is_finite()) {
                    found.worst = f64::INFINITY;
                }
            }
            if x.is_finite() && y.is_finite() {
                let error = f64::from(x) - f64::from(y);
                squares += error * error;
                min = min.min(f64::from(x));
                max = max.max(f64::from(x));
                if bound > 0.0 {
                    found.worst = found.worst.max(error.abs() / bound);
                }
            }
        }
        if max > min {
            let width = max - min;
            let mse = squares / x.len() as f64 / (width * width);
            found.normalized_mse += mse / original.len() as f64;
        }
    }
    let columns = original.len().abs_diff(decoded.len());
    found.violations += (columns * original.first().map_or(0, |x| x.len())) as u64;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_compared_without_rounding() {
        // 1 + 2^-149 less 1 rounds to 1 - 1 = 0 in f32, and 1 + tiny - 0 to 1 in f64.
        let tiny = f32::from_bits(1);
        assert!(within(1.0, 0.0, 1.0));
        assert!(!within(1.0, -tiny, 1.0));
        assert!(within(1.0, tiny, 1.0));
        assert!(within(0.0, 0.0, 0.0));
        assert!(!within(0.0, tiny, 0.0));
        assert!(within(-1.0, 1.0, 2.0));
        assert!(!within(-1.0, 1.0, 2.0f64.next_down()));
    }

    #[test]
    fn specials_stand_for_themselves() {
        assert!(within(f32::NAN, f32::NAN, 0.0));
        assert!(!within(f32::NAN, 1.0, f64::MAX));
        assert!(!within(1.0, f32::NAN, f64::MAX));
        assert!(within(f32::INFINITY, f32::INFINITY, 0.0));
        assert!(!within(f32::INFINITY, f32::MAX, f64::MAX));
        assert!(!within(f32::INFINITY, f32::NEG_INFINITY, f64::INFINITY));
    }

    #[test]
    fn a_violation_a_missing_row_and_a_missing_column_are_counted() {
        let x = [0.0f32, 1.0, 2.0];
        let original = [&x[..], &x[..]];
        let good = vec![x.to_vec(), vec![0.5, 1.0, 2.0]];
        assert_eq!(check(&original, &good, &[0.0, 0.5]).violations, 0);
        assert_eq!(check(&original, &good, &[0.0, 0.4]).violations, 1);
        let short = vec![x.to_vec(), vec![0.0, 1.0]];
        assert_eq!(check(&original, &short, &[1.0, 1.0]).violations, 1);
        assert_eq!(check(&original, &good[..1], &[1.0, 1.0]).violations, 3);
    }
}
