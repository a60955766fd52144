//! Inner loops, compiled once more for the wider vectors and shifts that most x86-64 CPUs have.
//!
//! What is compiled is the same code: integers wrap and floats round as they do elsewhere (rustc
//! never fuses a multiplication with an addition), so that the results are the same to the bit.

/// Does `work`, by AVX2 and BMI where the CPU has them. `work` itself and what it calls are to be
/// `inline(always)`, or they are compiled without.
#[inline(always)]
pub(super) fn run<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        #[allow(unsafe_code)]
        // SAFETY: the CPU has the features that `on_avx2` is compiled for, which is all that
        // makes the call unsafe.
        return unsafe { on_avx2(work) };
    }
    work()
}

#[cfg(target_arch = "x86_64")]
pub(super) fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("bmi1")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("popcnt")
}

/// Whether AVX-512 is there, and gathers are quick: CPUs that have AVX-VNNI are later than those that
/// had to be mended against Downfall, where gathers take longer than all else here together.
#[cfg(target_arch = "x86_64")]
pub(super) fn has_avx512() -> bool {
    has_avx2()
        && std::arch::is_x86_feature_detected!("avxvnni")
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512vl")
        && std::arch::is_x86_feature_detected!("avx512vbmi")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn on_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}
