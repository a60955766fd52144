//! The served folder as an object store that can only be read.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};

use crate::serve::files::{Folder, Stat};

/// Folders within folders that are listed, at most: links may go in circles.
const DEPTH: usize = 16;

/// Reads what [`Folder`] lets through, and nothing else.
pub struct FolderStore(pub Arc<Folder>);

impl fmt::Debug for FolderStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FolderStore")
    }
}

impl fmt::Display for FolderStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the served folder")
    }
}

fn not_found(path: &str) -> Error {
    Error::NotFound {
        path: path.to_owned(),
        source: "there is no such file".into(),
    }
}

fn read_only<T>(operation: &str) -> Result<T> {
    Err(Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: "the served folder, which is read-only".to_owned(),
    })
}

fn meta(location: Path, stat: &Stat) -> ObjectMeta {
    ObjectMeta {
        location,
        last_modified: stat.modified.into(),
        size: stat.len,
        e_tag: Some(stat.etag.clone()),
        version: None,
    }
}

/// All files below a folder, and in it the folders.
fn list(folder: &Folder, path: &str, depth: usize, found: &mut ListResult) {
    // A folder that has gone holds nothing.
    let Ok(entries) = folder.entries(path) else {
        return;
    };
    for entry in entries {
        let below = match path {
            "" => entry.name,
            path => format!("{path}/{}", entry.name),
        };
        let Ok(location) = Path::parse(&below) else {
            continue;
        };
        if entry.is_folder {
            if depth > 0 {
                list(folder, &below, depth - 1, found);
            } else {
                found.common_prefixes.push(location);
            }
        } else if let Ok((stat, _)) = folder.stat(&below) {
            found.objects.push(meta(location, &stat));
        }
    }
}

impl FolderStore {
    async fn listed(folder: Arc<Folder>, prefix: Option<Path>, depth: usize) -> Result<ListResult> {
        let list = move || {
            let mut found = ListResult {
                common_prefixes: Vec::new(),
                objects: Vec::new(),
            };
            let path = prefix.as_ref().map_or("", |prefix| prefix.as_ref());
            list(&folder, path, depth, &mut found);
            found
        };
        Ok(tokio::task::spawn_blocking(list).await?)
    }
}

#[async_trait]
impl ObjectStore for FolderStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let folder = Arc::clone(&self.0);
        let path = location.to_string();
        let opened = tokio::task::spawn_blocking(move || folder.stat(&path)).await?;
        let (stat, file) = opened.map_err(|_| not_found(location.as_ref()))?;
        let meta = meta(location.clone(), &stat);
        options.check_preconditions(&meta)?;
        let range = match options.range {
            None => 0..meta.size,
            Some(GetRange::Bounded(range))
                if range.start <= range.end && range.end <= meta.size =>
            {
                range
            }
            Some(GetRange::Bounded(_)) => {
                return Err(Error::Generic {
                    store: "folder",
                    source: "the file is shorter than it was".into(),
                });
            }
            Some(GetRange::Offset(start)) => start.min(meta.size)..meta.size,
            Some(GetRange::Suffix(len)) => meta.size.saturating_sub(len)..meta.size,
        };
        Ok(GetResult {
            payload: GetResultPayload::File(file, location.as_ref().into()),
            meta,
            range,
            attributes: Attributes::default(),
        })
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = Self::listed(Arc::clone(&self.0), prefix.cloned(), DEPTH);
        stream::once(listed)
            .flat_map(|listed| match listed {
                Ok(found) => stream::iter(found.objects.into_iter().map(Ok).collect::<Vec<_>>()),
                Err(error) => stream::iter(vec![Err(error)]),
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        Self::listed(Arc::clone(&self.0), prefix.cloned(), 0).await
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        read_only("writing")
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        read_only("writing")
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        locations.map(|_| read_only("deleting")).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        read_only("copying")
    }
}
