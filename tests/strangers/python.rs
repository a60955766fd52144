//! The Python interpreter of the tests that ask strangers.

use std::path::PathBuf;

/// The interpreter, or None if these tests are to be left out.
pub fn python() -> Option<PathBuf> {
    if std::env::var_os("TOLERANT_SKIP_STRANGERS").is_some_and(|skip| skip == "1") {
        eprintln!("left out: TOLERANT_SKIP_STRANGERS=1");
        return None;
    }
    let python = std::env::var_os("TOLERANT_PYTHON").expect(
        "TOLERANT_PYTHON is not set: run scripts/test.sh, or set it to the path that \
         scripts/python_env.sh prints. TOLERANT_SKIP_STRANGERS=1 leaves these tests out",
    );
    Some(python.into())
}
