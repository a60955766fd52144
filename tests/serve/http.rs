//! Ranges, conditions, listings.

use std::fs;

use serde_json::Value;

use crate::support::{folder, pack, serve, table, virtual_bytes};

#[test]
fn files_are_what_they_stand_for() {
    let folder = folder();
    let server = serve(folder.path(), &[]);
    for name in ["a.parquet", "sub/b c.parquet"] {
        let expected = virtual_bytes(&folder.path().join(name));
        let target = format!("/{}", name.replace(' ', "%20"));
        let whole = server.get(&target, &[]);
        assert_eq!(whole.status, 200);
        assert!(whole.body == expected, "{name}");
        assert_eq!(
            whole.header("content-length"),
            Some(expected.len().to_string().as_str())
        );
        assert_eq!(
            whole.header("content-type"),
            Some("application/vnd.apache.parquet")
        );
        assert_eq!(whole.header("accept-ranges"), Some("bytes"));
        let head = server.request("HEAD", &target, &[]);
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["content-length", "etag", "last-modified", "content-type"] {
            assert_eq!(head.header(name), whole.header(name), "{name}");
        }
    }
    let plain = server.get("/plain.parquet", &[]);
    assert!(plain.body == fs::read(folder.path().join("plain.parquet")).unwrap());
}

#[test]
fn every_range_is_right() {
    let folder = folder();
    let server = serve(folder.path(), &[]);
    for name in ["a.parquet", "plain.parquet"] {
        let path = folder.path().join(name);
        let expected = if name == "a.parquet" {
            virtual_bytes(&path)
        } else {
            fs::read(&path).unwrap()
        };
        let len = expected.len();
        let mut ranges = vec![
            (0, 0),
            (0, len - 1),
            (len - 1, len - 1),
            (len - 8, len - 1),
            (4, 5),
        ];
        ranges.extend((0..40).map(|i| (len * i / 41, (len * i / 41 + 997 * i).min(len - 1))));
        for (first, last) in ranges {
            let answer = server.get(
                &format!("/{name}"),
                &[("Range", &format!("bytes={first}-{last}"))],
            );
            assert_eq!(answer.status, 206);
            assert!(
                answer.body == expected[first..=last],
                "{name} {first}-{last}"
            );
            assert_eq!(
                answer.header("content-range"),
                Some(format!("bytes {first}-{last}/{len}").as_str())
            );
            assert_eq!(
                answer.header("content-length"),
                Some(answer.body.len().to_string().as_str())
            );
        }
        let suffix = server.get(&format!("/{name}"), &[("Range", "bytes=-8")]);
        assert!(suffix.body == expected[len - 8..]);
        let beyond = server.get(&format!("/{name}"), &[("Range", &format!("bytes={len}-"))]);
        assert_eq!(
            (beyond.status, beyond.header("content-range")),
            (416, Some(format!("bytes */{len}").as_str()))
        );
        let ignored = server.get(&format!("/{name}"), &[("Range", "lines=1-2")]);
        assert_eq!(ignored.status, 200);
        let head = server.request("HEAD", &format!("/{name}"), &[("Range", "bytes=0-1")]);
        assert_eq!(head.status, 200);
    }
}

#[test]
fn several_ranges_at_once() {
    let folder = folder();
    let server = serve(folder.path(), &[]);
    let expected = virtual_bytes(&folder.path().join("a.parquet"));
    let len = expected.len();
    let middle = len * 2 / 3;
    let asked = format!("bytes=100-199, {middle}-{}, -50, 0-3", middle + 9999);
    let answer = server.get("/a.parquet", &[("Range", &asked)]);
    assert_eq!(answer.status, 206);
    assert_eq!(
        answer.header("content-length"),
        Some(answer.body.len().to_string().as_str())
    );
    let kind = answer.header("content-type").unwrap();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let mut rest = &answer.body[..];
    for (first, last) in [
        (100, 199),
        (middle, middle + 9999),
        (len - 50, len - 1),
        (0, 3),
    ] {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: application/vnd.apache.parquet\r\n\
             Content-Range: bytes {first}-{last}/{len}\r\n\r\n"
        );
        rest = rest.strip_prefix(head.as_bytes()).expect("a part's head");
        rest = rest
            .strip_prefix(&expected[first..=last])
            .expect("a part's bytes");
    }
    assert_eq!(rest, format!("\r\n--{boundary}--\r\n").as_bytes());
    // Overlapping ranges are one.
    let joined = server.get("/a.parquet", &[("Range", "bytes=5-9,0-6")]);
    assert_eq!(
        joined.header("content-range"),
        Some(format!("bytes 0-9/{len}").as_str())
    );
}

#[test]
fn conditions_hold() {
    let folder = folder();
    let server = serve(folder.path(), &[]);
    let first = server.get("/a.parquet", &[]);
    let (etag, modified) = (
        first.header("etag").unwrap(),
        first.header("last-modified").unwrap(),
    );
    assert!(etag.starts_with('"'), "a strong tag: {etag}");
    let status = |headers: &[(&str, &str)]| server.get("/a.parquet", headers).status;
    assert_eq!(status(&[("If-None-Match", etag)]), 304);
    assert_eq!(status(&[("If-Modified-Since", modified)]), 304);
    assert_eq!(status(&[("If-Match", etag)]), 200);
    assert_eq!(status(&[("If-Match", "\"other\"")]), 412);
    assert_eq!(
        status(&[("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")]),
        412
    );
    let range = ("Range", "bytes=0-3");
    assert_eq!(status(&[range, ("If-Range", etag)]), 206);
    assert_eq!(status(&[range, ("If-Range", "\"other\"")]), 200);
    let unchanged = server.get("/a.parquet", &[("If-None-Match", etag)]);
    assert_eq!(
        (unchanged.body.len(), unchanged.header("etag")),
        (0, Some(etag))
    );
}

#[test]
fn a_file_that_is_replaced_is_another() {
    let folder = folder();
    let server = serve(folder.path(), &[]);
    let before = server.get("/a.parquet", &[]);
    let new = folder.path().join("new.tmp");
    pack(&new, &table(60_000));
    fs::rename(&new, folder.path().join("a.parquet")).unwrap();
    let after = server.get("/a.parquet", &[]);
    assert_ne!(before.header("etag"), after.header("etag"));
    assert!(after.body == virtual_bytes(&folder.path().join("a.parquet")));
    let old = before.header("etag").unwrap();
    assert_eq!(server.get("/a.parquet", &[("If-Match", old)]).status, 412);
}

#[test]
fn damage_is_an_error() {
    let folder = folder();
    let server = serve(folder.path(), &[]);
    let path = folder.path().join("a.parquet");
    let sound = fs::read(&path).unwrap();
    // In the first payload: known only once it is decoded, when the answer has begun.
    let mut bytes = sound.clone();
    bytes[2000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let len = server
        .request("HEAD", "/a.parquet", &[])
        .header("content-length")
        .unwrap()
        .to_owned();
    // Even the head is lost where the connection ends before it is flushed.
    let cut = server.bytes("GET", "/a.parquet", &[]);
    let head = cut.windows(4).position(|four| four == b"\r\n\r\n");
    let body = head.map_or(0, |head| cut.len() - head - 4);
    assert!(body < len.parse::<usize>().unwrap(), "all was sent");
    // In the place of the block index: known at once.
    let mut bytes = sound;
    let seal = bytes.windows(8).rposition(|window| window == b"TOLERANT");
    bytes[seal.unwrap() + 12] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let answer = server.get("/a.parquet", &[]);
    assert_eq!(answer.status, 500);
    let root = folder.path().to_str().unwrap();
    assert!(!answer.text().contains(root), "{}", answer.text());
    let listing: Value = serde_json::from_slice(&server.get("/?view=json", &[]).body).unwrap();
    assert!(
        listing["files"][0]["error"]
            .as_str()
            .unwrap()
            .contains("corrupt"),
        "{listing}"
    );
}

#[test]
fn listings_show_what_is_served() {
    let folder = folder();
    let odd = "<b>&\"'%20#?.parquet";
    pack(&folder.path().join(odd), &table(10));
    let server = serve(folder.path(), &[]);
    let json: Value = serde_json::from_slice(&server.get("/?view=json", &[]).body).unwrap();
    let names: Vec<_> = json["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, [odd, "a.parquet", "plain.parquet"]);
    assert_eq!(json["folders"][0]["url"], "/sub/");
    for file in json["files"].as_array().unwrap() {
        let head = server.request("HEAD", file["url"].as_str().unwrap(), &[]);
        assert_eq!(
            head.header("content-length").unwrap(),
            file["bytes"].to_string(),
            "{file}"
        );
    }
    assert_eq!(json["files"][1]["layout"], "packed");
    assert_eq!(json["files"][1]["rows"], 50_000);
    assert_eq!(json["files"][2]["layout"], "ordinary");
    let accepted = server.get("/", &[("Accept", "application/json")]);
    assert_eq!(accepted.header("content-type"), Some("application/json"));

    let page = server.get("/", &[("Accept", "text/html,*/*")]);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(
        page.text().contains("a.parquet") && !page.text().contains("<b>"),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("token") && !page.text().contains("hidden"));
    let details: Value =
        serde_json::from_slice(&server.get("/a.parquet?view=json", &[]).body).unwrap();
    assert_eq!(details["columns"][0]["bound"], "rel:0.001");
    let page = server.get("/a.parquet?view=html", &[]);
    assert!(page.text().contains("rel:0.001"), "{}", page.text());

    let redirect = server.get("/sub", &[]);
    assert_eq!(
        (redirect.status, redirect.header("location")),
        (308, Some("/sub/"))
    );
    assert_eq!(server.get("/sub/", &[]).status, 200);
    assert_eq!(server.get("/a.parquet/", &[]).status, 404);
}
