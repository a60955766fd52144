//! From the path of a URL to one below the served folder, or to nothing.
//!
//! A path is percent-decoded once, segment by segment; whatever could mean more than the name of a
//! file or folder right there is refused, on every platform alike. Links are the file system's
//! matter: see [`Folder`](super::files::Folder).

use percent_encoding::percent_decode_str;

pub(super) use crate::file::encode_name as encode;

/// The path of a URL, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlPath {
    /// Names joined by `/`, relative to the served folder; empty for that folder itself.
    pub relative: String,
    /// The URL ends in `/`.
    pub is_folder: bool,
}

impl UrlPath {
    /// None for what names nothing that is served: empty segments, `.` and `..`, hidden files,
    /// separators and control characters within a segment, and what is not UTF-8.
    pub fn parse(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        if path.is_empty() {
            return Some(Self {
                relative: String::new(),
                is_folder: true,
            });
        }
        let is_folder = path.ends_with('/');
        let path = path.strip_suffix('/').unwrap_or(path);
        let names = path.split('/').map(name).collect::<Option<Vec<_>>>()?;
        Some(Self {
            relative: names.join("/"),
            is_folder,
        })
    }
}

/// One segment, decoded.
fn name(segment: &str) -> Option<String> {
    check_escapes(segment.as_bytes())?;
    let name = percent_decode_str(segment).decode_utf8().ok()?;
    is_served(&name).then(|| name.into_owned())
}

/// Whether a file or folder of this name is served at all.
pub fn is_served(name: &str) -> bool {
    // `..` and `.` are among those that start with a dot. Devices and drives: Windows only.
    let foreign = |c: char| c.is_control() || matches!(c, '/' | '\\') || cfg!(windows) && c == ':';
    !name.is_empty() && !name.starts_with('.') && !name.contains(foreign)
}

/// Every `%` is followed by two hexadecimal digits.
fn check_escapes(segment: &[u8]) -> Option<()> {
    for (i, _) in segment
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
    {
        let digits = segment.get(i + 1..i + 3)?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn relative(path: &str) -> Option<String> {
        UrlPath::parse(path).map(|path| path.relative)
    }

    #[test]
    fn names_are_decoded_once() {
        assert_eq!(relative("/a/b%20c.parquet"), Some("a/b c.parquet".into()));
        assert_eq!(relative("/%2541.parquet"), Some("%41.parquet".into()));
        assert_eq!(relative("/caf%C3%A9"), Some("café".into()));
        assert_eq!(relative("/"), Some(String::new()));
        let folder = UrlPath::parse("/a/").expect("a folder");
        assert_eq!((folder.relative.as_str(), folder.is_folder), ("a", true));
    }

    #[test]
    fn ways_out_are_refused() {
        for path in [
            "",
            "a",
            "//",
            "//etc/passwd",
            "/a//b",
            "/..",
            "/../x",
            "/a/../b",
            "/./a",
            "/%2e%2e/x",
            "/%2E%2E%2Fx",
            "/..%2fx",
            "/a%2fb",
            "/a%5c..%5cb",
            "/a\\b",
            "/%00",
            "/a%00.parquet",
            "/%",
            "/%2",
            "/%zz",
            "/%ff",
            "/%c0%ae%c0%ae/x",
            "/.git/config",
            "/a/.hidden",
            "/%0d%0aX: y",
            "/a/%2e",
            "/...",
            "/a/..;/b/%2e%2e",
        ] {
            assert_eq!(UrlPath::parse(path), None, "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_found_again(name in "\\PC{1,20}") {
            if is_served(&name) {
                prop_assert_eq!(relative(&format!("/{}", encode(&name))), Some(name));
            }
        }

        #[test]
        fn nothing_leads_upwards(path in "/[a-z%./\\\\0-9A-F]{0,30}") {
            if let Some(path) = UrlPath::parse(&path) {
                let names: Vec<_> = path.relative.split('/').collect();
                prop_assert!(path.relative.is_empty() || names.iter().all(|name| is_served(name)));
                prop_assert!(!path.relative.starts_with('/'));
            }
        }
    }
}
