//! Files in object stores and on web servers, by URL, for code that awaits nothing.
//!
//! `s3://`, `gs://`, `az://` and `http(s)://` URLs, with credentials from the environment as the
//! crate `object_store` finds them (`AWS_*`, `GOOGLE_*`, `AZURE_*`; instance and workload identities).

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::TryStreamExt;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path as ObjectPath;
use object_store::{
    ClientOptions, GetOptions, GetRange, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutPayload, RetryConfig, WriteMultipart, coalesce_ranges,
};
use percent_encoding::percent_decode_str;
use tokio::runtime::Runtime;
use url::{Position, Url};

use super::error::{FileError, Result};
use super::per_process::PerProcess;
use super::source::ReadAt;
use super::url_name::encode_name;

/// The schemes of URLs that are read and written.
const SCHEMES: [&str; 7] = ["s3", "s3a", "gs", "az", "abfss", "http", "https"];

/// What is smaller is sent in one request.
const MULTIPART: u64 = 16 << 20;

/// Parts of an upload that are under way at a time, and the bytes of one.
const UPLOADS: usize = 8;
const UPLOAD: usize = 8 << 20;

/// The URL that a path is, if it is one: it has a scheme that this module knows.
pub fn url_of(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let (scheme, _) = text.split_once("://")?;
    let known = |known: &str| scheme.eq_ignore_ascii_case(known);
    SCHEMES.into_iter().any(known).then_some(text)
}

/// The store that a URL's scheme, host and user name, with the environment's credentials. Requests
/// that fail in passing are tried again for up to a minute.
///
/// # Errors
/// [`FileError::InvalidInput`] for a URL of another kind, and [`FileError::ObjectStore`] where the
/// environment does not say all that is needed.
pub fn store_of(url: &Url) -> Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig {
        max_retries: 6,
        retry_timeout: Duration::from_secs(60),
        ..RetryConfig::default()
    };
    let base = &url[..Position::BeforePath];
    Ok(match url.scheme() {
        "s3" | "s3a" => {
            let endpoint = |name| std::env::var(name).is_ok_and(|url| url.starts_with("http://"));
            let mut builder = AmazonS3Builder::from_env().with_url(base).with_retry(retry);
            // Who names an endpoint without TLS means it.
            if ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
                .into_iter()
                .any(endpoint)
            {
                builder = builder.with_allow_http(true);
            }
            Arc::new(builder.build()?)
        }
        "gs" => {
            let builder = GoogleCloudStorageBuilder::from_env().with_url(base);
            Arc::new(builder.with_retry(retry).build()?)
        }
        "az" | "abfss" => {
            let builder = MicrosoftAzureBuilder::from_env().with_url(base);
            Arc::new(builder.with_retry(retry).build()?)
        }
        scheme @ ("http" | "https") => {
            let mut options = ClientOptions::new().with_allow_http(scheme == "http");
            if let Some(authorization) = basic(url) {
                let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
                options = options.with_default_headers(headers);
            }
            // Without user and password, which errors would show.
            let host = &url[Position::BeforeHost..Position::AfterPort];
            let builder = HttpBuilder::new()
                .with_url(format!("{scheme}://{host}"))
                .with_client_options(options);
            Arc::new(builder.with_retry(retry).build()?)
        }
        other => {
            return Err(FileError::invalid(format!(
                "{other}:// is not supported; use s3://, gs://, az://, http:// or https://"
            )));
        }
    })
}

/// The header that user and password of a URL stand for.
fn basic(url: &Url) -> Option<HeaderValue> {
    let password = url.password()?;
    let decoded = |text| percent_decode_str(text).decode_utf8().ok();
    let pair = format!("{}:{}", decoded(url.username())?, decoded(password)?);
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A URL's store, and where in it the object is.
fn resolve(url: &str) -> Result<(Arc<dyn ObjectStore>, ObjectPath)> {
    let parsed = Url::parse(url).map_err(|error| FileError::invalid(format!("{url}: {error}")))?;
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(FileError::invalid(format!(
            "{url}: URLs with a query or a fragment are not supported; write ? and # within a name as %3F and %23"
        )));
    }
    let store = store_of(&parsed).map_err(|error| error.at(shown(url)))?;
    let path = ObjectPath::from_url_path(parsed.path()).map_err(object_store::Error::from)?;
    Ok((store, path))
}

/// A URL without the password that it may hold.
pub fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            // A URL with a host can have its password replaced.
            let _ = parsed.set_password(Some("***"));
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}

/// One text for all ways to write a URL: to compare by, not to open.
pub fn comparable(url: &str) -> String {
    let Ok(parsed) = Url::parse(url) else {
        return url.to_owned();
    };
    let Ok(path) = ObjectPath::from_url_path(parsed.path()) else {
        return url.to_owned();
    };
    let scheme = match parsed.scheme() {
        "s3a" => "s3",
        scheme => scheme,
    };
    // The user name is the container of abfss://.
    let place = &parsed[Position::BeforeUsername..Position::AfterPort];
    format!("{scheme}://{place}/{path}")
}

/// The URL of what these names lead to below the folder at `url`, which ends in `/`.
pub fn below(url: &str, names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| encode_name(name)).collect();
    format!("{url}{}", names.join("/"))
}

/// A part of a URL as the name that it stands for.
pub fn decoded(part: &str) -> String {
    let decoded = percent_decode_str(part).decode_utf8();
    decoded.map_or_else(|_| part.to_owned(), |decoded| decoded.into_owned())
}

/// Waits for asynchronous work, wherever this is called from: it is done by a thread of its own, one for each process.
fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> io::Result<T> {
    static RUNTIME: PerProcess<OnceLock<io::Result<Runtime>>> = PerProcess::new();
    let runtime = RUNTIME.get().get_or_init(|| {
        // Threads that wait for anything but the system are in a list which a forked process finds broken.
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_keep_alive(Duration::ZERO)
            .thread_name("tolerant-remote")
            .enable_all()
            .build()
    });
    let runtime = runtime
        .as_ref()
        .map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
    let (done, result) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // Whoever waits is there until it is done.
        let _ = done.send(work.await);
    });
    result
        .recv()
        .map_err(|_| io::Error::other("a request stopped unexpectedly"))
}

fn failed(url: &str) -> impl FnOnce(object_store::Error) -> FileError {
    let place = shown(url);
    move |error| FileError::from(error).at(place)
}

/// A file in an object store or on a web server.
#[derive(Debug)]
pub struct RemoteFile {
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
    url: String,
}

impl RemoteFile {
    /// Asks for the file's size and entity tag. From then on every read is of that very file, where
    /// the server keeps entity tags.
    ///
    /// # Errors
    /// [`FileError::InvalidInput`] for a URL of another kind, and [`FileError::ObjectStore`] where
    /// there is no such file, or the server refuses.
    pub fn open(url: &str) -> Result<Self> {
        let (store, path) = resolve(url)?;
        let asked = Arc::clone(&store);
        let meta = wait(async move { asked.head(&path).await })
            .map_err(FileError::io(shown(url)))?
            .map_err(failed(url))?;
        Ok(Self {
            store,
            meta,
            url: url.to_owned(),
        })
    }
}

impl ReadAt for RemoteFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.meta.size)
    }

    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        let mut bytes = self.read_ranges(std::slice::from_ref(&range))?;
        bytes
            .pop()
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Ranges less than a megabyte apart are read in one request, up to ten requests at a time.
    fn read_ranges(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        let within = |range: &Range<u64>| range.start <= range.end && range.end <= self.meta.size;
        if !ranges.iter().all(within) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Stores refuse empty ranges.
        if ranges.iter().all(Range::is_empty) {
            return Ok(vec![Bytes::new(); ranges.len()]);
        }
        let (store, path) = (Arc::clone(&self.store), self.meta.location.clone());
        let e_tag = self.meta.e_tag.clone();
        let ranges = ranges.to_vec();
        let read = wait(async move {
            let fetch = |range: Range<u64>| {
                let (store, path, e_tag) = (&store, &path, e_tag.clone());
                async move {
                    let options = GetOptions {
                        range: Some(GetRange::Bounded(range.clone())),
                        if_match: e_tag,
                        ..GetOptions::default()
                    };
                    store.get_opts(path, options).await?.bytes().await
                }
            };
            coalesce_ranges(&ranges, fetch, OBJECT_STORE_COALESCE_DEFAULT).await
        })?;
        read.map_err(|error| {
            let why = match error {
                object_store::Error::Precondition { .. } => {
                    "the file was replaced while it was being read; read it again".to_owned()
                }
                error => error.to_string(),
            };
            io::Error::other(format!("{}: {why}", shown(&self.url)))
        })
    }
}

/// The URLs of all objects below a URL that ends in `/`, sorted, but for hidden ones (names that
/// start with `.` or `_`).
///
/// # Errors
/// As [`RemoteFile::open`]; and where the server cannot list, as most web servers cannot.
pub fn list(url: &str) -> Result<Vec<String>> {
    let (store, prefix) = resolve(url)?;
    let folder = prefix.clone();
    let objects: Vec<ObjectMeta> =
        wait(async move { store.list(Some(&folder)).try_collect().await })
            .map_err(FileError::io(shown(url)))?
            .map_err(failed(url))?;
    let mut urls: Vec<String> = objects
        .iter()
        .filter_map(|object| object.location.prefix_match(&prefix))
        .map(|parts| {
            parts
                .map(|part| part.as_ref().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|parts| !parts.iter().any(|part| part.starts_with(['.', '_'])))
        .map(|parts| format!("{url}{}", parts.join("/")))
        .collect();
    urls.sort_unstable();
    Ok(urls)
}

/// Writes a file of `len` bytes to a URL: it appears there complete or not at all.
///
/// # Errors
/// [`FileError::ObjectStore`] where the store refuses; what was uploaded is then given up, and what
/// was there before still is.
pub(super) fn upload(mut file: std::fs::File, len: u64, url: &str) -> Result<()> {
    use std::io::{Read, Seek};
    let (store, path) = resolve(url)?;
    file.rewind().map_err(FileError::io(shown(url)))?;
    // A web server takes a file in one request only.
    let whole = len < MULTIPART || url.starts_with("http");
    let sent = wait(async move {
        if whole {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            store.put(&path, PutPayload::from(bytes)).await?;
            return Ok(());
        }
        let upload = store.put_multipart(&path).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, UPLOAD);
        let mut part = vec![0; UPLOAD];
        loop {
            let read = file.read(&mut part);
            let ready = upload.wait_for_capacity(UPLOADS).await;
            match (read, ready) {
                (Ok(0), Ok(())) => break,
                (Ok(n), Ok(())) => upload.write(&part[..n]),
                (Err(error), _) => {
                    upload.abort().await?;
                    return Err(error.into());
                }
                (_, Err(error)) => {
                    upload.abort().await?;
                    return Err(error.into());
                }
            }
        }
        upload.finish().await?;
        Ok(())
    });
    sent.and_then(|sent: std::result::Result<(), Failure>| Ok(sent?))
        .map_err(FileError::io(format!("{}: cannot write", shown(url))))
}

/// Of reading the local file, or of the store.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Local(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Local(error) => error,
            Failure::Store(error) => io::Error::other(error.to_string()),
        }
    }
}

/// Whether the store would take a file at this URL, as far as that is known without asking it.
///
/// # Errors
/// [`FileError::InvalidInput`] for a URL that names no file, and as [`store_of`].
pub(super) fn check_writable(url: &str) -> Result<()> {
    let (_, path) = resolve(url)?;
    if url.ends_with('/') || path.as_ref().is_empty() {
        return Err(FileError::invalid(format!(
            "{}: is a folder; name the file to write",
            shown(url)
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_paths() {
        for url in [
            "s3://b/x",
            "S3://b/x",
            "https://h/x",
            "gs://b/x",
            "az://c/x",
        ] {
            assert_eq!(url_of(Path::new(url)), Some(url));
        }
        for path in ["a.parquet", "/a/b", "C:\\x", "ftp://h/x", "a:b", "s3:/b"] {
            assert_eq!(url_of(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn urls_of_one_object_compare_equal() {
        let same = [
            ("s3a://b/d/", "s3://b/d/"),
            ("S3://b/d/part=1.parquet", "s3://b/d/part%3D1.parquet"),
            ("s3://b/out/../d/", "s3://b/d/"),
            ("https://h:443/a%20b", "https://h/a b"),
        ];
        for (one, other) in same {
            assert_eq!(comparable(one), comparable(other), "{one}");
        }
        assert_ne!(comparable("s3://b/d"), comparable("s3://c/d"));
        assert_ne!(
            comparable("abfss://c@a.dfs.core.windows.net/x"),
            comparable("abfss://d@a.dfs.core.windows.net/x")
        );
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(shown("http://me:secret@h/x"), "http://me:***@h/x");
        assert_eq!(shown("s3://b/x"), "s3://b/x");
    }

    #[test]
    fn nothing_is_asked_of_what_names_no_file() {
        assert!(check_writable("http://localhost/").is_err());
        assert!(check_writable("http://localhost/folder/").is_err());
        assert!(check_writable("http://localhost/a.parquet?x=1").is_err());
        assert!(check_writable("http://localhost/secret.csv#.parquet").is_err());
        assert!(check_writable("http://localhost/a.parquet").is_ok());
    }
}
