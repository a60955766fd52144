use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::alphabet::Alphabet;
use super::bits::{BitWriter, Learning, Number};
use super::context::{Buckets, Context, Span};
use super::effort::Effort;
use super::histogram::{self, Models};
use super::model::{self, Description, Model};
use super::payload::Cursor;
use super::{ABSENT, CodecError};

/// A context by none, one or two references, and by the symbol before or not.
fn context(references: &[&[i32]], difference: bool, previous: Option<u32>) -> Context {
    let buckets = references.iter().enumerate().map(|(at, integers)| {
        Buckets::of(at, difference, Span::of(integers, difference), [16, 8][at])
    });
    Context {
        buckets: buckets.collect(),
        previous,
    }
}

fn read(
    bytes: &[u8],
    written: Description,
    references: &[&[i32]],
    n: usize,
) -> Result<Vec<i32>, CodecError> {
    let (mut cursor, mut values) = (Cursor::new(bytes), Vec::new());
    model::read(&mut cursor, written, references, n, &mut |piece| {
        values.extend_from_slice(piece);
    })?;
    cursor.finish()?;
    Ok(values)
}

fn round_trip(values: &[i32], context: &Context, references: &[&[i32]], effort: Effort) {
    let Some(model) = Model::new(values, context, references, effort) else {
        return;
    };
    let mut out = Vec::new();
    model.write(&mut out);
    let read_back = read(&out, Description::Offsets, references, values.len()).unwrap();
    assert!(read_back == values);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn values_come_back(
        seed in prop::collection::vec(any::<i32>(), 1..200),
        n in prop_oneof![1usize..300, 7900usize..8400, 32_700usize..33_000],
        shift in 8u32..32,
        known in 0usize..=2,
        difference: bool,
        previous in prop::option::of(3u32..6),
        fast: bool,
    ) {
        let values: Vec<i32> = (0..n).map(|i| seed[i * i % seed.len()] >> shift).collect();
        let other: Vec<i32> = (0..n)
            .map(|i| if i % 17 == 3 { ABSENT } else { (values[i] >> 2).wrapping_add(i as i32 % 3) })
            .collect();
        let references = &[&other[..], &values[..]][..known];
        let effort = if fast { Effort::Fast } else { Effort::Balanced };
        round_trip(&values, &context(references, difference, previous), references, effort);
    }

    /// More levels than symbols, wherever they lie: by tokens or by leading bits.
    #[test]
    fn many_levels_come_back(
        seed: u64,
        n in prop_oneof![1500usize..2500, 30_000usize..33_000],
        low: i32,
        width in 257u32..=1 << 25,
        peaks in 1u32..4,
        by_other: bool,
        previous in prop::option::of(3u32..6),
    ) {
        let mut random = StdRng::seed_from_u64(seed);
        let low = low.min(i32::MAX - width as i32);
        let values: Vec<i32> = (0..n)
            .map(|_| {
                let peak = random.random_range(0..peaks) * (width / peaks);
                low + (peak + random.random_range(0..width / peaks)) as i32
            })
            .collect();
        let other: Vec<i32> = values.iter().map(|x| x >> 6).collect();
        let references = &[&other[..]][..usize::from(by_other)];
        round_trip(&values, &context(references, false, previous), references, Effort::Balanced);
    }

    #[test]
    fn any_bytes_are_an_error_or_values(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        length in 0u8..120,
        n in prop_oneof![1usize..300, 8000usize..8300],
        written in prop::sample::select(vec![Description::Steady, Description::Numbers, Description::Offsets]),
    ) {
        // A description that seems to have a sound length gets further.
        let bytes: Vec<u8> = [length].into_iter().chain(bytes).collect();
        let other = vec![1; n];
        let _ = read(&bytes, written, &[&other, &other], n);
    }

    #[test]
    fn damage_is_an_error_or_values(
        at: prop::sample::Index,
        bits in 1u8..=255,
        previous in prop::option::of(Just(0u32)),
    ) {
        let values: Vec<i32> = (0..9000).map(|i| i * i % 61 % 17).collect();
        let other: Vec<i32> = values.iter().map(|x| x / 3).collect();
        let context = context(&[&other], false, previous);
        let mut out = Vec::new();
        Model::new(&values, &context, &[&other], Effort::Balanced).unwrap().write(&mut out);
        let at = at.index(out.len().min(200));
        out[at] ^= bits;
        let _ = read(&out, Description::Offsets, &[&other], values.len());
    }

    #[test]
    fn contexts_from_any_row_are_those_of_all(
        integers in prop::collection::vec(prop_oneof![Just(ABSENT), any::<i32>(), -40i32..40], 1..300),
        difference: bool,
        start: prop::sample::Index,
    ) {
        let references = &[&integers[..], &integers[..]];
        let context = context(references, difference, None);
        let start = start.index(integers.len());
        let mut plain = vec![0u16; integers.len() - start];
        context.add(references, start, 3, &mut plain);
        let all: Vec<u16> = context.rows(references).iter().map(|row| row * 3).collect();
        prop_assert_eq!(&all[start..], &plain[..]);
    }
}

/// Levels that are about as frequent are told apart by leading bits, and residuals by tokens.
#[test]
fn alphabets_are_those_that_fit() {
    let mut random = StdRng::seed_from_u64(1);
    let flat: Vec<i32> = (0..40_000)
        .map(|_| random.random_range(-300..300))
        .collect();
    assert!(matches!(
        Alphabet::of(&flat),
        Alphabet::Leading { shift: 2, .. }
    ));
    assert!(Alphabet::of(&flat).is_even(&flat));
    let decimals: Vec<i32> = flat.iter().map(|x| x * 3).collect();
    assert!(!Alphabet::of(&decimals).is_even(&decimals));
    let steep: Vec<i32> = (0..40_000)
        .map(|_| (1.0 / random.random_range(-1.0f64..1.0)) as i32)
        .collect();
    assert!(matches!(Alphabet::of(&steep), Alphabet::Tokens { .. }));
}

/// Lanes have runs of symbols where contexts look at the symbol before, and there must be a symbol
/// for each: a tiny block that claims more lanes than are usual for its size is refused, whatever
/// follows.
#[test]
fn runs_of_tiny_blocks_in_several_lanes_are_refused() {
    for slots in 0..=15u32 {
        for n in (0..40).chain([8191]) {
            let mut description = BitWriter::new(Learning::Quick);
            // No references; contexts by the symbol before.
            description.raw(0, 2);
            let mut number = Number::NEW;
            description.number(&mut number, 1);
            let alphabet = Alphabet::Range { low: 0, count: 2 };
            alphabet.write(&mut description);
            description.raw(slots, 4);
            if slots == 13 {
                // In many lanes, however few symbols: some of the lanes may have none.
                description.raw(0, 2);
            }
            // One table, of two symbols alike.
            description.raw(0, 6);
            let mut models = Models::NEW;
            histogram::write(&[1, 1], None, &mut models, &mut description);
            let description = description.finish();
            let mut bytes = vec![description.len() as u8];
            bytes.extend_from_slice(&description);
            // States and words for any number of lanes.
            bytes.resize(bytes.len() + 200, 1);
            let read = read(&bytes, Description::Offsets, &[], n);
            let error = read.unwrap_err().to_string();
            let usual = (9..=13).contains(&slots);
            assert_eq!(
                error.contains("model out of bounds"),
                !usual,
                "{slots} {n}: {error}"
            );
        }
    }
}
