//! Protects the documentation: every snippet of docs/network.md runs as it stands, but for where
//! the servers are.

use std::fs;
use std::io::BufRead;
use std::path::Path;
use std::process::Command;

use crate::python::python;
use crate::remote::Store;
use crate::support::{pack, serve, table};

/// The blocks of a page in `language`, with the line that each starts at.
fn snippets(page: &str, language: &str) -> Vec<(usize, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(page);
    let text = fs::read_to_string(path).unwrap();
    let mut found = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for (i, line) in text.lines().enumerate() {
        match &mut block {
            None if line == format!("```{language}") => block = Some((i + 1, String::new())),
            Some(_) if line == "```" => found.extend(block.take()),
            Some((_, code)) => *code += &format!("{line}\n"),
            None => {}
        }
    }
    found
}

#[test]
fn snippets_run() {
    let Some(python) = python() else { return };
    let Some(s3) = Store::s3() else { return };
    let data = s3.path("data");
    fs::create_dir(&data).unwrap();
    pack(&data.join("train.parquet"), &table(20_000));
    let mut server = serve(&data, &["--flight", "0"]);
    let mut line = String::new();
    server.stdout.read_line(&mut line).unwrap();
    let flight = line.trim().strip_prefix("Flight SQL: grpc://").unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_tolerant"));
    let path = std::env::join_paths(
        [binary.parent().unwrap().to_path_buf()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    let mut run = 0;
    for (language, interpreter) in [("python", python.as_path()), ("sh", Path::new("bash"))] {
        for (line, code) in snippets("network.md", language) {
            let code = code
                .replace("127.0.0.1:8080", &server.address)
                .replace("127.0.0.1:32010", flight);
            let file = s3.path("snippet");
            fs::write(&file, code).unwrap();
            let mut command = s3.environment(Command::new(interpreter));
            let output = match language {
                "sh" => command.arg("-eu").arg(&file),
                _ => command.arg("-B").arg(&file),
            }
            .env("PATH", &path)
            .output()
            .unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            // The threads of some Python readers abort the interpreter after its last line, at times.
            let ended = error.trim() == "terminate called without an active exception";
            assert!(
                output.status.success() || ended,
                "docs/network.md:{line}: {error}"
            );
            assert!(
                !output.stdout.is_empty(),
                "docs/network.md:{line} prints nothing"
            );
            run += 1;
        }
    }
    assert!(run >= 7, "{run} snippets");
    println!("{run} snippets");
}
