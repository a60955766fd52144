//! Names of files as parts of URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a URL as it is: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A name as a segment of a URL.
pub(crate) fn encode_name(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}
