//! Protects the feature functions: values worked out by hand, constants, nulls, NaN, wrong use.

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;

async fn ask(expression: &str) -> Result<String, String> {
    let ctx = SessionContext::new();
    tolerant_udfs::register_all(&ctx);
    let query = format!("SELECT {expression} AS answer");
    let plan = ctx.sql(&query).await.map_err(|error| error.to_string())?;
    let batches = plan.collect().await.map_err(|error| error.to_string())?;
    let table = pretty_format_batches(&batches).unwrap().to_string();
    let row = table.lines().nth(3).unwrap();
    Ok(row.trim_matches(['|', ' ']).to_owned())
}

async fn check(cases: &[(&str, &str)]) {
    for (expression, answer) in cases {
        assert_eq!(
            ask(expression).await.as_deref(),
            Ok(*answer),
            "{expression}"
        );
    }
}

#[tokio::test]
async fn numbers() {
    check(&[
        ("standardize(5, 3, 4)", "0.5"),
        ("standardize(5, 3, 0)", "2.0"),
        ("min_max_scale(5, 3, 7)", "0.5"),
        ("min_max_scale(3, 3, 3)", "0.0"),
        ("min_max_scale(0, -1.7e308, 1.7e308)", "0.5"),
        ("clip(5, 0, 3)", "3.0"),
        ("clip(-5, 0, 3)", "0.0"),
        ("clip('NaN'::DOUBLE, 0, 3)", "NaN"),
        ("clip(NULL, 0, 3)", ""),
        ("box_cox(1, 0)", "0.0"),
        ("round(box_cox(4, 0.5), 12)", "2.0"),
        ("box_cox(-1, 2)", "NaN"),
        ("round(yeo_johnson(3, 2), 12)", "7.5"),
        ("round(yeo_johnson(-3, 0), 12)", "-7.5"),
        ("yeo_johnson(0, 2)", "0.0"),
        ("round(cyclic_sin(6, 24), 12)", "1.0"),
        ("round(cyclic_cos(36, 24), 12)", "-1.0"),
    ])
    .await;
}

#[tokio::test]
async fn bins() {
    check(&[
        ("equal_width_bin(0, 0, 10, 5)", "0"),
        ("equal_width_bin(4, 0, 10, 5)", "2"),
        ("equal_width_bin(10, 0, 10, 5)", "4"),
        ("equal_width_bin(-1e300, 0, 10, 5)", "0"),
        ("equal_width_bin('inf'::DOUBLE, 0, 10, 5)", "4"),
        ("equal_width_bin('NaN'::DOUBLE, 0, 10, 5)", ""),
        ("equal_width_bin(NULL, 0, 10, 5)", ""),
        ("bin(2.5, 1, 2, 3)", "2"),
        ("bin(2, 1, 2, 3)", "2"),
        ("bin(0, 1, 2, 3)", "0"),
    ])
    .await;
    let error = ask("equal_width_bin(1, 5, 5, 3)").await.unwrap_err();
    assert!(error.contains("a lower and a higher end"), "{error}");
    let error = ask("equal_width_bin(1, 0, 5, 0)").await.unwrap_err();
    assert!(error.contains("at least one"), "{error}");
    let error = ask("bin(1, 3, 2)").await.unwrap_err();
    assert!(error.contains("do not ascend"), "{error}");
}

#[tokio::test]
async fn categories() {
    check(&[
        ("one_hot('b', 'a', 'b', 'c')", "[0.0, 1.0, 0.0]"),
        ("one_hot('x', 'a', 'b', 'c')", "[0.0, 0.0, 0.0]"),
        ("one_hot(arrow_cast(NULL, 'Utf8'), 'a', NULL)", "[0.0, 0.0]"),
        ("one_hot(2, 1, 2)", "[0.0, 1.0]"),
        ("ordinal_code('b', 'a', 'b', 'c')", "1"),
        ("ordinal_code('x', 'a', 'b', 'c')", ""),
    ])
    .await;
    assert!(ask("one_hot('a')").await.is_err());
}

#[tokio::test]
async fn vectors() {
    check(&[
        ("feature_vector(1, 2.5, true, NULL)", "[1.0, 2.5, 1.0, ]"),
        (
            "feature_vector(7, one_hot('b', 'a', 'b'), polynomial_terms(2, 3))",
            "[7.0, 0.0, 1.0, 3.0, 9.0]",
        ),
        ("polynomial_terms(2, 2, 3)", "[2.0, 3.0, 4.0, 6.0, 9.0]"),
        ("polynomial_terms(2, 2, NULL)", "[2.0, , 4.0, , ]"),
        (
            "arrow_typeof(feature_vector(1, 2))",
            "FixedSizeList(2 x Float32)",
        ),
    ])
    .await;
    for (expression, says) in [
        ("feature_vector('a')", "not numbers"),
        ("polynomial_terms(2)", "takes a degree and columns"),
        ("polynomial_terms(1000000000000, 1, 2)", "more than"),
        ("polynomial_terms(0, 1)", "at least 1"),
        (
            "polynomial_terms(column1, 1) FROM (VALUES (1))",
            "must be a constant",
        ),
        ("hash_features(100000000, 'a')", "at most"),
    ] {
        let error = ask(expression).await.unwrap_err();
        assert!(error.contains(says), "{expression}: {error}");
    }
}

#[tokio::test]
async fn hashes_stay_as_they_are() {
    // Models are trained on these: they must not change from release to release.
    check(&[
        (
            "hash_features(6, 'red', 'round', 2.5)",
            "[0.0, 0.0, 1.5, 0.0, -1.0, 0.0]",
        ),
        ("hash_features(3, NULL, NULL)", "[0.0, 0.0, 0.0]"),
        ("data_split('user-1', 0.8, 0.1)", "train"),
        ("data_split('user-2', 0.8, 0.1, 7)", "train"),
        ("data_split('user-3', 0.5, 0.3)", "validation"),
        ("data_split('user-4', 0.4, 0.3)", "train"),
        ("data_split(42, 1, 0)", "train"),
        ("data_split(NULL, 0, 0)", "test"),
    ])
    .await;
    assert!(
        ask("data_split('a', 0.8, 0.3)")
            .await
            .unwrap_err()
            .contains("at most 1")
    );
    assert!(
        ask("data_split('a', -1, 0.3)")
            .await
            .unwrap_err()
            .contains("fractions")
    );
}

#[tokio::test]
async fn splits_have_the_sizes_asked_for() {
    let ctx = SessionContext::new();
    tolerant_udfs::register_all(&ctx);
    let query = "SELECT data_split(value, 0.8, 0.15) part, count(*) FROM generate_series(1, 100000) \
                 GROUP BY part ORDER BY part";
    let batches = ctx.sql(query).await.unwrap().collect().await.unwrap();
    let counts = batches[0].column(1);
    let counts = datafusion::common::cast::as_int64_array(counts).unwrap();
    for (count, expected) in counts.values().iter().zip([5_000, 80_000, 15_000]) {
        assert!((count - expected).abs() < 500, "{counts:?}");
    }
}
