//! Conditional requests: RFC 9110, section 13, in the order of precedence of its section 13.2.2.

use std::time::{Duration, SystemTime};

use axum::http::HeaderMap;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE};
use headers::{
    ETag, Header, HeaderMapExt, IfMatch, IfModifiedSince, IfNoneMatch, IfUnmodifiedSince,
    LastModified,
};

/// What the conditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Send,
    /// 304: the client has it.
    NotModified,
    /// 412: it is not the file that the client means.
    Failed,
}

/// Judges all conditions but `If-Range`.
pub fn judge(headers: &HeaderMap, etag: &ETag, modified: SystemTime) -> Outcome {
    if headers.contains_key(IF_MATCH) {
        // A list that cannot be read names no file.
        let list = headers.typed_get::<IfMatch>();
        if !list.is_some_and(|list| list.precondition_passes(etag)) {
            return Outcome::Failed;
        }
    } else if let Some(since) = headers.typed_get::<IfUnmodifiedSince>()
        && !since.precondition_passes(seconds(modified))
    {
        return Outcome::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        let list = headers.typed_get::<IfNoneMatch>();
        if list.is_some_and(|list| !list.precondition_passes(etag)) {
            return Outcome::NotModified;
        }
    } else if let Some(since) = headers.typed_get::<IfModifiedSince>()
        && !since.is_modified(seconds(modified))
    {
        return Outcome::NotModified;
    }
    Outcome::Send
}

/// Whether `If-Range` lets a range be answered as such: there is none, or it names this file.
pub fn range_holds(headers: &HeaderMap, etag: &ETag, modified: SystemTime) -> bool {
    let Some(value) = headers.get(IF_RANGE) else {
        return true;
    };
    if let Ok(asked) = ETag::decode(&mut std::iter::once(value)) {
        // By strong comparison, and ours are strong.
        return asked == *etag;
    }
    // A date tells one second's file from the next only.
    let old = SystemTime::now()
        .duration_since(modified)
        .is_ok_and(|age| age > Duration::from_secs(2));
    LastModified::decode(&mut std::iter::once(value))
        .is_ok_and(|asked| old && SystemTime::from(asked) == seconds(modified))
}

/// HTTP's dates are of whole seconds.
pub fn seconds(time: SystemTime) -> SystemTime {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT and a bit.
    const MODIFIED: Duration = Duration::from_millis(784_111_777_500);
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let entry = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(entry).collect()
    }

    fn outcome(pairs: &[(&'static str, &'static str)]) -> Outcome {
        let etag = "\"a\"".parse().expect("an entity tag");
        judge(&map(pairs), &etag, SystemTime::UNIX_EPOCH + MODIFIED)
    }

    #[test]
    fn conditions_in_their_order() {
        use Outcome::{Failed, NotModified, Send};
        for (pairs, expected) in [
            (&[][..], Send),
            (&[("if-match", "\"a\"")], Send),
            (&[("if-match", "\"b\", \"a\"")], Send),
            (&[("if-match", "*")], Send),
            (&[("if-match", "\"b\"")], Failed),
            (&[("if-match", "W/\"a\"")], Failed),
            (&[("if-none-match", "\"a\"")], NotModified),
            (&[("if-none-match", "W/\"a\"")], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"b\"")], Send),
            (&[("if-modified-since", SAME)], NotModified),
            (&[("if-modified-since", BEFORE)], Send),
            (&[("if-modified-since", "yesterday")], Send),
            (&[("if-unmodified-since", SAME)], Send),
            (&[("if-unmodified-since", BEFORE)], Failed),
            // Tags go before dates.
            (
                &[("if-match", "\"a\""), ("if-unmodified-since", BEFORE)],
                Send,
            ),
            (
                &[("if-none-match", "\"b\""), ("if-modified-since", SAME)],
                Send,
            ),
            (&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], Failed),
        ] {
            assert_eq!(outcome(pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn ranges_of_another_file_do_not_hold() {
        let etag = "\"a\"".parse().expect("an entity tag");
        let modified = SystemTime::UNIX_EPOCH + MODIFIED;
        let holds = |value| range_holds(&map(&[("if-range", value)]), &etag, modified);
        assert!(range_holds(&HeaderMap::new(), &etag, modified));
        assert!(holds("\"a\"") && holds(SAME));
        assert!(!holds("\"b\"") && !holds("W/\"a\"") && !holds(BEFORE) && !holds("?"));
        let now = SystemTime::now();
        assert!(!range_holds(&map(&[("if-range", SAME)]), &etag, now));
    }
}
