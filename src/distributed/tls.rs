//! TLS between workers and those who ask them: certificates and keys in PEM files. Who asks shows a
//! token, not a certificate.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tonic::transport::server::ServerTlsConfig;
use tonic::transport::{Certificate, ClientTlsConfig, Server};
use url::{Host, Url};

use crate::file::shown;
use crate::tools::{Result, ToolError};

use super::channels::innermost;

/// How long either end waits for the other to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Who is trusted to say which worker is which.
#[derive(Clone)]
pub struct Authority(Certificate);

impl Authority {
    /// Reads the certificates of one or more authorities from a PEM file.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no certificate.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Self(Certificate::from_pem(certificates(path)?)))
    }

    /// How to reach the worker at `url`, whose certificate must be of the host named there.
    pub(super) fn client(&self, url: &Url) -> ClientTlsConfig {
        let name = match url.host() {
            // An address stands in brackets in URLs only.
            Some(Host::Ipv6(address)) => address.to_string(),
            host => host.map(|host| host.to_string()).unwrap_or_default(),
        };
        ClientTlsConfig::new()
            .ca_certificate(self.0.clone())
            .domain_name(name)
            .timeout(HANDSHAKE)
    }
}

/// By what a worker shows who it is.
#[derive(Clone)]
pub struct Identity(tonic::transport::Identity);

impl Identity {
    /// Reads a certificate, followed by those between it and the authority's if there are any, and its
    /// private key, from PEM files.
    ///
    /// # Errors
    /// When a file cannot be read, or the two do not belong together.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self> {
        let chain = certificates(certificate)?;
        let secret = fs::read(key).map_err(|error| ToolError::io("read", key, error))?;
        let identity = Self(tonic::transport::Identity::from_pem(chain, secret));
        let usable = identity.server().map(|_| identity);
        usable.map_err(|error| {
            let what = format!(
                "and {} are no key and certificate: {error}",
                shown(certificate)
            );
            ToolError::bad_file(key, what)
        })
    }

    /// A server that shows it to everyone.
    pub(super) fn server(&self) -> Result<Server> {
        let tls = ServerTlsConfig::new()
            .identity(self.0.clone())
            .timeout(HANDSHAKE);
        let server = Server::builder().tls_config(tls);
        server.map_err(|error| ToolError::invalid(innermost(&error).to_string()))
    }
}

/// What a worker shows of itself, and whom it trusts of the others.
#[derive(Debug, Clone)]
pub struct WorkerTls {
    pub identity: Identity,
    pub authority: Authority,
}

/// The text of a PEM file with at least one certificate.
fn certificates(path: &Path) -> Result<Vec<u8>> {
    let text = fs::read(path).map_err(|error| ToolError::io("read", path, error))?;
    let mut found = CertificateDer::pem_slice_iter(&text).peekable();
    if found.peek().is_none() {
        return Err(ToolError::bad_file(path, "holds no certificate in PEM"));
    }
    for certificate in found {
        certificate.map_err(|error| {
            ToolError::bad_file(path, format!("holds a damaged certificate: {error}"))
        })?;
    }
    Ok(text)
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

/// Says nothing of the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}
