//! Object stores that SQL names by URL, made when they are first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::error::Result;
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use object_store::ObjectStore;
use url::{Position, Url};

use crate::file::remote;

use super::external;

/// Stores that were registered, the local file system, and whatever store a URL (`s3://`, `gs://`,
/// `az://`, `http://`, `https://`) stands for in this process' environment.
#[derive(Debug, Default)]
pub struct RemoteStores {
    registered: DefaultObjectStoreRegistry,
    /// By all of a URL before its path: other passwords are other stores.
    made: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl ObjectStoreRegistry for RemoteStores {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.registered.register_store(url, store)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.registered.deregister_store(url)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if let Ok(store) = self.registered.get_store(url) {
            return Ok(store);
        }
        let key = url[..Position::BeforePath].to_owned();
        // What it holds is whole at any time.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = made.get(&key) {
            return Ok(Arc::clone(store));
        }
        let store = remote::store_of(url).map_err(external)?;
        made.insert(key, Arc::clone(&store));
        Ok(store)
    }
}
