//! SZ3: each of its algorithms, with an absolute bound, by column and over the whole table.

use sz3::{CompressionAlgorithm, Config, DimensionedData, ErrorBound};

use crate::data::Result;
use crate::method::Method;

fn algorithms() -> [(&'static str, CompressionAlgorithm); 6] {
    [
        // SZ3's default.
        (
            "interp+lorenzo",
            CompressionAlgorithm::interpolation_lorenzo(),
        ),
        ("interp", CompressionAlgorithm::interpolation()),
        ("lorenzo+reg", CompressionAlgorithm::lorenzo_regression()),
        (
            "lorenzo2+reg",
            CompressionAlgorithm::lorenzo_regression_custom(Some(true), Some(true), Some(true)),
        ),
        ("nopred", CompressionAlgorithm::no_prediction()),
        ("biomd", CompressionAlgorithm::biology_molecular_data()),
    ]
}

pub fn columns() -> Vec<Method> {
    let method = |(name, algorithm)| {
        Method::columns(
            "SZ3",
            format!("{name} 1-D"),
            move |values, bound| encode(values, &[values.len()], algorithm, bound),
            |bytes, _, _| decode(bytes),
        )
    };
    algorithms().map(method).into()
}

pub fn matrices() -> Vec<Method> {
    let mut methods = Vec::new();
    for (name, algorithm) in algorithms() {
        for (transposed, shape) in [(false, "rows x columns"), (true, "columns x rows")] {
            methods.push(Method::matrix(
                "SZ3",
                format!("{name} 2-D {shape}"),
                transposed,
                move |values, shape, bound| encode(values, &shape, algorithm, bound),
                |bytes, _, _| decode(bytes),
            ));
        }
    }
    methods
}

fn encode(
    values: &[f32],
    shape: &[usize],
    algorithm: CompressionAlgorithm,
    bound: f64,
) -> Result<Vec<u8>> {
    let mut data = DimensionedData::build(&values);
    for &length in shape.iter().filter(|&&length| length != 1) {
        data = data.dim(length)?;
    }
    let config = Config::new(ErrorBound::Absolute(bound)).compression_algorithm(algorithm);
    Ok(sz3::compress_with_config(&data.finish()?, &config)?)
}

fn decode(bytes: &[u8]) -> Result<Vec<f32>> {
    let (_, data) = sz3::decompress::<f32, _>(bytes)?;
    Ok(data.into_data())
}
