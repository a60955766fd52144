//! Nobody is held up by those who are slow or silent, and all end in peace.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Answer, folder, pack, send, serve, table, virtual_bytes};

const LOCAL: &[(&str, &str)] = &[("Host", "localhost")];

#[test]
fn slow_and_silent_clients_hold_up_nobody() {
    let folder = folder();
    pack(&folder.path().join("large.parquet"), &table(2_000_000));
    let server = serve(folder.path(), &["--memory", "64"]);
    // Half a request, nothing at all, and whole requests whose answers nobody reads.
    let mut idle: Vec<TcpStream> = Vec::new();
    for i in 0..150 {
        let mut stream = server.connect();
        match i % 3 {
            0 => {}
            1 => write!(stream, "GET /a.parquet HTTP/1.1\r\nHost: loc").unwrap(),
            _ => send(&mut stream, "GET", "/large.parquet", LOCAL),
        }
        idle.push(stream);
    }
    std::thread::sleep(Duration::from_millis(500));
    let expected = virtual_bytes(&folder.path().join("a.parquet"));
    // One of the slow ones picks up, and gets it all.
    let mut bytes = Vec::new();
    let mut slow = idle.pop().unwrap();
    send(
        &mut slow,
        "GET",
        "/a.parquet",
        &[("Host", "localhost"), ("Connection", "close")],
    );
    slow.read_to_end(&mut bytes).unwrap();
    let large = virtual_bytes(&folder.path().join("large.parquet"));
    let first = Answer::parse(&bytes);
    assert!(first.body.starts_with(&large), "not the right bytes");
    assert!(Answer::parse(&first.body[large.len()..]).body == expected);
    for _ in 0..20 {
        let start = Instant::now();
        assert!(server.get("/a.parquet", &[]).body == expected);
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "took {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn too_many_requests_are_told_so() {
    let folder = folder();
    pack(&folder.path().join("large.parquet"), &table(2_000_000));
    let server = serve(folder.path(), &["--max-requests", "2"]);
    let mut busy: Vec<TcpStream> = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect();
        send(&mut stream, "GET", "/large.parquet", LOCAL);
        stream.read_exact(&mut [0; 100]).unwrap();
        busy.push(stream);
    }
    let refused = server.get("/a.parquet", &[]);
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("5"))
    );
    drop(busy);
    assert_eq!(server.get("/a.parquet", &[]).status, 200);
}

#[cfg(unix)]
#[test]
fn it_stops_when_told_and_finishes_what_it_does() {
    let folder = folder();
    pack(&folder.path().join("large.parquet"), &table(1_000_000));
    let large = virtual_bytes(&folder.path().join("large.parquet"));
    assert!(large.len() > 16 << 20, "sockets would take it whole");
    for signal in ["-TERM", "-INT"] {
        let mut server = serve(folder.path(), &[]);
        let idle = server.connect();
        let mut reading = server.connect();
        send(&mut reading, "GET", "/large.parquet", LOCAL);
        reading.read_exact(&mut [0; 1]).unwrap();
        let id = server.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        let start = Instant::now();
        while TcpStream::connect(&server.address).is_ok() {
            let told = start.elapsed();
            assert!(told < Duration::from_secs(2), "still listening");
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut bytes = b"H".to_vec();
        reading.read_to_end(&mut bytes).unwrap();
        assert!(Answer::parse(&bytes).body == large, "cut off");
        assert_eq!(server.child.wait().unwrap().code(), Some(0));
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "waited for the idle: {:?}",
            start.elapsed()
        );
        drop(idle);
    }
}

#[cfg(unix)]
#[test]
fn who_never_reads_does_not_keep_it_running() {
    let folder = folder();
    pack(&folder.path().join("large.parquet"), &table(2_000_000));
    let mut server = serve(folder.path(), &[]);
    let mut stuck = server.connect();
    send(&mut stuck, "GET", "/large.parquet", LOCAL);
    stuck.read_exact(&mut [0; 1]).unwrap();
    let start = Instant::now();
    let id = server.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}
