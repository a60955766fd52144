//! Nothing outside the folder, nothing hidden, nothing without the token, nothing written.

use std::fs;
use std::process::Command;

use crate::support::{folder, pack, serve, table};

#[test]
fn no_path_leaves_the_folder() {
    let outside = tempfile::tempdir().unwrap();
    pack(&outside.path().join("secret.parquet"), &table(10));
    let folder = folder();
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(outside.path(), folder.path().join("out")).unwrap();
        symlink(
            outside.path().join("secret.parquet"),
            folder.path().join("link.parquet"),
        )
        .unwrap();
        let up = format!(
            "../{}/secret.parquet",
            outside.path().file_name().unwrap().to_str().unwrap()
        );
        symlink(&up, folder.path().join("up.parquet")).unwrap();
        symlink(format!("../{up}"), folder.path().join("sub/up.parquet")).unwrap();
        // Inside, a link is as good as a file.
        symlink("a.parquet", folder.path().join("inside.parquet")).unwrap();
    }
    let server = serve(folder.path(), &[]);
    let name = outside.path().file_name().unwrap().to_str().unwrap();
    let absolute = outside.path().join("secret.parquet");
    let absolute = absolute.to_str().unwrap();
    let mut targets: Vec<String> = [
        "out/secret.parquet",
        "out/",
        "out",
        "link.parquet",
        "up.parquet",
        "sub/up.parquet",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "%00",
        "a.parquet%00",
        "a.parquet%00.png",
        ".hidden.parquet",
        ".git/c.parquet",
        ".git/",
        "token.txt",
        "%2e%2e/",
        "..%2f",
        "sub/..%5c..%5c",
        "..\\",
        "C:/",
        "sub/../../",
        "//",
        "./",
        "%252e%252e/",
        "%c0%ae%c0%ae/",
        "a.parquet/..",
        "sub/%2e%2e/a.parquet",
        "..;/",
        "%u002e%u002e/",
    ]
    .map(|target| format!("/{target}"))
    .to_vec();
    for up in ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%00"] {
        for separator in ["/", "%2f", "%2F", "%5c", "\\", "%252f"] {
            targets.push(format!("/{up}{separator}{name}{separator}secret.parquet"));
            targets.push(format!(
                "/sub{separator}{up}{separator}{up}{separator}{name}{separator}secret.parquet"
            ));
        }
    }
    targets.push(absolute.to_owned());
    targets.push(format!("/{absolute}"));
    targets.push(absolute.replace('/', "%2f"));
    let packed = server.get("/a.parquet", &[]).body;
    for target in &targets {
        let answer = server.get(target, &[]);
        assert!(
            matches!(answer.status, 400 | 404),
            "{target}: {} {:?}",
            answer.status,
            answer.body.len()
        );
        assert!(!answer.body.starts_with(b"PAR1"), "{target}");
    }
    #[cfg(unix)]
    {
        assert!(server.get("/inside.parquet", &[]).body == packed);
        let listing = server.get("/", &[]);
        for name in ["link.parquet", "up.parquet", "/out"] {
            assert!(!listing.text().contains(name), "{}", listing.text());
        }
    }
    println!("{} ways out refused", targets.len());
}

#[test]
fn other_kinds_of_files_do_not_disturb() {
    let folder = folder();
    fs::write(folder.path().join("empty.parquet"), "").unwrap();
    fs::write(folder.path().join("short.parquet"), "PA").unwrap();
    #[cfg(unix)]
    {
        let made = Command::new("mkfifo")
            .arg(folder.path().join("pipe.parquet"))
            .status();
        assert!(made.unwrap().success());
        std::os::unix::fs::symlink("loop.parquet", folder.path().join("loop.parquet")).unwrap();
    }
    let server = serve(folder.path(), &[]);
    for name in ["empty", "short", "pipe", "loop", "missing"] {
        assert_eq!(
            server.get(&format!("/{name}.parquet"), &[]).status,
            404,
            "{name}"
        );
    }
    assert_eq!(server.get("/", &[]).status, 200);
}

#[test]
fn only_with_the_token() {
    let folder = folder();
    let file = folder.path().join("token.txt");
    let server = serve(folder.path(), &["--token-file", file.to_str().unwrap()]);
    for target in ["/a.parquet", "/", "/missing", "/../x"] {
        for header in [
            None,
            Some("Bearer wrong!"),
            Some("Bearer secre"),
            Some("secret"),
            Some("Bearer "),
        ] {
            let headers: Vec<_> = header
                .iter()
                .map(|value| ("Authorization", *value))
                .collect();
            let answer = server.get(target, &headers);
            assert_eq!(answer.status, 401, "{target} {header:?}");
            assert!(
                answer
                    .header("www-authenticate")
                    .unwrap()
                    .starts_with("Bearer")
            );
        }
    }
    assert_eq!(server.request("POST", "/a.parquet", &[]).status, 401);
    let right = ("Authorization", "Bearer secret");
    assert_eq!(server.get("/a.parquet", &[right]).status, 200);
    // As a browser says it, under whatever name the server is reached.
    assert_eq!(
        server
            .get("/", &[("Authorization", "Basic dTpzZWNyZXQ=")])
            .status,
        200
    );
}

#[test]
fn nothing_is_written() {
    let folder = folder();
    let before = fs::read(folder.path().join("a.parquet")).unwrap();
    let server = serve(folder.path(), &[]);
    for method in [
        "POST", "PUT", "DELETE", "PATCH", "MKCOL", "OPTIONS", "TRACE",
    ] {
        for target in ["/a.parquet", "/new.parquet", "/"] {
            let answer = server.request(method, target, &[("Content-Length", "0")]);
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, Some("GET, HEAD")),
                "{method} {target}"
            );
        }
    }
    assert!(fs::read(folder.path().join("a.parquet")).unwrap() == before);
    assert!(!folder.path().join("new.parquet").exists());
}

#[test]
fn other_names_are_other_servers() {
    use std::io::Read;
    let folder = folder();
    let server = serve(folder.path(), &[]);
    for (host, status) in [
        ("evil.example", 421),
        ("evil.example:80", 421),
        ("localhost.evil.example", 421),
        ("localhost", 200),
        ("LOCALHOST:1234", 200),
        ("127.0.0.1:80", 200),
        ("[::1]", 200),
        ("[::1]:99", 200),
    ] {
        let mut stream = server.connect();
        crate::support::send(
            &mut stream,
            "HEAD",
            "/a.parquet",
            &[("Host", host), ("Connection", "close")],
        );
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        assert_eq!(
            crate::support::Answer::parse(&bytes).status,
            status,
            "{host}"
        );
    }
}

#[test]
fn the_world_needs_a_token() {
    let folder = folder();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tolerant"))
            .arg("serve")
            .arg(folder.path())
            .args(args)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, error) = run(&["--bind", "0.0.0.0:0"]);
    assert!(code == Some(2) && error.contains("--token-file"), "{error}");
    let (code, error) = run(&["--bind", "127.0.0.1:0", "--token-file", "missing"]);
    assert!(code == Some(2) && error.contains("missing"), "{error}");
    let output = Command::new(env!("CARGO_BIN_EXE_tolerant"))
        .args(["serve", "/no/such/folder"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("/no/such/folder")
    );
}
