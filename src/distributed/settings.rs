//! What a worker must know of the session that asks: the version and the options, in headers.

use std::sync::LazyLock;

use datafusion::DATAFUSION_VERSION;
use datafusion::common::config_datafusion_err;
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Plans mean the same only to the same program.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let ours = env!("CARGO_PKG_VERSION");
    format!("{ours}, plans of DataFusion {DATAFUSION_VERSION}")
});

const VERSION_HEADER: HeaderName = HeaderName::from_static("x-tolerant-version");
const OPTIONS_HEADER: HeaderName = HeaderName::from_static("x-tolerant-options");

/// Other options are extensions', of which the engine sends its own.
const DATAFUSION: &str = "datafusion.";

/// Adds what [`take`] wants.
pub(super) fn put(options: &ConfigOptions, headers: &mut HeaderMap) -> Result<()> {
    let text = serde_json::to_string(&changed(options))
        .map_err(|error| config_datafusion_err!("cannot send the session's options: {error}"))?;
    let value = HeaderValue::from_bytes(text.as_bytes())
        .map_err(|error| config_datafusion_err!("cannot send the session's options: {error}"))?;
    headers.insert(OPTIONS_HEADER, value);
    put_version(headers)
}

/// Adds what [`check_version`] wants.
pub(super) fn put_version(headers: &mut HeaderMap) -> Result<()> {
    let version = HeaderValue::from_str(&VERSION)
        .map_err(|error| config_datafusion_err!("cannot send the version: {error}"))?;
    headers.insert(VERSION_HEADER, version);
    Ok(())
}

/// Says what is wrong where whoever asks is another version.
pub(super) fn check_version(headers: &HeaderMap) -> std::result::Result<(), String> {
    let version = headers.get(VERSION_HEADER).map(HeaderValue::as_bytes);
    if version == Some(VERSION.as_bytes()) {
        return Ok(());
    }
    let version = version.map_or("no version of Tolerant".into(), String::from_utf8_lossy);
    Err(format!(
        "this worker is Tolerant {}, and was asked by {version}; run the same on all machines",
        *VERSION
    ))
}

/// Sets the options that came with a plan.
///
/// # Errors
/// When the plan is another version's, or an option is none.
pub(super) fn take(headers: &HeaderMap, options: &mut ConfigOptions) -> Result<()> {
    check_version(headers).map_err(|why| config_datafusion_err!("{why}"))?;
    let text = headers
        .get(OPTIONS_HEADER)
        .map_or(&b"[]"[..], HeaderValue::as_bytes);
    let changed: Vec<(String, String)> = serde_json::from_slice(text)
        .map_err(|error| config_datafusion_err!("the session's options are unreadable: {error}"))?;
    for (key, value) in changed {
        options.set(&key, &value)?;
    }
    Ok(())
}

/// The options that are not DataFusion's defaults.
fn changed(options: &ConfigOptions) -> Vec<(String, String)> {
    let defaults = ConfigOptions::default().entries();
    let default = |key: &str| {
        defaults
            .iter()
            .find(|entry| entry.key == key)?
            .value
            .as_ref()
    };
    let entries = options.entries().into_iter();
    entries
        .filter(|entry| entry.key.starts_with(DATAFUSION))
        .filter(|entry| entry.value.as_ref() != default(&entry.key))
        .filter_map(|entry| Some((entry.key, entry.value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_arrive() {
        let mut sent = crate::datafusion::session_config()
            .options()
            .as_ref()
            .clone();
        sent.set("datafusion.execution.time_zone", "Europe/Z\u{fc}rich")
            .unwrap();
        let mut headers = HeaderMap::new();
        put(&sent, &mut headers).unwrap();
        let mut taken = ConfigOptions::default();
        take(&headers, &mut taken).unwrap();
        assert_eq!(changed(&taken), changed(&sent));
        assert!(changed(&taken).len() >= 3, "{:?}", changed(&taken));
        assert!(!taken.execution.enable_file_stream_work_stealing);
    }

    #[test]
    fn other_versions_are_refused() {
        let mut headers = HeaderMap::new();
        put(&ConfigOptions::default(), &mut headers).unwrap();
        headers.insert(VERSION_HEADER, HeaderValue::from_static("0.0.1"));
        let error = take(&headers, &mut ConfigOptions::default()).unwrap_err();
        assert!(error.to_string().contains("0.0.1"), "{error}");
        take(&HeaderMap::new(), &mut ConfigOptions::default()).unwrap_err();
    }
}
