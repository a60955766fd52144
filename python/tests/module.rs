//! Protects the Python module: its tests run with the library that cargo has built for this one.
//!
//! Python's interpreter is the one that `scripts/python_env.sh` prints; `scripts/test.sh` sets it.

#[path = "../../tests/strangers/python.rs"]
mod python;

use std::path::Path;
use std::process::Command;

#[test]
fn the_tests_in_python_pass() {
    let Some(python) = python::python() else {
        return;
    };
    let this = std::env::current_exe().unwrap();
    let built = this.parent().unwrap();
    let library = format!(
        "{}tolerant_python{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    );
    let status = Command::new(python)
        .arg("-B")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run.py"))
        .arg(built.join(library))
        .arg(built.with_file_name(format!("tolerant{}", std::env::consts::EXE_SUFFIX)))
        .status()
        .unwrap();
    assert!(status.success(), "pytest: {status}");
}
