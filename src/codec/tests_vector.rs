//! Protects payloads of vectors: each form gives the values back, and damage is an error.

use proptest::prelude::*;

use super::*;

/// Values of 3 dimensions, in any of the forms.
fn payload(form: VectorForm, values: &[f32]) -> Vec<u8> {
    let block = |values: &[f32]| Block::exact(values).unwrap();
    let alone = |block: &Block| {
        let plan = Plan::alone(block.integers(), Effort::Balanced);
        block.encode(&plan, &[], Effort::Balanced)
    };
    let bound = 0.01;
    match form {
        VectorForm::Runs => join_vector(form, &[alone(&block(values))], &[]),
        VectorForm::Positions => {
            let grid = Grid::of(values, bound).unwrap();
            let block = Block::lossy(values, bound, grid).unwrap();
            let plan = plan_by_position(block.integers(), 3, Effort::Balanced).unwrap();
            let positions = position_integers(None, 0..values.len(), 3);
            let part = block.encode(&plan, &[&positions], Effort::Balanced);
            join_vector(form, &[part], &[])
        }
        VectorForm::Dimensions => {
            let of = |d: usize| values.iter().skip(d).step_by(3).copied();
            let blocks: Vec<Block> = (0..3)
                .map(|d| {
                    let values: Vec<f32> = of(d).collect();
                    let grid = Grid::of(&values, bound).unwrap();
                    Block::lossy(&values, bound, grid).unwrap()
                })
                .collect();
            let pieces: Vec<Option<Vec<&[i32]>>> = blocks
                .iter()
                .map(|block| block.integers().map(|one| vec![one]))
                .collect();
            let plans = plan(&pieces, Search::of(Effort::Balanced, 3));
            let parts: Vec<EncodedBlock> = blocks
                .iter()
                .zip(&plans)
                .map(|(block, plan)| {
                    let references = plan.references.iter();
                    let references: Vec<&[i32]> =
                        references.map(|d| blocks[*d].integers().unwrap()).collect();
                    block.encode(plan, &references, Effort::Balanced)
                })
                .collect();
            let references: Vec<Vec<usize>> =
                plans.iter().map(|plan| plan.references.clone()).collect();
            join_vector(form, &parts, &references)
        }
    }
}

fn values(rows: usize) -> Vec<f32> {
    let noise = |i: usize| (i as f32 * 12.9898).sin() * 43.5;
    let row = |i: usize| [noise(i) + 1.0, 2.0 * noise(i) + 3.0, -noise(i) - 0.5];
    (0..rows).flat_map(row).collect()
}

fn decoded(payload: &[u8], n: usize, positions: Option<&[u32]>) -> Result<Vec<f32>, CodecError> {
    let mut out = Vec::new();
    decode_vector(payload, ElementType::F32, n, 3, positions, &mut out)?;
    let numbers = out.chunks_exact(4);
    Ok(numbers.map(bytemuck::pod_read_unaligned).collect())
}

const FORMS: [VectorForm; 3] = [
    VectorForm::Runs,
    VectorForm::Positions,
    VectorForm::Dimensions,
];

#[test]
fn every_form_gives_the_values_back() {
    let values = values(500);
    for form in FORMS {
        let back = decoded(&payload(form, &values), values.len(), None).unwrap();
        assert_eq!(back.len(), values.len());
        let near = |(x, y): (&f32, &f32)| (x - y).abs() <= 0.01;
        assert!(values.iter().zip(&back).all(near), "{form:?}");
    }
}

#[test]
fn positions_may_be_given() {
    // The second vector lacks its last dimension.
    let values = [1.0f32, 2.0, 3.0, 4.0, 5.0, 7.0, 8.0, 9.0];
    let positions = [0, 1, 2, 0, 1, 0, 1, 2];
    let part = |values: &[f32]| encode_exact(values).unwrap();
    let parts = [
        part(&[1.0, 4.0, 7.0]),
        part(&[2.0, 5.0, 8.0]),
        part(&[3.0, 9.0]),
    ];
    let none = vec![Vec::new(); 3];
    let payload = join_vector(VectorForm::Dimensions, &parts, &none);
    let back = decoded(&payload, values.len(), Some(&positions)).unwrap();
    assert_eq!(back, values);
    assert!(decoded(&payload, 9, None).is_err());
    assert!(decoded(&payload, 8, Some(&[0; 8])).is_err());
    assert!(decoded(&payload, 8, Some(&[3; 8])).is_err());
}

#[test]
fn circles_are_refused() {
    let parts = [1.0f32, 2.0, 3.0].map(|x| encode_exact(&[x]).unwrap());
    for references in [
        vec![vec![1], vec![2], vec![0]],
        vec![vec![0], vec![], vec![]],
        vec![vec![3], vec![], vec![]],
        vec![vec![1; 9], vec![], vec![]],
    ] {
        let payload = join_vector(VectorForm::Dimensions, &parts, &references);
        assert!(decoded(&payload, 3, None).is_err(), "{references:?}");
    }
}

proptest! {
    #[test]
    fn damage_is_an_error(form in 0usize..3, at: prop::sample::Index, byte: u8, rows in 300usize..400) {
        let values = values(rows);
        let mut payload = payload(FORMS[form], &values);
        let at = at.index(payload.len());
        prop_assume!(payload[at] != byte);
        payload[at] = byte;
        // What is not in a payload of its own is under the page's checksum: here it may pass.
        let parts = payload.len() / 2;
        if let Ok(back) = decoded(&payload, values.len(), None) {
            prop_assert!(at < parts && back.len() == values.len());
        }
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), n in 0usize..3000) {
        let _ = decoded(&bytes, n, None);
        let positions: Vec<u32> = (0..n as u32).map(|i| i % 3).collect();
        let _ = decoded(&bytes, n, Some(&positions));
    }
}
