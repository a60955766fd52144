//! From a request to its answer.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, ACCEPT_RANGES, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, RANGE, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use headers::{HeaderMapExt, LastModified};
use tokio::sync::OwnedSemaphorePermit;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;

use super::auth::Token;
use super::body::{self, Part};
use super::conditions::{self, Outcome};
use super::files::{Folder, Found, Refusal, Served};
use super::html;
use super::limits::Limits;
use super::listing::{self, View};
use super::paths::UrlPath;
use super::ranges::{self, Asked, Multipart};

/// Of Parquet files, as registered with IANA.
const PARQUET: &str = "application/vnd.apache.parquet";

/// All that answers need.
pub struct Site {
    pub folder: Arc<Folder>,
    pub limits: Limits,
    pub token: Option<Token>,
}

pub fn router(site: Arc<Site>) -> Router {
    Router::new()
        .fallback(answer)
        .layer(middleware::from_fn_with_state(Arc::clone(&site), admit))
        .layer(CatchPanicLayer::new())
        .layer(TraceLayer::new_for_http())
        .with_state(site)
}

/// Lets through what reads and may.
async fn admit(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let mut response = match &site.token {
        Some(token) if !is_shown(token, headers) => {
            let mut response = text(
                StatusCode::UNAUTHORIZED,
                "this server asks for a bearer token",
            );
            let schemes = HeaderValue::from_static("Bearer, Basic realm=\"tolerant\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, schemes);
            response
        }
        None if !is_local(&request) => text(
            StatusCode::MISDIRECTED_REQUEST,
            "without a token, this server answers to the names 127.0.0.1, [::1] and localhost only",
        ),
        _ if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "this server is read-only");
            let methods = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, methods);
            response
        }
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Kept by whoever wants to, as long as it asks each time whether it still holds.
    let cache = if site.token.is_some() {
        "private, no-cache"
    } else {
        "no-cache"
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

fn is_shown(token: &Token, headers: &HeaderMap) -> bool {
    let shown = headers.get(AUTHORIZATION);
    shown.is_some_and(|shown| token.is_shown(shown.as_bytes()))
}

/// A web page elsewhere may have its own name resolve to this machine, and would then read what
/// only this machine's users may: such requests bear that name.
fn is_local(request: &Request) -> bool {
    let named = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let header = || {
        request
            .headers()
            .get(HOST)
            .and_then(|host| host.to_str().ok())
    };
    // HTTP/1.0 has no Host; no browser speaks it.
    let Some(host) = named.or_else(header) else {
        return true;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let ip = name.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |ip: std::net::IpAddr| ip.is_loopback();
    name.eq_ignore_ascii_case("localhost") || ip.parse().is_ok_and(is_loopback)
}

async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let Some(place) = site.limits.request().await else {
        let mut response = text(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests at a time; try again",
        );
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("5"));
        return response;
    };
    let Some(path) = UrlPath::parse(request.uri.path()) else {
        return refused(&Refusal::NotFound);
    };
    let relative = path.relative.clone();
    match on(&site, move |folder| folder.find(&relative)).await {
        Err(refusal) => refused(&refusal),
        Ok(Found::Folder) if !path.is_folder => redirect(&path),
        Ok(Found::Folder) => folder(&site, path.relative, &request).await,
        // A file has nothing below it.
        Ok(Found::File(_)) if path.is_folder => refused(&Refusal::NotFound),
        Ok(Found::File(served)) => match View::asked_in(request.uri.query()) {
            Some(view) => details(&site, served, path, view).await,
            None => file(&site, served, &request, place),
        },
    }
}

/// Asks the folder, off the asynchronous threads.
async fn on<T: Send + 'static>(
    site: &Arc<Site>,
    ask: impl FnOnce(&Folder) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let own = Arc::clone(site);
    let asked = site.limits.work(move || ask(&own.folder)).await;
    asked.unwrap_or_else(|| Err(Refusal::Broken("its contents make no sense".to_owned())))
}

/// The listing of a folder: for people, unless JSON is asked for.
async fn folder(site: &Arc<Site>, path: String, request: &Parts) -> Response {
    let view = View::asked_in(request.uri.query()).unwrap_or_else(|| {
        let accept = request
            .headers
            .get(ACCEPT)
            .and_then(|accept| accept.to_str().ok());
        View::accepted(accept.unwrap_or_default())
    });
    match on(site, move |folder| listing::list(folder, path)).await {
        Err(refusal) => refused(&refusal),
        Ok(listing) => match view {
            View::Json => json(&listing),
            View::Html => page(html::folder(&listing)),
        },
    }
}

/// What a file holds.
async fn details(site: &Arc<Site>, file: Arc<Served>, path: UrlPath, view: View) -> Response {
    let read = move |_: &Folder| {
        let report = file.inspect();
        let report = report.map_err(|error| Refusal::Broken(error.to_string()))?;
        Ok((listing::file(path.relative, &file), report))
    };
    match on(site, read).await {
        Err(refusal) => refused(&refusal),
        Ok((file, report)) => match view {
            View::Json => json(&listing::Details { file, report }),
            View::Html => page(html::file(&file, &report)),
        },
    }
}

/// The bytes of a file: all of them, or those asked for.
fn file(site: &Site, file: Arc<Served>, request: &Parts, place: OwnedSemaphorePermit) -> Response {
    let asked = &request.headers;
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.typed_insert(file.etag.clone());
    headers.typed_insert(LastModified::from(file.modified));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match conditions::judge(asked, &file.etag, file.modified) {
        Outcome::Send => {}
        Outcome::NotModified => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        Outcome::Failed => {
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
            return response;
        }
    }

    // A range is of GET only (RFC 9110, section 14.2).
    let range = asked.get(RANGE).and_then(|range| range.to_str().ok());
    let range = range.filter(|_| {
        request.method == Method::GET && conditions::range_holds(asked, &file.etag, file.modified)
    });
    let mut content_type = PARQUET.to_owned();
    let mut content_range = None;
    let parts = match range.map_or(Asked::Whole, |range| ranges::parse(range, file.len)) {
        Asked::Whole => vec![Part::File(0..file.len)],
        Asked::Unsatisfiable => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            insert(
                response.headers_mut(),
                CONTENT_RANGE,
                format!("bytes */{}", file.len),
            );
            return response;
        }
        Asked::Parts(parts) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            match parts.as_slice() {
                [part] => {
                    content_range = Some(ranges::content_range(part, file.len));
                    vec![Part::File(part.clone())]
                }
                parts => {
                    let multipart = Multipart::new(parts, file.len, PARQUET);
                    content_type = format!("multipart/byteranges; boundary={}", multipart.boundary);
                    multiple(multipart, parts)
                }
            }
        }
    };
    let headers = response.headers_mut();
    insert(headers, CONTENT_TYPE, content_type);
    insert(headers, CONTENT_LENGTH, body::length(&parts).to_string());
    if let Some(content_range) = content_range {
        insert(headers, CONTENT_RANGE, content_range);
    }
    if request.method == Method::GET {
        *response.body_mut() = body::body(file, parts, site.limits.clone(), place);
    }
    response
}

fn multiple(multipart: Multipart, parts: &[std::ops::Range<u64>]) -> Vec<Part> {
    let mut all = Vec::with_capacity(2 * parts.len() + 1);
    for (head, part) in multipart.heads.into_iter().zip(parts) {
        all.push(Part::Text(head));
        all.push(Part::File(part.clone()));
    }
    all.push(Part::Text(multipart.tail));
    all
}

fn insert(headers: &mut HeaderMap, name: axum::http::HeaderName, value: String) {
    // All are ASCII that we wrote.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// To the same folder, with the final `/` from which relative links count.
fn redirect(path: &UrlPath) -> Response {
    let mut response = text(StatusCode::PERMANENT_REDIRECT, "a folder");
    insert(
        response.headers_mut(),
        LOCATION,
        format!("{}/", listing::url(&path.relative)),
    );
    response
}

fn refused(refusal: &Refusal) -> Response {
    match refusal {
        Refusal::NotFound => text(
            StatusCode::NOT_FOUND,
            "there is no Parquet file or folder here",
        ),
        Refusal::Broken(why) => {
            tracing::error!("{why}");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("this file cannot be read: {why}"),
            )
        }
    }
}

fn text(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

fn json(value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            response
        }
        Err(error) => refused(&Refusal::Broken(error.to_string())),
    }
}

fn page(html: String) -> Response {
    let mut response = Response::new(Body::from(html));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}
