//! Protects the quality measures: values worked out by hand, nulls, NaN, many partitions.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::prelude::{SessionConfig, SessionContext};

async fn measure(function: &str, rows: &str) -> Option<f64> {
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(4));
    tolerant_udfs::register_all(&ctx);
    let query = format!("SELECT {function}(x, y) FROM ({rows}) AS t(x, y)");
    let batches = ctx.sql(&query).await.unwrap().collect().await.unwrap();
    batches[0]
        .column(0)
        .as_primitive::<Float64Type>()
        .iter()
        .next()
        .unwrap()
}

#[tokio::test]
async fn by_hand() {
    let rows = "VALUES (1.0, 1.5), (2.0, 2.0), (-3.0, -4.0), (5.0, NULL), (NULL, 5.0)";
    assert_eq!(measure("max_abs_error", rows).await, Some(1.0));
    assert_eq!(measure("rmse", rows).await, Some((1.25f64 / 3.0).sqrt()));
}

#[tokio::test]
async fn by_reference() {
    // numpy 2.4 and scipy 1.17: ks_2samp, wasserstein_distance, corrcoef; skimage's formula of SSIM
    // over one window, without its correction of the covariance.
    let rows = "VALUES (1.0, 1.5), (2.0, 1.75), (4.0, 4.5), (8.0, 7.0), (-3.0, -2.0), (4.0, 4.5)";
    for (function, expected) in [
        ("mean_abs_error", 3.75 / 6.0),
        ("nrmse", (2.8125f64 / 6.0).sqrt() / 11.0),
        ("psnr", 20.0 * (11.0 / (2.8125f64 / 6.0).sqrt()).log10()),
        ("ks_statistic", 0.3333333333333333),
        ("wasserstein", 0.625),
        ("pearson", 0.9901352185741201),
        ("ssim", 0.975466569661979),
    ] {
        let found = measure(function, rows).await.unwrap();
        assert!(
            (found - expected).abs() < 1e-12,
            "{function}: {found}, not {expected}"
        );
    }
}

#[tokio::test]
async fn equal_columns() {
    let rows = "VALUES (1.0, 1.0), ('inf'::DOUBLE, 'inf'::DOUBLE), (3.0, 3.0)";
    for (function, expected) in [
        ("mean_abs_error", 0.0),
        ("nrmse", 0.0),
        ("psnr", f64::INFINITY),
        ("ks_statistic", 0.0),
        ("wasserstein", 0.0),
        ("ssim", 1.0),
    ] {
        assert_eq!(measure(function, rows).await, Some(expected), "{function}");
    }
}

#[tokio::test]
async fn nothing_to_compare_is_null() {
    let rows = "SELECT CAST(NULL AS DOUBLE), 1.0";
    assert_eq!(measure("max_abs_error", rows).await, None);
    assert_eq!(measure("rmse", rows).await, None);
}

#[tokio::test]
async fn not_numbers() {
    let both = "VALUES ('NaN'::DOUBLE, 'NaN'::DOUBLE), ('inf'::DOUBLE, 'inf'::DOUBLE), (1.0, 1.25)";
    assert_eq!(measure("max_abs_error", both).await, Some(0.25));
    let one = "VALUES ('NaN'::DOUBLE, 1.0), (1.0, 3.0)";
    assert!(measure("max_abs_error", one).await.unwrap().is_nan());
    assert!(measure("rmse", one).await.unwrap().is_nan());
}

#[tokio::test]
async fn over_partitions() {
    let rows = "SELECT value, value + CASE WHEN value = 777 THEN 2 ELSE 1 END FROM generate_series(1, 100000)";
    assert_eq!(measure("max_abs_error", rows).await, Some(2.0));
    let expected = ((99_999.0 + 4.0) / 100_000.0f64).sqrt();
    assert!((measure("rmse", rows).await.unwrap() - expected).abs() < 1e-12);
}
