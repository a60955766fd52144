//! Files that are damaged, or are not what their names say: an error or a result, never a panic.

use std::fs;

use crate::support::{Folder, noise, write};
use crate::tables::*;

/// Every command that reads `name`, and what it may exit with.
fn run_all(folder: &Folder, name: &str, codes: &[i32]) {
    let sql = format!("SELECT * FROM '{name}'");
    for args in [
        vec!["compress", name, "-o", "out"],
        vec!["decompress", name, "-o", "out"],
        vec!["inspect", name],
        vec!["verify", name, "good.parquet"],
        vec!["verify", "good.parquet", name],
        vec!["query", &sql],
        vec!["query", "SELECT * FROM t", "--table", &format!("t={name}")],
    ] {
        let run = folder.run(&args);
        assert!(codes.contains(&run.code), "{args:?}: {run:?}");
        assert_eq!(
            run.stderr.lines().count(),
            usize::from(run.code == 2),
            "{args:?}: {run:?}"
        );
        let left: Vec<String> = folder
            .files()
            .into_iter()
            .filter(|file| file.contains("tmp"))
            .collect();
        assert!(left.is_empty(), "{args:?} left {left:?}");
        if run.code == 0 {
            let _ = fs::remove_file(folder.path("out"));
        }
        assert!(
            !folder.files().contains(&"out".to_string()),
            "{args:?} failed and left a file"
        );
    }
}

/// A folder with a sound file of each kind.
fn sound() -> Folder {
    let folder = Folder::new();
    write_parquet(&folder.path("good.parquet"), &mixed(0, 400));
    folder.ok(&[
        "compress",
        "good.parquet",
        "-o",
        "good.packed",
        "--block-rows",
        "100",
    ]);
    folder
}

/// No file of any kind.
#[test]
fn garbage_is_an_error() {
    let folder = sound();
    folder.write("empty", "");
    folder.write("empty.parquet", "");
    folder.write("one", "P");
    folder.write("magic.parquet", "PAR1");
    folder.write("twice.parquet", "PAR1PAR1");
    folder.write("tail.parquet", b"PAR1\xff\xff\xff\x7fPAR1");
    folder.write("noise.parquet", noise(1, 5000));
    folder.write(
        "noise",
        [b"PAR1".as_slice(), &noise(2, 5000), b"PAR1"].concat(),
    );
    folder.write("arrow", "ARROW1");
    folder.write(
        "noise.arrow",
        [b"ARROW1\0\0".as_slice(), &noise(3, 5000), b"ARROW1"].concat(),
    );
    folder.write(
        "noise.arrows",
        [[0xFF; 4].as_slice(), &noise(4, 5000)].concat(),
    );
    folder.write(
        "long.arrows",
        [[0xFF; 4].as_slice(), &[0xFF, 0xFF, 0xFF, 0x7F]].concat(),
    );
    folder.write("noise.csv", noise(5, 5000));
    folder.write("zeros.parquet", [0; 1000]);
    for name in folder
        .files()
        .iter()
        .filter(|name| !name.starts_with("good"))
    {
        run_all(&folder, name, &[2]);
    }
}

/// Cut short anywhere, Parquet and packed files are errors in every command.
#[test]
fn cut_files_are_errors() {
    let folder = sound();
    for kind in ["good.parquet", "good.packed"] {
        let whole = fs::read(folder.path(kind)).unwrap();
        for keep in [1, 4, 8, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
            folder.write("cut.parquet", &whole[..keep]);
            run_all(&folder, "cut.parquet", &[2]);
        }
    }
}

/// One byte wrong. In a packed file: an error, or the very same data where the byte is one that no
/// reader needs; `verify` reports it in any case. Ordinary Parquet has no checksums, so that other data is possible too.
#[test]
fn damaged_files_are_no_panic() {
    let folder = sound();
    folder.ok(&["decompress", "good.packed", "-o", "good.back"]);
    let good = fs::read(folder.path("good.back")).unwrap();
    for kind in ["good.packed", "good.parquet"] {
        let whole = fs::read(folder.path(kind)).unwrap();
        let tail = (1..60).map(|i| whole.len() - i * 7);
        for at in (0..10).map(|i| i * whole.len() / 10).chain(tail) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            folder.write("damaged.parquet", &damaged);
            if kind == "good.packed" {
                let run = folder.run(&["verify", "good.parquet", "damaged.parquet"]);
                assert_eq!(run.code, 2, "byte {at} of {kind}: {run:?}");
            }
            for command in ["decompress", "compress"] {
                let run = folder.run(&[command, "damaged.parquet", "-o", "out"]);
                assert_ne!(run.code, 1, "byte {at} of {kind}: {run:?}");
                let out = fs::read(folder.path("out")).ok();
                assert_eq!(out.is_some(), run.code == 0, "byte {at} of {kind}: {run:?}");
                if kind == "good.packed" && command == "decompress" {
                    assert!(
                        out.is_none_or(|out| out == good),
                        "byte {at} of {kind} changed the data"
                    );
                }
                let _ = fs::remove_file(folder.path("out"));
            }
        }
    }
}

/// Every byte of Arrow files, plain and compressed, and of an ordinary Parquet file, wrong in three
/// ways, and every truncation.
#[test]
fn damaged_inputs_are_no_panic() {
    use arrow::ipc::CompressionType;
    use tolerant::tools::input::Input;

    // Panics of arrow-ipc and parquet that are caught would print a page each.
    std::panic::set_hook(Box::new(|_| {}));
    let folder = Folder::new();
    // An integer, a float with nulls and a string column: every kind of buffer.
    let table = mixed(0, 24).project(&[0, 2, 6]).unwrap();
    let path = folder.path("file");
    let read_all = || {
        let input = Input::open(std::slice::from_ref(&path));
        let _ = input.map(|input| input.batches().for_each(drop));
    };
    for kind in 0..5 {
        match kind {
            0 => write_ipc(&path, &[table.slice(0, 12), table.slice(12, 12)], None),
            1 => write_ipc(
                &path,
                std::slice::from_ref(&table),
                Some(CompressionType::LZ4_FRAME),
            ),
            2 => write_ipc(
                &path,
                std::slice::from_ref(&table),
                Some(CompressionType::ZSTD),
            ),
            3 => write_ipc_stream(&path, &[table.slice(0, 12), table.slice(12, 12)]),
            _ => write_parquet(&path, &table),
        }
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            for value in [0x00, 0xFF, whole[at] ^ 0x10] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                write(&path, damaged);
                read_all();
            }
            write(&path, &whole[..at]);
            read_all();
        }
    }
    let _ = std::panic::take_hook();
}
