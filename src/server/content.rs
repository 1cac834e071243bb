//! From a request to an answer. docs/http.md says the same in words.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Range;

use checkpoint_core::Kind;
use checkpoint_core::engine::{CONTENT_PREFIX, Engine, Freshness, Resolution, Resolver, ServedFile};
use checkpoint_core::name::encode_path;
use checkpoint_core::time::Timestamp;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;

use super::api::Doorkeeper;
use super::body::{Body, Reader, full};
use super::page::render;
use super::range::{Wanted, wanted};

/// For what will never change.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// For what may change with the next publish: caches may keep it, and have to ask.
const REVALIDATE: &str = "public, max-age=0, must-revalidate";
/// For redirects to the checkpoint that a time resolves to; retention may remove it.
const SHORT: &str = "public, max-age=60";

/// For what only those who sign in may read.
const PRIVATE: &str = "private, max-age=0, must-revalidate";

/// Serves distributions.
pub(super) struct ContentServer {
    resolver: Resolver,
    reader: Reader,
    doorkeeper: Doorkeeper,
}

impl ContentServer {
    pub(super) fn new(engine: Engine) -> ContentServer {
        ContentServer {
            reader: Reader::new(engine.clone()),
            doorkeeper: Doorkeeper::new(engine.clone()),
            resolver: Resolver::new(engine),
        }
    }

    /// Answers a request; whatever goes wrong becomes an answer too.
    pub(super) async fn answer<B>(&self, request: &Request<B>, peer: IpAddr) -> Response<Body> {
        let head = request.method() == Method::HEAD;
        if !head && request.method() != Method::GET {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served here");
            set(&mut answer, header::ALLOW, "GET, HEAD");
            return answer;
        }
        let (path, headers) = (request.uri().path(), request.headers());
        let answer = match self.get(path, headers, (head, false)).await {
            Some(answer) => answer,
            None => self.get_guarded(path, headers, (head, peer)).await,
        };
        if head { without_body(answer) } else { answer }
    }

    /// What a distribution serves that is for those only who sign in.
    async fn get_guarded(
        &self,
        url_path: &str,
        headers: &HeaderMap,
        (head, peer): (bool, IpAddr),
    ) -> Response<Body> {
        let known = self.doorkeeper.identify(headers, peer).await;
        let answer = match known {
            Ok(Some(_)) => self.get(url_path, headers, (head, true)).await,
            Ok(None) => None,
            Err(failure) if failure.status == StatusCode::UNAUTHORIZED => None,
            Err(failure) => return text(failure.status, "you cannot be signed in now"),
        };
        match answer {
            Some(mut answer) => {
                set(&mut answer, header::CACHE_CONTROL, PRIVATE);
                answer
            }
            None => {
                let mut answer =
                    text(StatusCode::UNAUTHORIZED, "401: Unauthorized\nthis is for those who sign in\n");
                set(&mut answer, header::WWW_AUTHENTICATE, "Basic realm=\"debpoint\"");
                set(&mut answer, header::CACHE_CONTROL, "no-store");
                answer
            }
        }
    }

    /// `None` if one has to sign in.
    async fn get(
        &self,
        url_path: &str,
        headers: &HeaderMap,
        (head, signed_in): (bool, bool),
    ) -> Option<Response<Body>> {
        let Some(encoded) = url_path.strip_prefix(CONTENT_PREFIX) else {
            return Some(match url_path {
                "/" => redirect(StatusCode::FOUND, CONTENT_PREFIX),
                _ if format!("{url_path}/") == CONTENT_PREFIX => {
                    redirect(StatusCode::MOVED_PERMANENTLY, CONTENT_PREFIX)
                }
                _ => not_found("content is served below /pulp/content/"),
            });
        };
        let Ok(path) = percent_decode_str(encoded).decode_utf8() else {
            return Some(not_found("the path is not UTF-8"));
        };
        if path.chars().any(char::is_control) {
            return Some(not_found("the path holds a control character"));
        }
        let path = without_dots(&path);
        Some(match self.resolver.resolve_for(&path, signed_in).await {
            Ok(Resolution::Guarded) => return None,
            Ok(Resolution::File(file)) => self.file(&file, &path, headers, head).await,
            Ok(Resolution::Directory(page)) => {
                let html = render(&format!("{CONTENT_PREFIX}{path}"), &page, path.is_empty());
                let mut answer = Response::new(full(html.clone()));
                set(&mut answer, header::CONTENT_TYPE, "text/html; charset=utf-8");
                set(&mut answer, header::CONTENT_LENGTH, &html.len().to_string());
                set(&mut answer, header::CACHE_CONTROL, cache_control(page.freshness));
                answer
            }
            Ok(Resolution::AddSlash) => redirect(StatusCode::MOVED_PERMANENTLY, &format!("{url_path}/")),
            Ok(Resolution::Moved(path)) => {
                redirect(StatusCode::MOVED_PERMANENTLY, &format!("{CONTENT_PREFIX}{}", encode_path(&path)))
            }
            Ok(Resolution::NotFound(why)) => not_found(&why),
            Err(error) => failure(&error, url_path),
        })
    }

    async fn file(&self, file: &ServedFile, path: &str, headers: &HeaderMap, head: bool) -> Response<Body> {
        let etag = format!("\"{}\"", file.sha256);
        let modified = file.modified.http_date();
        let (status, range) = if is_known(headers, &etag, file.modified) {
            (StatusCode::NOT_MODIFIED, None)
        } else {
            // RFC 9110 section 14.2: a range means something for GET only.
            let asked = text_of(headers, &header::RANGE);
            let asked = asked.filter(|_| !head && if_range(headers, &etag, &modified));
            match wanted(asked, file.size) {
                Wanted::All => (StatusCode::OK, Some(0..file.size)),
                Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, Some(range)),
                Wanted::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, None),
            }
        };
        let body = match &range {
            Some(range) if !head => match self.reader.read(file, range.clone()).await {
                Ok(body) => body,
                Err(error) => return failure(&error, path),
            },
            _ => full(""),
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        set(&mut answer, header::ETAG, &etag);
        set(&mut answer, header::LAST_MODIFIED, &modified);
        set(&mut answer, header::CACHE_CONTROL, cache_control(file.freshness));
        set(&mut answer, header::ACCEPT_RANGES, "bytes");
        if let Some(time) = file.checkpoint {
            set(&mut answer, HeaderName::from_static("x-checkpoint"), &time.to_string());
        }
        describe_bytes(&mut answer, path, file.size, range);
        answer
    }
}

/// The path of a file without `.` segments (RFC 3986 section 5.2.4), which apt sends where a Filename begins with `./`.
fn without_dots(path: &str) -> Cow<'_, str> {
    let of_a_file = !path.ends_with(['/', '.']);
    match of_a_file && path.split('/').any(|segment| segment == ".") {
        true => path.split('/').filter(|segment| *segment != ".").collect::<Vec<_>>().join("/").into(),
        false => path.into(),
    }
}

/// The headers that say which bytes of which file the body is.
fn describe_bytes(answer: &mut Response<Body>, path: &str, size: u64, range: Option<Range<u64>>) {
    match (answer.status(), range) {
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => {
            set(answer, header::CONTENT_RANGE, &format!("bytes */{size}"));
            set(answer, header::CONTENT_LENGTH, "0");
        }
        (status, Some(range)) => {
            set(answer, header::CONTENT_TYPE, content_type(path));
            set(answer, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
            set(answer, header::CONTENT_LENGTH, &(range.end - range.start).to_string());
            set(answer, HeaderName::from_static("x-pulp-artifact-size"), &size.to_string());
            if status == StatusCode::PARTIAL_CONTENT {
                let last = range.end.saturating_sub(1);
                set(answer, header::CONTENT_RANGE, &format!("bytes {}-{last}/{size}", range.start));
            }
        }
        (_, None) => {}
    }
}

/// Whether the client has the file already (RFC 9110 section 13.2.2). A time has to be the very one that was
/// sent: one that is merely later proves nothing where a distribution can be moved back.
fn is_known(headers: &HeaderMap, etag: &str, modified: Timestamp) -> bool {
    if headers.contains_key(header::IF_NONE_MATCH) {
        let same = |tag: &str| tag == "*" || tag.trim_start_matches("W/") == etag;
        let lines = headers.get_all(header::IF_NONE_MATCH).iter();
        let mut tags = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
        return tags.any(|tag| same(tag.trim()));
    }
    let since = text_of(headers, &header::IF_MODIFIED_SINCE).and_then(Timestamp::from_http_date);
    since == Some(modified)
}

/// Whether `If-Range` allows a part: the client's part is of this very file.
fn if_range(headers: &HeaderMap, etag: &str, modified: &str) -> bool {
    let condition = headers.get(header::IF_RANGE);
    condition.is_none_or(|condition| condition == etag || condition == modified)
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn cache_control(freshness: Freshness) -> &'static str {
    match freshness {
        Freshness::Immutable => IMMUTABLE,
        Freshness::Changing => REVALIDATE,
    }
}

/// By the name's ending; what is served for a directory is its `index.html`. Compressed files are files, not an
/// encoding: apt wants them as they are.
fn content_type(path: &str) -> &'static str {
    let name = match path.rsplit('/').next() {
        Some("") | None => "index.html",
        Some(name) => name,
    };
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "deb" | "udeb" | "ddeb" => "application/vnd.debian.binary-package",
        "gz" => "application/gzip",
        "xz" => "application/x-xz",
        "bz2" => "application/x-bzip2",
        "zst" => "application/zstd",
        "asc" => "application/pgp-keys",
        "gpg" => "application/pgp-signature",
        "dsc" | "txt" | "changes" | "buildinfo" => "text/plain; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "json" => "application/json",
        "" if matches!(name, "InRelease" | "Release" | "Packages" | "Sources" | "PULP_MANIFEST") => {
            "text/plain; charset=utf-8"
        }
        _ => "application/octet-stream",
    }
}

fn redirect(status: StatusCode, location: &str) -> Response<Body> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut answer = text(status, &format!("{}: {reason}", status.as_u16()));
    set(&mut answer, header::LOCATION, location);
    set(&mut answer, header::CACHE_CONTROL, SHORT);
    answer
}

fn not_found(why: &str) -> Response<Body> {
    let mut answer = text(StatusCode::NOT_FOUND, &format!("404: Not Found\n{why}\n"));
    // What is not there now may be published in a second.
    set(&mut answer, header::CACHE_CONTROL, "no-store");
    answer
}

/// The one place where an error becomes a status; it is logged here and nowhere else.
fn failure(error: &checkpoint_core::Error, path: &str) -> Response<Body> {
    let status = match error.kind() {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Invalid | Kind::AlreadyExists | Kind::Conflict => StatusCode::BAD_REQUEST,
        Kind::Upstream => StatusCode::BAD_GATEWAY,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Corrupt | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    // A transfer from upstream logs its failure itself, once for all who wait for it.
    if error.kind() != Kind::Upstream {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        tracing::error!(path, "cannot answer: {error}{cause}");
    }
    // The details are for the log; a client learns what it can do. That an upstream fails is not our secret.
    let why = match status {
        StatusCode::BAD_GATEWAY => error.to_string(),
        _ => "the server cannot answer now".to_owned(),
    };
    let mut answer = text(status, &format!("{}: {why}\n", status.as_u16()));
    set(&mut answer, header::CACHE_CONTROL, "no-store");
    answer
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut answer = Response::new(full(text.to_owned()));
    *answer.status_mut() = status;
    set(&mut answer, header::CONTENT_TYPE, "text/plain; charset=utf-8");
    set(&mut answer, header::CONTENT_LENGTH, &text.len().to_string());
    answer
}

fn without_body(answer: Response<Body>) -> Response<Body> {
    let (parts, _) = answer.into_parts();
    Response::from_parts(parts, full(""))
}

fn set(answer: &mut Response<Body>, name: HeaderName, value: &str) {
    // Values are made of digests, dates, numbers and encoded paths; anything else cannot be sent anyway.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
