//! Opened files: their tails are read and parsed once for a session, and once for a scan.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use datafusion::common::HashMap;
use datafusion::execution::cache::cache_manager::{
    CachedFileMetadataEntry, FileMetadata, FileMetadataCache,
};
use object_store::{ObjectMeta, ObjectStore};
use tokio::sync::OnceCell;

use crate::file::{FileError, ObjectReader, Opened};

/// An opened file in the session's file metadata cache, which bounds the memory of all of them.
struct CachedFile {
    opened: Opened,
    memory_size: usize,
}

impl FileMetadata for CachedFile {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn memory_size(&self) -> usize {
        self.memory_size
    }

    fn extra_info(&self) -> HashMap<String, String> {
        let packed = matches!(self.opened, Opened::Packed(_));
        HashMap::from([("packed".to_owned(), packed.to_string())])
    }
}

/// Opens a file, unless the cache knows it by path, size, time and entity tag.
pub(super) async fn open(
    store: &Arc<dyn ObjectStore>,
    meta: &ObjectMeta,
    cache: &FileMetadataCache,
) -> Result<Opened, FileError> {
    if let Some(entry) = cache.get(&meta.location)
        && entry.is_valid_for(meta)
        && entry.meta.e_tag == meta.e_tag
        && entry.meta.version == meta.version
        && let Some(file) = entry.file_metadata.as_any().downcast_ref::<CachedFile>()
    {
        return Ok(file.opened.clone());
    }
    let opened = ObjectReader::open(store.as_ref(), meta).await?;
    let memory_size = match &opened {
        Opened::Packed(layout) => layout.memory_size(),
        Opened::Ordinary(metadata) => metadata.memory_size(),
    };
    let file = CachedFile {
        opened: opened.clone(),
        memory_size,
    };
    cache.put(
        &meta.location,
        CachedFileMetadataEntry::new(meta.clone(), Arc::new(file)),
    );
    Ok(opened)
}

/// A place where the readers of one file in one scan find it opened.
///
/// The parts of a file share it, so that the file is opened once even where the session's cache
/// has no room for it.
#[derive(Default)]
pub(super) struct OpenSlot(Mutex<Slot>);

#[derive(Default)]
struct Slot {
    /// The file, as long as a reader is at work on it.
    cell: Weak<OpenCell>,
    /// The file for as long as the plan lives.
    kept: Option<Arc<OpenCell>>,
}

/// The file, once the first of its readers has opened it.
pub(super) type OpenCell = OnceCell<Opened>;

impl OpenSlot {
    /// The cell that the readers alive share.
    pub(super) fn cell(&self) -> Arc<OpenCell> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.cell.upgrade().unwrap_or_else(|| {
            let cell = Arc::new(OpenCell::new());
            slot.cell = Arc::downgrade(&cell);
            cell
        })
    }

    /// As [`cell`](Self::cell), for a part of a file: other parts may come later. No plan cuts more
    /// files in parts than it has partitions, so that they are few.
    pub(super) fn kept_cell(&self) -> Arc<OpenCell> {
        let cell = self.cell();
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slot.kept.get_or_insert(cell))
    }
}

impl fmt::Debug for OpenSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenSlot")
    }
}
