//! The number types that a payload can hold.

use half::f16;

/// A number type of payloads. The discriminants are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ElementType {
    F16 = 0,
    F32 = 1,
    F64 = 2,
    I32 = 3,
    U32 = 4,
    I64 = 5,
    U64 = 6,
}

impl ElementType {
    pub(super) const ALL: [ElementType; 7] = [
        Self::F16,
        Self::F32,
        Self::F64,
        Self::I32,
        Self::U32,
        Self::I64,
        Self::U64,
    ];

    /// The float of these bits, zero-extended; None where the type is an integer.
    pub fn float_of(self, bits: u64) -> Option<f64> {
        Some(match self {
            Self::F16 => f64::from(f16::from_bits(bits as u16)),
            Self::F32 => f64::from(f32::from_bits(bits as u32)),
            Self::F64 => f64::from_bits(bits),
            _ => return None,
        })
    }

    /// Bytes per value.
    pub const fn width(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }
}

/// A number that payloads can hold, losslessly at least.
pub trait Element: pco::data_types::Number + bytemuck::Pod + PartialEq + Send + Sync {
    const TYPE: ElementType;
    const IS_INTEGER: bool = !matches!(
        Self::TYPE,
        ElementType::F16 | ElementType::F32 | ElementType::F64
    );

    /// The order of statistics: numeric, with -0.0 below 0.0.
    fn total_cmp(&self, other: &Self) -> std::cmp::Ordering;

    /// NaN has no place in an order and is kept out of statistics.
    fn is_nan(&self) -> bool;

    /// The bit pattern, zero-extended.
    fn bits(self) -> u64;

    /// The values as integers of 32 bits above the smallest, where they are such.
    fn to_integers(values: &[Self]) -> Option<Vec<i32>>;

    /// The value of an integer; None where this is no integer type or the integer does not fit.
    fn from_integer(integer: i32) -> Option<Self>;
}

/// A float that can be quantized.
pub trait Float: Element + PartialOrd {
    /// Unsigned integer of the same width, for bit-exact storage of outliers.
    type Bits: Element + Into<u64>;
    /// Significand bits, the hidden one included.
    const PRECISION: i32;
    /// Exponent of the smallest positive subnormal.
    const MIN_EXPONENT: i32;

    /// Exact.
    fn to_f64(self) -> f64;
    /// Rounds to nearest, the same way on every platform.
    fn from_f64(x: f64) -> Self;
    fn to_bits(self) -> Self::Bits;
    fn from_bits(bits: Self::Bits) -> Self;
    /// Of bits that were zero-extended.
    fn from_low_bits(bits: u64) -> Self;
}

macro_rules! element {
    ($($t:ty => $variant:ident, $cmp:expr, $nan:expr, $bits:expr, $to:expr, $from:expr;)*) => {$(
        impl Element for $t {
            const TYPE: ElementType = ElementType::$variant;
            #[inline]
            fn total_cmp(&self, other: &Self) -> std::cmp::Ordering {
                $cmp(self, other)
            }
            #[inline]
            fn is_nan(&self) -> bool {
                $nan(*self)
            }
            fn bits(self) -> u64 {
                let bits: fn($t) -> u64 = $bits;
                bits(self)
            }
            fn to_integers(values: &[Self]) -> Option<Vec<i32>> {
                let to: fn($t) -> Option<i32> = $to;
                values
                    .iter()
                    .map(|x| to(*x).filter(|x| *x != i32::MIN))
                    .collect()
            }
            #[inline(always)]
            fn from_integer(integer: i32) -> Option<Self> {
                let from: fn(i32) -> Option<$t> = $from;
                from(integer)
            }
        }
    )*};
}

element! {
    f16 => F16, f16::total_cmp, f16::is_nan, |x| u64::from(x.to_bits()), |_| None, |_| None;
    f32 => F32, f32::total_cmp, f32::is_nan, |x| u64::from(x.to_bits()), |_| None, |_| None;
    f64 => F64, f64::total_cmp, f64::is_nan, f64::to_bits, |_| None, |_| None;
    i32 => I32, Ord::cmp, |_| false, |x| (x as u32).into(), Some, Some;
    u32 => U32, Ord::cmp, |_| false, u64::from, |x| x.try_into().ok(), |x| x.try_into().ok();
    i64 => I64, Ord::cmp, |_| false, |x| x as u64, |x| x.try_into().ok(), |x| Some(x.into());
    u64 => U64, Ord::cmp, |_| false, |x| x, |x| x.try_into().ok(), |x| x.try_into().ok();
}

impl Float for f16 {
    // pco has no 16-bit unsigned type that is also a Tolerant element; outliers of f16 are rare.
    type Bits = u32;
    const PRECISION: i32 = 11;
    const MIN_EXPONENT: i32 = -24;

    fn to_f64(self) -> f64 {
        f16::to_f64(self)
    }
    fn from_f64(x: f64) -> Self {
        // By way of f32 and in software: `f16::from_f64` rounds once or twice depending on the CPU.
        f16::from_f32_const(x as f32)
    }
    fn to_bits(self) -> u32 {
        u32::from(f16::to_bits(self))
    }
    fn from_bits(bits: u32) -> Self {
        f16::from_bits(bits as u16)
    }
    fn from_low_bits(bits: u64) -> Self {
        f16::from_bits(bits as u16)
    }
}

impl Float for f32 {
    type Bits = u32;
    const PRECISION: i32 = 24;
    const MIN_EXPONENT: i32 = -149;

    #[inline]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline]
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    #[inline]
    fn to_bits(self) -> u32 {
        f32::to_bits(self)
    }
    #[inline]
    fn from_bits(bits: u32) -> Self {
        f32::from_bits(bits)
    }
    fn from_low_bits(bits: u64) -> Self {
        f32::from_bits(bits as u32)
    }
}

impl Float for f64 {
    type Bits = u64;
    const PRECISION: i32 = 53;
    const MIN_EXPONENT: i32 = -1074;

    #[inline]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline]
    fn from_f64(x: f64) -> Self {
        x
    }
    #[inline]
    fn to_bits(self) -> u64 {
        f64::to_bits(self)
    }
    #[inline]
    fn from_bits(bits: u64) -> Self {
        f64::from_bits(bits)
    }
    fn from_low_bits(bits: u64) -> Self {
        f64::from_bits(bits)
    }
}
