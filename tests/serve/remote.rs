//! Files by URL: in an S3 server (moto, on the loopback address), which answers Google's XML API as well, for
//! that is nearly S3's; in Azurite, if asked for; and on our own HTTP server.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use serde_json::Value;

use crate::python::python;
use crate::support::{folder, pack, plain, serve, table};

/// A server of objects, and a folder to work in.
pub struct Store {
    child: Child,
    endpoint: String,
    folder: tempfile::TempDir,
}

impl Store {
    /// moto.
    pub fn s3() -> Option<Self> {
        Self::start("s3.py", None)
    }

    fn start(script: &str, argument: Option<OsString>) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve");
        let mut child = Command::new(python()?)
            .arg("-B")
            .arg(folder.join(script))
            .args(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        let endpoint = format!("http://127.0.0.1:{}", port.trim());
        Some(Self {
            child,
            endpoint,
            folder: tempfile::tempdir().unwrap(),
        })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command that runs in the folder, with credentials in its environment.
    pub fn environment(&self, mut command: Command) -> Command {
        command
            .current_dir(self.folder.path())
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env("GOOGLE_BASE_URL", &self.endpoint)
            .env("GOOGLE_SKIP_SIGNATURE", "true")
            .env("AZURITE_BLOB_STORAGE_URL", &self.endpoint)
            .env("AZURE_STORAGE_USE_EMULATOR", "true");
        command
    }

    /// Runs the binary.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = self.environment(Command::new(env!("CARGO_BIN_EXE_tolerant")));
        command.args(args).output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let error = String::from_utf8_lossy(&output.stderr);
        let remarks = error.lines().all(|line| line.starts_with("note: "));
        assert!(output.status.success() && remarks, "{args:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one line of error that it fails with.
    fn fails(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The script ends with its input, and ends what it has started.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn every_command_takes_urls() {
    let Some(store) = Store::s3() else { return };
    check_every_command(&store, "s3://tables");
}

/// As a public bucket: moto knows no tokens of Google's.
#[test]
fn files_of_google_are_read() {
    let Some(store) = Store::s3() else { return };
    plain(&store.path("plain.parquet"), &table(30_000));
    let there = "s3://tables/a/packed.parquet";
    store.ok(&["compress", "plain.parquet", "-o", there, "--rel", "1e-3"]);
    let publish = "import sys, urllib.request as u; r = u.Request(sys.argv[1] + '?acl', method='PUT'); \
        r.add_header('x-amz-acl', 'public-read'); r.add_header('Authorization', 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request'); u.urlopen(r)";
    let object = format!("{}/tables/a/packed.parquet", store.endpoint);
    let status = Command::new(python().unwrap())
        .args(["-c", publish, &object])
        .status();
    assert!(status.unwrap().success());

    let url = "gs://tables/a/packed.parquet";
    assert_eq!(
        store.ok(&["inspect", url, "--json"]),
        store.ok(&["inspect", there, "--json"])
    );
    store.ok(&["verify", "plain.parquet", url]);
    let count = "SELECT count(*) AS n, max(x) AS x FROM";
    let expected = store.ok(&["query", &format!("{count} '{there}'")]);
    assert_eq!(store.ok(&["query", &format!("{count} '{url}'")]), expected);
    // A folder, which is listed.
    let folder = "CREATE EXTERNAL TABLE t STORED AS TOLERANT LOCATION 'gs://tables/a/'";
    assert_eq!(
        store.ok(&["query", &format!("{folder}; {count} t")]),
        expected
    );
    let error = store.fails(&["inspect", "gs://tables/missing.parquet"]);
    assert!(error.contains("gs://tables/missing.parquet"), "{error}");
}

/// Azure's blobs: `npm install azurite`, and TOLERANT_AZURITE=node_modules/.bin/azurite-blob.
#[test]
#[ignore = "needs Azurite"]
fn every_command_takes_urls_of_azure() {
    let azurite = std::env::var_os("TOLERANT_AZURITE").expect("TOLERANT_AZURITE is not set");
    let Some(store) = Store::start("azure.py", Some(azurite)) else {
        return;
    };
    check_every_command(&store, "az://tables");
}

fn check_every_command(store: &Store, base: &str) {
    let at = |path: &str| format!("{base}/{path}");
    let original = table(30_000);
    plain(&store.path("plain.parquet"), &original);
    let url = &at("a/packed.parquet");
    store.ok(&["compress", "plain.parquet", "-o", url, "--rel", "1e-3"]);
    store.ok(&[
        "compress",
        "plain.parquet",
        "-o",
        "local.parquet",
        "--rel",
        "1e-3",
    ]);
    let report = |place: &str| -> Value {
        serde_json::from_str(&store.ok(&["inspect", place, "--json"])).unwrap()
    };
    assert_eq!(report(url), report("local.parquet"));
    store.ok(&["verify", "plain.parquet", url]);
    store.ok(&["decompress", url, "-o", &at("plain/back.parquet")]);
    store.ok(&["decompress", "local.parquet", "-o", "back.parquet"]);
    store.ok(&[
        "compress",
        &at("plain/back.parquet"),
        "-o",
        "exact.parquet",
        "--rel",
        "0",
    ]);
    store.ok(&["verify", "back.parquet", "exact.parquet"]);
    store.ok(&[
        "compress",
        &at("plain/"),
        "-o",
        &at("again.parquet"),
        "--rel",
        "1e-3",
    ]);
    assert_eq!(report(&at("again.parquet"))["rows"], 30_000);

    // A file for each, in a folder of the store.
    let folder = at("each/day=1%20a/");
    store.ok(&["compress", &at("plain/"), "-o", &folder, "--rel", "1e-3"]);
    assert_eq!(report(&format!("{folder}back.parquet"))["rows"], 30_000);
    store.ok(&["verify", &at("plain/"), &folder]);
    store.ok(&["compress", url, "-o", &folder]);
    let table = store.ok(&["verify", &at("plain/"), &folder]);
    assert!(table.contains("packed.parquet"), "{table}");

    let expected = store.ok(&[
        "query",
        "SELECT count(*) AS n, min(x) AS x, max(id) AS id FROM 'local.parquet' WHERE z > 0",
    ]);
    for sql in [
        format!("SELECT count(*) AS n, min(x) AS x, max(id) AS id FROM '{url}' WHERE z > 0"),
        format!(
            "CREATE EXTERNAL TABLE t STORED AS TOLERANT LOCATION '{}'; \
             SELECT count(*) AS n, min(x) AS x, max(id) AS id FROM t WHERE z > 0",
            at("a/")
        ),
    ] {
        assert_eq!(store.ok(&["query", &sql]), expected, "{sql}");
    }
    let named = [
        "query",
        "SELECT count(*) AS n, min(x) AS x, max(id) AS id FROM t WHERE z > 0",
        "--table",
    ];
    assert_eq!(
        store.ok(&[&named[..], &[&format!("t={url}")]].concat()),
        expected
    );
    store.ok(&[
        "query",
        &format!("SELECT x FROM '{url}'"),
        "--format",
        "parquet",
        "-o",
        &at("x.parquet"),
    ]);
    assert_eq!(report(&at("x.parquet"))["rows"], 30_000);
}

#[test]
fn other_inputs_and_local_urls() {
    let Some(s3) = Store::s3() else { return };
    fs::write(s3.path("t.csv"), "a,b\n1,2.5\n2,3.5\n3,\n").unwrap();
    // A CSV file can only get there by other means than ours.
    let put = "import sys, urllib.request as u; r = u.Request(sys.argv[1], open('t.csv', 'rb').read(), method='PUT'); \
        r.add_header('Content-Type', 'text/csv'); r.add_header('Authorization', 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request'); u.urlopen(r)";
    let target = format!("{}/tables/csv/t.csv", s3.endpoint);
    let status = Command::new(python().unwrap())
        .current_dir(s3.folder.path())
        .args(["-c", put, &target])
        .status();
    assert!(status.unwrap().success());
    s3.ok(&[
        "compress",
        "s3://tables/csv/t.csv",
        "-o",
        "t.parquet",
        "--abs",
        "0.1",
    ]);
    s3.ok(&["verify", "s3://tables/csv/t.csv", "t.parquet"]);
    let local = format!("file://{}", s3.path("t.parquet").display());
    s3.ok(&["inspect", &local]);
    s3.ok(&[
        "compress",
        &local,
        "-o",
        &format!("file://{}", s3.path("u.parquet").display()),
    ]);
    assert!(s3.path("u.parquet").exists());
}

#[test]
fn large_files_are_uploaded_in_parts() {
    let Some(s3) = Store::s3() else { return };
    let mut state = 1u64;
    let noise: Float64Array = (0..3_000_000)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Some(state as f64)
        })
        .collect();
    let batch =
        RecordBatch::try_from_iter([("x", std::sync::Arc::new(noise) as ArrayRef)]).unwrap();
    plain(&s3.path("noise.parquet"), &batch);
    let url = "s3://tables/noise.parquet";
    s3.ok(&[
        "compress",
        "noise.parquet",
        "-o",
        url,
        "--column",
        "x=exact",
    ]);
    let report: Value = serde_json::from_str(&s3.ok(&["inspect", url, "--json"])).unwrap();
    assert!(
        report["file_bytes"].as_u64().unwrap() > 16 << 20,
        "{report}"
    );
    s3.ok(&["verify", "noise.parquet", url]);
}

#[test]
fn what_fails_says_so_and_leaves_nothing() {
    let Some(s3) = Store::s3() else { return };
    plain(&s3.path("plain.parquet"), &table(100));
    for args in [
        &["inspect", "s3://tables/missing.parquet"][..],
        &["verify", "plain.parquet", "s3://tables/missing.parquet"],
        &["compress", "s3://tables/missing.parquet", "-o", "x.parquet"],
        &[
            "decompress",
            "s3://tables/missing.parquet",
            "-o",
            "x.parquet",
        ],
    ] {
        let error = s3.fails(args);
        assert!(
            error.contains("s3://tables/missing.parquet") && error.contains("not found"),
            "{error}"
        );
    }
    let error = s3.fails(&[
        "compress",
        "plain.parquet",
        "-o",
        "s3://no-such-bucket/x.parquet",
    ]);
    assert!(
        error.contains("s3://no-such-bucket/x.parquet") && error.contains("NoSuchBucket"),
        "{error}"
    );
    // An output that fails is not there, and what was there before still is.
    s3.ok(&[
        "compress",
        "plain.parquet",
        "-o",
        "s3://tables/kept.parquet",
    ]);
    let error = s3.fails(&[
        "decompress",
        "s3://tables/kept.parquet",
        "-o",
        "s3://tables/",
    ]);
    assert!(error.contains("name the file"), "{error}");
    fs::write(s3.path("damaged.parquet"), "PAR1 and nothing PAR1").unwrap();
    s3.fails(&[
        "compress",
        "damaged.parquet",
        "-o",
        "s3://tables/kept.parquet",
    ]);
    s3.fails(&[
        "compress",
        "damaged.parquet",
        "-o",
        "s3://tables/new.parquet",
    ]);
    s3.ok(&["verify", "plain.parquet", "s3://tables/kept.parquet"]);
    s3.fails(&["inspect", "s3://tables/new.parquet"]);
    let error = s3.fails(&["query", "SELECT * FROM 's3://tables/missing.parquet'"]);
    assert!(error.contains("missing.parquet"), "{error}");
    let error = s3.fails(&[
        "compress",
        "s3://tables/kept.parquet",
        "-o",
        "s3://tables/kept.parquet",
    ]);
    assert!(error.contains("also an input"), "{error}");
}

#[test]
fn our_own_server_is_read_by_url() {
    let folder = folder();
    let token = folder.path().join("token.txt");
    let server = serve(folder.path(), &["--token-file", token.to_str().unwrap()]);
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tolerant"))
            .args(args)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let url = format!("http://me:secret@{}/a.parquet", server.address);
    let packed = folder.path().join("a.parquet");
    let (code, shown, error) = run(&["inspect", &url]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(!shown.contains("secret"), "{shown}");
    let (_, over_http, error) = run(&[
        "query",
        &format!("SELECT avg(x) AS x, count(z) AS z FROM '{url}'"),
    ]);
    let (_, local, _) = run(&[
        "query",
        &format!(
            "SELECT avg(x) AS x, count(z) AS z FROM '{}'",
            packed.display()
        ),
    ]);
    assert_eq!((over_http, error.as_str()), (local, ""));
    let wrong = url.replace("secret", "hunter2");
    let (code, _, error) = run(&["inspect", &wrong]);
    assert_eq!(code, Some(2));
    assert!(
        error.contains("401") && !error.contains("hunter2") && error.contains("/a.parquet"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_replaced_is_not_mixed() {
    use tolerant::file::{ReadAt, remote::RemoteFile};
    let folder = folder();
    let path = folder.path().join("plain.parquet");
    let before = fs::read(&path).unwrap();
    let server = serve(folder.path(), &[]);
    let file = RemoteFile::open(&server.url("plain.parquet")).unwrap();
    let ranges = [
        0..10,
        500..5000,
        0..0,
        before.len() as u64 - 8..before.len() as u64,
    ];
    for (range, bytes) in ranges.iter().zip(file.read_ranges(&ranges).unwrap()) {
        assert!(
            bytes == before[range.start as usize..range.end as usize],
            "{range:?}"
        );
    }
    assert!(file.read_at(0..before.len() as u64 + 1).is_err());
    pack(&folder.path().join("new.tmp"), &table(3000));
    fs::rename(folder.path().join("new.tmp"), &path).unwrap();
    let error = file.read_at(0..4).unwrap_err().to_string();
    assert!(error.contains("replaced"), "{error}");
}
