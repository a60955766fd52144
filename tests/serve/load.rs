//! Many at once: for a moment with every test, and for a minute when asked to:
//!
//! `cargo test --release --test serve load -- --ignored --nocapture`

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::support::{Served, folder, pack, serve, table, virtual_bytes};

const READERS: usize = 64;

/// What a busy machine may take until each reader had a turn.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn load_for_two_seconds() {
    readers(200_000, Duration::from_secs(2));
}

#[test]
#[ignore = "takes a minute"]
fn load_for_a_minute() {
    readers(5_000_000, Duration::from_secs(60));
}

/// Readers of random ranges, small and large, each on one connection; every byte is compared. Slow
/// and half-open connections are there all the while.
fn readers(rows: usize, time: Duration) {
    let folder = folder();
    let path = folder.path().join("large.parquet");
    pack(&path, &table(rows));
    let expected = virtual_bytes(&path);
    let limit = std::env::var("LOAD_MEMORY").map_or(256u64, |limit| limit.parse().unwrap());
    let server = serve(folder.path(), &["--memory", &limit.to_string()]);
    let idle: Vec<TcpStream> = (0..32)
        .map(|i| {
            let mut stream = server.connect();
            if i % 2 == 0 {
                write!(
                    stream,
                    "GET /large.parquet HTTP/1.1\r\nHost: localhost\r\n\r\n"
                )
                .unwrap();
            }
            stream
        })
        .collect();

    let (requests, bytes, wrong) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let done = AtomicBool::new(false);
    let slowest = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            let (server, expected) = (&server, &expected);
            let (requests, bytes, wrong, done, slowest) =
                (&requests, &bytes, &wrong, &done, &slowest);
            scope.spawn(move || {
                let mut connection = BufReader::new(server.connect());
                let mut random = reader as u64 + 1;
                while !done.load(Relaxed) {
                    let range = range(&mut random, expected.len());
                    let begin = Instant::now();
                    let found = fetch(&mut connection, &range);
                    slowest.fetch_max(begin.elapsed().as_millis() as u64, Relaxed);
                    if found != expected[range] {
                        wrong.fetch_add(1, Relaxed);
                    }
                    requests.fetch_add(1, Relaxed);
                    bytes.fetch_add(found.len() as u64, Relaxed);
                }
            });
        }
        std::thread::sleep(time);
        while requests.load(Relaxed) <= READERS as u64 && start.elapsed() < time + PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        done.store(true, Relaxed);
    });
    let seconds = start.elapsed().as_secs_f64();
    let requests = requests.into_inner();
    println!(
        "{READERS} readers, {seconds:.1} s: {requests} requests, {:.0} a second, {:.0} MB/s, {} wrong; slowest {} ms; peak {} MB",
        requests as f64 / seconds,
        bytes.into_inner() as f64 / seconds / 1e6,
        wrong.load(Relaxed),
        slowest.into_inner(),
        peak(&server) >> 20,
    );
    assert_eq!(wrong.into_inner(), 0);
    assert!(requests > READERS as u64);
    // The limit, the file's own tables and shared integers, and what threads and connections take.
    assert!(
        peak(&server) < (limit + 256) << 20,
        "{} MB",
        peak(&server) >> 20
    );
    drop(idle);
}

fn peak(server: &Served) -> u64 {
    #[cfg(target_os = "linux")]
    return server.peak_memory();
    #[cfg(not(target_os = "linux"))]
    {
        let _ = server;
        0
    }
}

/// Mostly as Parquet readers ask: a page or two; sometimes a few bytes, sometimes megabytes.
fn range(random: &mut u64, len: usize) -> std::ops::Range<usize> {
    let mut next = || {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random as usize
    };
    let start = next() % len;
    let size = match next() % 10 {
        0 => 1 + next() % 16,
        1 => 1 + next() % (4 << 20),
        _ => 1 + next() % (64 << 10),
    };
    start..(start + size).min(len)
}

fn fetch(connection: &mut BufReader<TcpStream>, range: &std::ops::Range<usize>) -> Vec<u8> {
    let request = format!(
        "GET /large.parquet HTTP/1.1\r\nHost: localhost\r\nRange: bytes={}-{}\r\n\r\n",
        range.start,
        range.end - 1
    );
    connection.get_mut().write_all(request.as_bytes()).unwrap();
    let mut length = None;
    let mut line = String::new();
    connection.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 206"), "{line}");
    loop {
        line.clear();
        connection.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = Some(value.trim().parse::<usize>().unwrap());
        }
    }
    let mut body = vec![0; length.expect("a length")];
    connection.read_exact(&mut body).unwrap();
    body
}
