//! TLS between workers and those who ask: what works, and who is refused.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tempfile::TempDir;

use crate::support::*;

/// An authority, `NAME.pem`, that vouches for workers.
struct Authority {
    folder: PathBuf,
    file: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, issuer.pem()).unwrap();
        Self {
            folder: folder.to_owned(),
            file: file.to_str().unwrap().to_owned(),
            issuer,
        }
    }

    /// The options of a worker that is `host`, until a year.
    fn vouch(&self, host: &str, until: i32) -> Vec<String> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let write = |name: &str, text: String| {
            let path = self.folder.join(format!("{host}-{until}.{name}"));
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let mut options = vec!["--tls-cert".into(), write("pem", certificate.pem())];
        options.extend(["--tls-key".into(), write("key", key.serialize_pem())]);
        options.extend(["--tls-ca".into(), self.file.clone()]);
        options
    }
}

fn start(options: &[String], more: &[&str]) -> Worker {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    Worker::start(&[&options, more].concat())
}

/// Packed rows by part: workers ask one another.
fn by_part(folder: &TempDir) -> String {
    let path = folder.path().join("packed.parquet");
    format!(
        "SELECT part, count(*) AS n, sum(id) AS s FROM '{}' GROUP BY part ORDER BY part",
        path.display()
    )
}

/// Queries and files over three workers, and the same answers as ever.
#[test]
fn queries_and_files() {
    let folder = folder();
    let authority = Authority::new(folder.path(), "ca");
    let options = authority.vouch("127.0.0.1", 4000);
    let token = folder.path().join("token.txt");
    fs::write(&token, "secret\n").unwrap();
    let token = ["--token-file", token.to_str().unwrap()];
    let workers: Vec<Worker> = (0..3).map(|_| start(&options, &token)).collect();
    let addresses = addresses(&workers);
    let over = ["--workers", &addresses, "--tls-ca", &authority.file];
    let over = [&over[..], &token].concat();

    let sql = by_part(&folder);
    assert_eq!(rows(&sql, &over), rows(&sql, &[]));

    let files = crate::compress::dataset(4, 3000);
    let report = crate::compress::compress(files.path(), "there/", &over);
    assert_eq!(report["lost_workers"], serde_json::json!([]));
    crate::compress::compress(files.path(), "here/", &[]);
    let contents = |name: &str| crate::compress::contents(&files.path().join(name));
    assert_eq!(contents("there"), contents("here"));

    // By a name instead of an address.
    let named = start(&authority.vouch("localhost", 4000), &[]);
    let port = named.address.rsplit_once(':').unwrap().1;
    let over = [
        "--workers",
        &format!("localhost:{port}")[..],
        "--tls-ca",
        &authority.file,
    ];
    assert_eq!(rows(&sql, &over), rows(&sql, &[]));
}

/// A worker that is not who it should be gets neither token nor plan.
#[test]
fn strangers_are_not_asked() {
    let folder = folder();
    let authority = Authority::new(folder.path(), "ca");
    let other = Authority::new(folder.path(), "other");
    let sql = by_part(&folder);
    for (options, why) in [
        (other.vouch("127.0.0.1", 4000), "UnknownIssuer"),
        (authority.vouch("127.0.0.2", 4000), "127.0.0.2"),
        (authority.vouch("127.0.0.1", 2021), "expired"),
    ] {
        let worker = start(&options, &[]);
        let over = ["--workers", &worker.address, "--tls-ca", &authority.file];
        let error = failure(&sql, &over);
        for what in [why, &worker.address, "--tls-ca"] {
            assert!(error.contains(what), "{what}: {error}");
        }
    }
    let plain = Worker::start(&[]);
    let over = ["--workers", &plain.address, "--tls-ca", &authority.file];
    let error = failure(&sql, &over);
    assert!(error.contains("--tls-cert"), "{error}");
}

/// Who asks without TLS is told so.
#[test]
fn who_asks_without_is_told() {
    let folder = folder();
    let authority = Authority::new(folder.path(), "ca");
    let worker = start(&authority.vouch("127.0.0.1", 4000), &[]);
    let error = failure(&by_part(&folder), &["--workers", &worker.address]);
    assert!(
        error.contains("--tls-ca") && error.contains(&worker.address),
        "{error}"
    );
    let files = crate::compress::dataset(2, 100);
    let run = crate::compress::start(files.path(), "out/", &["--workers", &worker.address]);
    let run = run.end(Duration::from_secs(60));
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("--tls-ca"), "{run:?}");
}

/// Between the two ends nobody reads what is asked for.
#[test]
fn what_goes_over_the_wire() {
    let folder = folder();
    let authority = Authority::new(folder.path(), "ca");
    let token = folder.path().join("token.txt");
    fs::write(&token, "a-secret-token\n").unwrap();
    let token = ["--token-file", token.to_str().unwrap()];
    let plain = Worker::start(&token);
    let secret = start(&authority.vouch("127.0.0.1", 4000), &token);
    let sql = by_part(&folder);
    for (worker, tls, readable) in [
        (&plain, &[][..], true),
        (&secret, &["--tls-ca", &authority.file][..], false),
    ] {
        let tap = Tap::start(&worker.address);
        let over = ["--workers", &tap.address];
        let over = [&over[..], &token, tls].concat();
        assert_eq!(rows(&sql, &over).len(), 50);
        let heard = tap.heard();
        let reads = |word: &[u8]| heard.windows(word.len()).any(|bytes| bytes == word);
        assert_eq!(reads(b"packed.parquet"), readable);
        assert!(heard.len() > 1000);
    }
}

/// Passes on what is sent, and listens.
struct Tap {
    address: String,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// Listens to all connections to `worker`, its own to itself included.
    fn start(worker: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (worker, all) = (worker.to_owned(), Arc::clone(&heard));
        std::thread::spawn(move || {
            for asking in listener.incoming() {
                let asking = asking.unwrap();
                let answering = TcpStream::connect(&worker).unwrap();
                let (back, forth) = (answering.try_clone().unwrap(), asking.try_clone().unwrap());
                let all = Arc::clone(&all);
                std::thread::spawn(move || pass_on(back, forth, &Mutex::default()));
                std::thread::spawn(move || pass_on(asking, answering, &all));
            }
        });
        Self { address, heard }
    }

    /// What has been sent to the worker.
    fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }
}

/// Until either end goes.
fn pass_on(mut from: TcpStream, mut to: TcpStream, heard: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        heard.lock().unwrap().extend_from_slice(&piece[..read]);
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Files that are not what they should be, and options that need others.
#[test]
fn bad_files_and_options() {
    let folder = folder();
    let authority = Authority::new(folder.path(), "ca");
    let good = authority.vouch("127.0.0.1", 4000);
    let other = authority.vouch("127.0.0.3", 4000);
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "no certificate\n").unwrap();
    let empty = empty.to_str().unwrap().to_owned();
    let damaged = folder.path().join("damaged.pem");
    fs::write(
        &damaged,
        "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let damaged = damaged.to_str().unwrap().to_owned();
    let fails = |args: &[&str], what: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tolerant"))
            .args(args)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        for what in what {
            assert!(error.contains(what), "{what}: {error}");
        }
    };
    let worker = |cert: &str, key: &str, ca: &str, what: &[&str]| {
        let args = ["worker", "--bind", "127.0.0.1:0", "--tls-cert", cert];
        fails(
            &[&args[..], &["--tls-key", key, "--tls-ca", ca]].concat(),
            what,
        );
    };
    worker(&good[1], &other[3], &good[5], &[&good[1], &other[3]]);
    worker(&good[1], &good[1], &good[5], &[&good[1]]);
    worker(
        &empty,
        &good[3],
        &good[5],
        &[&empty, "holds no certificate"],
    );
    worker(&damaged, &good[3], &good[5], &[&damaged, "damaged"]);
    worker(&good[1], "missing.key", &good[5], &["missing.key"]);
    worker(
        &good[1],
        &good[3],
        &empty,
        &[&empty, "holds no certificate"],
    );
    fails(
        &["worker", "--tls-cert", &good[1], "--tls-key", &good[3]],
        &["--tls-ca"],
    );
    fails(&["worker", "--tls-ca", &good[5]], &["--tls-cert"]);
    fails(
        &[
            "query",
            "SELECT 1",
            "--workers",
            "a:1",
            "--tls-ca",
            &damaged,
        ],
        &[&damaged, "damaged"],
    );
    fails(&["query", "SELECT 1", "--tls-ca", &good[5]], &["--workers"]);
}
