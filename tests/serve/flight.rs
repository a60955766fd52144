//! Flight SQL, as ADBC speaks it: queries, parameters, metadata, and what is refused.

use std::fs;
use std::io::BufRead;

use crate::python::python;
use crate::support::{Served, folder, pack, run, serve, table};

fn flight_url(server: &mut Served) -> String {
    let mut line = String::new();
    server.stdout.read_line(&mut line).unwrap();
    line.trim()
        .strip_prefix("Flight SQL: ")
        .unwrap_or_else(|| panic!("{line:?}"))
        .to_owned()
}

#[test]
fn adbc_reads_tables() {
    let Some(python) = python() else { return };
    let folder = folder();
    for day in ["day=1", "day=2"] {
        fs::create_dir_all(folder.path().join("days").join(day)).unwrap();
        pack(
            &folder.path().join("days").join(day).join("part.parquet"),
            &table(500),
        );
    }
    pack(&folder.path().join("Upper Case.parquet"), &table(20));
    let outside = tempfile::tempdir().unwrap();
    pack(&outside.path().join("secret.parquet"), &table(10));
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(
            outside.path().join("secret.parquet"),
            folder.path().join("link.parquet"),
        )
        .unwrap();
        symlink(outside.path(), folder.path().join("out")).unwrap();
    }
    fs::write(
        folder.path().join("damaged.parquet"),
        "PAR1 and nothing PAR1",
    )
    .unwrap();
    let mut server = serve(folder.path(), &["--flight", "0"]);
    let url = flight_url(&mut server);
    let outside = outside.path().join("secret.parquet");
    run(
        &python,
        "flight.py",
        &[&url, &server.url(""), outside.to_str().unwrap()],
    );
}

#[test]
fn only_with_the_token() {
    let Some(python) = python() else { return };
    let folder = folder();
    let token = folder.path().join("token.txt");
    let mut server = serve(
        folder.path(),
        &["--flight", "0", "--token-file", token.to_str().unwrap()],
    );
    let url = flight_url(&mut server);
    run(&python, "flight_token.py", &[&url]);
}

#[test]
fn memory_and_requests_are_limited() {
    let Some(python) = python() else { return };
    let folder = folder();
    pack(&folder.path().join("large.parquet"), &table(3_000_000));
    let mut server = serve(
        folder.path(),
        &["--flight", "0", "--memory", "16", "--max-requests", "2"],
    );
    let url = flight_url(&mut server);
    run(&python, "flight_limits.py", &[&url]);
}
