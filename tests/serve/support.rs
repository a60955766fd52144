//! A folder, a server over it, and HTTP spoken word by word.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use tolerant::ErrorBound;
use tolerant::file::{VirtualFile, Writer, WriterOptions};

/// A table of floats with nulls, two columns that go together, numbers and strings.
pub fn table(rows: usize) -> RecordBatch {
    let wave = |i: usize, step: f64| ((i as f64 * step).sin() * 100.0) as f32;
    let x: Float32Array = (0..rows).map(|i| Some(wave(i, 0.001))).collect();
    let y: Float32Array = (0..rows)
        .map(|i| Some(wave(i, 0.001) + wave(i, 0.7) / 50.0))
        .collect();
    let z: Float64Array = (0..rows)
        .map(|i| (i % 7 != 3).then(|| f64::from(wave(i, 0.013)) * 1e3))
        .collect();
    let id: Int64Array = (0..rows as i64).map(Some).collect();
    let name: StringArray = (0..rows).map(|i| Some(format!("n{}", i % 100))).collect();
    let schema = Schema::new(vec![
        Field::new("x", DataType::Float32, false),
        Field::new("y", DataType::Float32, false),
        Field::new("z", DataType::Float64, true),
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, false),
    ]);
    let columns = vec![
        Arc::new(x) as _,
        Arc::new(y) as _,
        Arc::new(z) as _,
        Arc::new(id) as _,
        Arc::new(name) as _,
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

pub fn pack(path: &Path, table: &RecordBatch) {
    let options = WriterOptions::new()
        .with_bound(ErrorBound::rel(1e-3).unwrap())
        .with_block_rows(4096)
        .with_row_group_rows(16_384);
    // A new file each time, as `compress` makes it.
    let _ = fs::remove_file(path);
    let mut writer = Writer::try_new(File::create(path).unwrap(), table.schema(), options).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
}

/// Ordinary Parquet.
pub fn plain(path: &Path, table: &RecordBatch) {
    let _ = fs::remove_file(path);
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), table.schema(), None).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
}

/// The bytes that a server is to give.
pub fn virtual_bytes(packed: &Path) -> Vec<u8> {
    let file = VirtualFile::open(packed).unwrap();
    file.read(0..file.len().unwrap()).unwrap().to_vec()
}

/// `a.parquet` (packed), `sub/b c.parquet` (packed), `plain.parquet`, and what is not served.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("sub")).unwrap();
    fs::create_dir(root.join(".git")).unwrap();
    pack(&root.join("a.parquet"), &table(50_000));
    pack(&root.join("sub/b c.parquet"), &table(1000));
    pack(&root.join(".hidden.parquet"), &table(10));
    pack(&root.join(".git/c.parquet"), &table(10));
    plain(&root.join("plain.parquet"), &table(3000));
    fs::write(root.join("token.txt"), "secret\n").unwrap();
    folder
}

/// The binary, serving; ended when dropped.
pub struct Served {
    pub child: Child,
    pub address: String,
    /// What it prints on standard output after the address.
    pub stdout: BufReader<std::process::ChildStdout>,
}

pub fn serve(folder: &Path, more: &[&str]) -> Served {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tolerant"))
        .arg("serve")
        .arg(folder)
        .args(["--bind", "127.0.0.1:0"])
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let address = line
        .trim()
        .strip_prefix("HTTP: http://")
        .and_then(|a| a.strip_suffix('/'));
    let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
    Served {
        child,
        address,
        stdout,
    }
}

impl Served {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    }

    /// Sends one request, as it is but for `Host` and `Connection: close`, and reads the answer.
    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        Answer::parse(&self.bytes(method, target, headers))
    }

    /// All that comes until the connection ends.
    pub fn bytes(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut stream = self.connect();
        send(
            &mut stream,
            method,
            target,
            &[&[("Host", "localhost"), ("Connection", "close")], headers].concat(),
        );
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    }

    pub fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.request("GET", target, headers)
    }

    /// Resident memory at its highest so far, in bytes.
    #[cfg(target_os = "linux")]
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn send(stream: &mut TcpStream, method: &str, target: &str, headers: &[(&str, &str)]) {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    write!(stream, "{method} {target} HTTP/1.1\r\n{headers}\r\n").unwrap();
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            status,
            head,
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Runs a script of this folder; fails with all that it printed.
pub fn run(python: &Path, script: &str, arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve");
    let output = Command::new(python)
        .arg("-B")
        .arg(folder.join(script))
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", python.display()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{script}:\n{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    print!("{script}: {}", text(&output.stdout));
}
