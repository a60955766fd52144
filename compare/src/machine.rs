//! Where the comparison ran, and which versions of the peers it ran.

use std::fs;
use std::process::Command;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub system: String,
}

impl Machine {
    pub fn here() -> Self {
        let field = |path: &str, name: &str, separator: char| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name))?;
            let (_, value) = line.split_once(separator)?;
            Some(value.trim().trim_matches('"').to_string())
        };
        let unknown = || "unknown".to_string();
        Self {
            cpu: field("/proc/cpuinfo", "model name", ':').unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: field("/etc/os-release", "PRETTY_NAME", '=').unwrap_or_else(unknown),
        }
    }
}

/// The packages whose versions are reported.
const REPORTED: &[&str] = &[
    "tolerant",
    "sz3",
    "zfp-sys",
    "sperr",
    "fpzip-sys",
    "lc-framework",
    "tthresh",
    "zstd-sys",
    "parquet",
    "pco",
    "vortex",
];

/// From the lock file that this program was built with; a suffix such as `+SZ3-3.3.2` is the
/// version of the peer itself.
pub fn versions() -> Vec<(String, String)> {
    let packages: Vec<(&str, &str)> = include_str!("../Cargo.lock")
        .split("[[package]]")
        .filter_map(|package| {
            let field = |name: &str| {
                let line = package.lines().find_map(|line| line.strip_prefix(name))?;
                Some(line.trim_start_matches(" = ").trim_matches('"'))
            };
            Some((field("name")?, field("version")?))
        })
        .collect();
    let crates = REPORTED.iter().filter_map(|&wanted| {
        let (name, version) = packages.iter().find(|(name, _)| *name == wanted)?;
        Some((name.to_string(), version.to_string()))
    });
    crates.chain(pysz_version()).collect()
}

/// Of the wheel that SZ3 is taken from.
fn pysz_version() -> Option<(String, String)> {
    let python = std::env::var(crate::peers::PYTHON).ok()?;
    let script = "from importlib.metadata import version; print(version('pysz'))";
    let output = Command::new(python).args(["-c", script]).output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    Some(("pysz".to_string(), version.trim().to_string()))
}
