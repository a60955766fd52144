//! Object stores that SQL names by URL, made when they are first needed.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use object_store::ObjectStore;
use url::Url;

use crate::file::remote;

use super::external;

/// Stores that were registered, the local file system, and whatever store a URL (`s3://`, `gs://`,
/// `az://`, `http://`, `https://`) stands for in this process' environment.
#[derive(Debug, Default)]
pub struct RemoteStores {
    known: DefaultObjectStoreRegistry,
}

impl ObjectStoreRegistry for RemoteStores {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.known.register_store(url, store)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.known.deregister_store(url)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if let Ok(store) = self.known.get_store(url) {
            return Ok(store);
        }
        let store = remote::store_of(url).map_err(external)?;
        self.known.register_store(url, Arc::clone(&store));
        Ok(store)
    }
}
