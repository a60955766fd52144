//! Who may ask: a bearer token, compared in constant time.

use std::fmt;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use subtle::ConstantTimeEq;

use crate::tools::{Result, ToolError};

/// With padding or, as Arrow's clients in Go write it, without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret that every request must show.
#[derive(Clone)]
pub struct Token(Vec<u8>);

impl Token {
    /// Reads the first line of a file, without the white space around it.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no token that fits a header.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| ToolError::io("read", path, error))?;
        let token = text.lines().next().unwrap_or_default().trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ToolError::bad_file(
                path,
                "holds no token; write one line of ASCII without spaces, as `openssl rand -hex 32` gives",
            ));
        }
        Ok(Self(token.as_bytes().to_vec()))
    }

    /// Whether an `Authorization` header shows this token: as `Bearer TOKEN`, or as the password
    /// of `Basic`, whoever the user, which is what browsers and URLs can express.
    pub fn is_shown(&self, authorization: &[u8]) -> bool {
        let Some(space) = authorization.iter().position(|byte| *byte == b' ') else {
            return false;
        };
        let (scheme, shown) = authorization.split_at(space);
        let shown = shown.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return self.is(shown);
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return false;
        }
        let Ok(pair) = BASE64.decode(shown) else {
            return false;
        };
        let colon = pair.iter().position(|byte| *byte == b':');
        colon.is_some_and(|colon| self.is(&pair[colon + 1..]))
    }

    /// What a client is to show from now on.
    pub fn bearer(&self) -> Vec<u8> {
        [b"Bearer ", self.0.as_slice()].concat()
    }

    /// Takes as long for every wrong token of the right length.
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_opens() {
        let token = Token(b"secret".to_vec());
        for shown in [
            "Bearer secret",
            "bearer  secret",
            "Basic dXNlcjpzZWNyZXQ=",
            "Basic OnNlY3JldA==",
            "Basic OnNlY3JldA",
        ] {
            assert!(token.is_shown(shown.as_bytes()), "{shown}");
        }
        for shown in [
            "",
            "secret",
            "Bearer",
            "Bearer ",
            "Bearer secre",
            "Bearer secrets",
            "Bearer Secret",
            "Basic secret",
            "Basic dXNlcjpzZWNyZQ==",
            "Basic c2VjcmV0",
            "Digest secret",
        ] {
            assert!(!token.is_shown(shown.as_bytes()), "{shown}");
        }
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn a_file_must_hold_a_token() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for bad in ["", "\n", "   \nx", "two words", "\u{e4}"] {
            fs::write(file.path(), bad).expect("written");
            assert!(Token::read(file.path()).is_err(), "{bad:?}");
        }
        fs::write(file.path(), " secret \nanything\n").expect("written");
        assert!(Token::read(file.path()).expect("a token").is(b"secret"));
    }
}
