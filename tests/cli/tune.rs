//! `tolerant tune`: from a table to a configuration that `compress` takes.

use serde_json::Value;

use super::support::Folder;

/// y follows x closely and z hardly; the rest is noise.
fn table(rows: u32) -> String {
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24)
    };
    let mut text = String::from("x,z,noise,word,y\n");
    for i in 0..rows {
        let (x, z, noise) = (random(), random(), random());
        let word = if i % 3 == 0 { "a" } else { "b" };
        text += &format!("{x:.6},{z:.6},{noise:.6},{word},{:.6}\n", 5.0 * x + z);
    }
    text
}

const QUICK: [&str; 8] = [
    "--model",
    "linear",
    "--seeds",
    "2",
    "--budget",
    "30",
    "--methods",
    "none",
];

#[test]
fn a_configuration_is_found_and_applied() {
    let folder = Folder::new();
    folder.write("t.csv", table(400));
    let mut args = vec!["tune", "t.csv", "--target", "y", "-o", "report"];
    args.extend(QUICK);
    args.push("--json");
    let run = folder.run(&args);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["task"], "regression");
    assert!(report["chosen"]["table_ratio"].as_f64().unwrap() > 4.0);
    for file in [
        "report.html",
        "report.json",
        "config.toml",
        "journal.jsonl",
        "times.json",
    ] {
        assert!(folder.files().contains(&format!("report/{file}")), "{file}");
    }
    let compressed = folder.run(&[
        "compress",
        "t.csv",
        "-o",
        "t.parquet",
        "--config",
        "report/config.toml",
        "--json",
    ]);
    assert_eq!(compressed.code, 0, "{}", compressed.stderr);
    let compressed: Value = serde_json::from_str(&compressed.stdout).unwrap();
    assert_eq!(compressed["file_bytes"], report["chosen"]["table_bytes"]);
    let verified = folder.run(&["verify", "t.csv", "t.parquet"]);
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    // Flags go before the configuration.
    let exact = folder.run(&[
        "compress",
        "t.csv",
        "-o",
        "e.parquet",
        "--config",
        "report/config.toml",
        "--column",
        "x=exact",
        "--json",
    ]);
    let exact: Value = serde_json::from_str(&exact.stdout).unwrap();
    assert_eq!(exact["columns"][0]["bound"], "exact");

    // Once more, from the journal: the very same.
    let before = std::fs::read(folder.path("report/report.json")).unwrap();
    let again = folder.run(&args);
    assert_eq!(again.code, 0);
    assert_eq!(
        std::fs::read(folder.path("report/report.json")).unwrap(),
        before
    );
}

#[test]
fn errors_say_what_to_do() {
    let folder = Folder::new();
    folder.write("t.csv", table(100));
    let error = |args: &[&str]| {
        let _ = std::fs::remove_dir_all(folder.root().join("report"));
        let mut all = vec!["tune", "t.csv", "-o", "report"];
        all.extend(args);
        let run = folder.run(&all);
        assert_eq!(run.code, 2);
        run.stderr
    };
    assert!(error(&["--target", "why"]).contains("there are \"x\""));
    assert!(error(&["--target", "y", "--model", "oracle"]).contains("trees"));
    assert!(error(&["--target", "y", "--methods", "magic"]).contains("zstd"));
    assert!(error(&["--target", "y", "--budget", "soon"]).contains("10m"));
    assert!(error(&["--task", "clustering", "--model", "linear"]).contains("no clustering"));
    let failing = error(&[
        "--target",
        "y",
        "--train-cmd",
        "sh -c 'echo no luck >&2; exit 3'",
    ]);
    assert!(failing.contains("no luck"), "{failing}");
    folder.write("bad.toml", "version = 1\nbuond = \"exact\"\n");
    let run = folder.run(&[
        "compress",
        "t.csv",
        "-o",
        "o.parquet",
        "--config",
        "bad.toml",
    ]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("bad.toml") && run.stderr.contains("line 2"),
        "{}",
        run.stderr
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_found() {
    let folder = Folder::new();
    folder.write("t.csv", table(200));
    let mut command = folder.command();
    let quick = "sh -c 'sleep 0.05; echo 0.9'";
    let args = [
        "tune",
        "t.csv",
        "--target",
        "y",
        "-o",
        "report",
        "--methods",
        "none",
        "--budget",
        "6",
        "--seeds",
        "2",
        "--train-cmd",
        quick,
    ];
    let mut child = command
        .args(args)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let journal = folder.root().join("report/journal.jsonl");
    let lines = || std::fs::read_to_string(&journal).map_or(0, |text| text.lines().count());
    while lines() < 4 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(!folder.files().contains(&"report/report.json".to_string()));
    let run = folder.run(&args);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(folder.files().contains(&"report/report.json".to_string()));
}

/// Needs Chromium, so that `.ci/run` asks for it by name: `cargo test --test cli -- --ignored browser`. TOLERANT_PAGES names a folder for the picture.
#[test]
#[ignore = "needs Chromium"]
fn a_browser_shows_the_report_without_errors() {
    let folder = Folder::new();
    folder.write("t.csv", table(400));
    let mut args = vec!["tune", "t.csv", "--target", "y", "-o", "report"];
    args.extend(&QUICK[..6]);
    args.extend(["--methods", "zstd,float16,sample"]);
    assert_eq!(folder.run(&args).code, 0);
    let pages =
        std::env::var("TOLERANT_PAGES").unwrap_or_else(|_| folder.root().display().to_string());
    let browser = |what: &str| {
        std::process::Command::new("chromium")
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--enable-logging=stderr",
                // Nothing is to be looked for in a network that may not be there.
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .arg(format!(
                "--user-data-dir={}/profile",
                folder.root().display()
            ))
            .args(["--window-size=1100,2600", what])
            .arg(format!(
                "file://{}/report/report.html",
                folder.root().display()
            ))
            .output()
            .unwrap()
    };
    let page = browser("--dump-dom");
    let (dom, said) = (
        String::from_utf8_lossy(&page.stdout).into_owned(),
        String::from_utf8_lossy(&page.stderr).into_owned(),
    );
    assert!(!said.contains("CONSOLE"), "{said}");
    assert_eq!(dom.matches("<svg").count(), 2);
    assert!(dom.contains("The frontier") && dom.contains("tolerant-tuned"));
    assert!(
        browser(&format!("--screenshot={pages}/report.png"))
            .status
            .success()
    );
    assert!(std::path::Path::new(&pages).join("report.png").exists());
}
