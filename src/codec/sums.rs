//! Running sums: what makes integers of their differences.

#[cfg(target_arch = "x86_64")]
use super::wide;

/// Makes each number the sum, wrapping, of `sum` and those up to it; `sum` becomes the last.
pub(super) fn add_up(sum: &mut i32, numbers: &mut [i32]) {
    if let Some(first) = numbers.first_mut() {
        *first = first.wrapping_add(*sum);
    }
    add_up_alone(numbers);
    *sum = numbers.last().copied().unwrap_or(*sum);
}

fn add_up_alone(numbers: &mut [i32]) {
    #[cfg(target_arch = "x86_64")]
    if wide::has_avx2() {
        #[allow(unsafe_code)]
        // SAFETY: the CPU has the features that `by_eight` is compiled for, which is all that makes
        // the call unsafe.
        unsafe {
            by_eight(numbers)
        };
        return;
    }
    one_by_one(0, numbers);
}

fn one_by_one(mut sum: i32, numbers: &mut [i32]) {
    for x in numbers {
        sum = sum.wrapping_add(*x);
        *x = sum;
    }
}

/// Eight at a time, so that one addition alone waits for those before.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn by_eight(numbers: &mut [i32]) {
    use std::arch::x86_64::*;

    let mut before = _mm256_setzero_si256();
    let (rows, rest) = numbers.as_chunks_mut::<8>();
    for row in rows {
        let x: __m256i = bytemuck::cast(*row);
        // In each half on its own,
        let x = _mm256_add_epi32(x, _mm256_slli_si256::<4>(x));
        let x = _mm256_add_epi32(x, _mm256_slli_si256::<8>(x));
        // then the low one's total on the high one.
        let low = _mm256_permute2x128_si256::<0x08>(x, x);
        let x = _mm256_add_epi32(x, _mm256_shuffle_epi32::<0xff>(low));
        *row = bytemuck::cast(_mm256_add_epi32(x, before));
        let total = _mm256_permutevar8x32_epi32(x, _mm256_set1_epi32(7));
        before = _mm256_add_epi32(before, total);
    }
    one_by_one(_mm256_cvtsi256_si32(before), rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_are_those_of_one_by_one(
            numbers in prop::collection::vec(any::<i32>(), 0..99),
            start: i32,
            pieces in 1usize..50,
        ) {
            let (mut sums, mut expected) = (numbers.clone(), numbers);
            let mut sum = start;
            for piece in sums.chunks_mut(pieces) {
                add_up(&mut sum, piece);
            }
            one_by_one(start, &mut expected);
            prop_assert_eq!(sum, expected.last().copied().unwrap_or(start));
            prop_assert_eq!(sums, expected);
        }
    }
}
