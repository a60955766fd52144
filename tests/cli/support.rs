//! Runs the binary in a folder of its own and looks at everything that comes out.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// A folder for one test's files, and the place where the binary runs.
pub struct Folder(TempDir);

/// What one run of the binary left behind.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        write(&path, content);
        path
    }

    /// All files, hidden ones too, sorted.
    pub fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, files: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, files);
                } else {
                    files.push(
                        path.strip_prefix(root)
                            .unwrap()
                            .to_str()
                            .unwrap()
                            .to_string(),
                    );
                }
            }
        }
        let mut files = Vec::new();
        walk(self.root(), self.root(), &mut files);
        files.sort();
        files
    }

    /// A command that runs the binary here.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tolerant"));
        command
            .current_dir(self.root())
            .env_remove("TOLERANT_LOG")
            .env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs the binary here; whatever it is given, it must not panic, and must exit with 0, 1 or 2.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Run {
        let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
        let output = self.command().args(&args).output().unwrap();
        let run = Run {
            code: output
                .status
                .code()
                .unwrap_or_else(|| panic!("{args:?} was killed: {:?}", output.status)),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!((0..=2).contains(&run.code), "{args:?}: {run:?}");
        assert!(
            !run.stderr.contains("panicked") && !run.stderr.contains("internal error"),
            "{args:?}: {run:?}"
        );
        run
    }

    /// Runs the binary; it must succeed in silence.
    pub fn ok<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        let run = self.run(args);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        run.stdout
    }

    /// Runs the binary; it must succeed, with one remark on standard error that contains `part`.
    pub fn remarks<S: AsRef<OsStr>>(&self, args: &[S], part: &str) {
        let run = self.run(args);
        assert_eq!((run.code, run.stderr.lines().count()), (0, 1), "{run:?}");
        let note = run.stderr.strip_prefix("note: ");
        assert!(note.is_some_and(|note| note.contains(part)), "{run:?}");
    }

    /// Runs the binary; it must succeed and print one JSON document on one line.
    pub fn json<S: AsRef<OsStr>>(&self, args: &[S]) -> Value {
        let stdout = self.ok(args);
        assert_eq!(stdout.lines().count(), 1, "{stdout}");
        serde_json::from_str(&stdout).unwrap()
    }

    /// Runs the binary; it must fail with exit code 2, one line on standard error that contains
    /// each of `parts`, nothing on standard output, and no file made or changed here.
    pub fn fails<S: AsRef<OsStr>>(&self, args: &[S], parts: &[&str]) -> String {
        let before = self.snapshot();
        let run = self.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
        assert!(run.stderr.starts_with("error: "), "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        for part in parts {
            assert!(run.stderr.contains(part), "{part:?} is not in {run:?}");
        }
        assert!(
            before == self.snapshot(),
            "files changed: {:?}",
            self.files()
        );
        run.stderr
    }

    fn snapshot(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let read = |name: String| {
            let content = fs::read(self.root().join(&name)).ok();
            (name, content)
        };
        self.files().into_iter().map(read).collect()
    }
}

/// Writes a file anew: ext4 flushes a file that is truncated and rewritten to disk, which takes
/// longer than all else in a test of thousands of damaged files.
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    let _ = fs::remove_file(path);
    fs::write(path, content).unwrap();
}

/// Random bytes that are the same in every run.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}
