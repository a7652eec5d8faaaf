//! Answers of the public listener: whole documents that may be kept for a while and asked about again.

use aws_lc_rs::digest;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

/// Bytes of the digest in an entity tag: enough that no two versions of a document share one.
const TAG_BYTES: usize = 16;

/// A document.
#[derive(Clone, Debug)]
pub struct Document {
    content_type: &'static str,
    max_age_s: u32,
    content: Bytes,
    tag: String,
}

impl Document {
    /// Returns a document that may be kept for `max_age_s` seconds.
    #[must_use]
    pub fn new(content_type: &'static str, max_age_s: u32, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let digest = digest::digest(&digest::SHA256, &content);
        let first = digest.as_ref().get(..TAG_BYTES).unwrap_or_default();
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(first));
        Self { content_type, max_age_s, content, tag }
    }

    /// Returns a JSON document.
    #[must_use]
    pub fn json(content_type: &'static str, max_age_s: u32, value: &serde_json::Value) -> Self {
        Self::new(content_type, max_age_s, value.to_string())
    }

    /// Answers a request with it; without its content if the client has it already (RFC 9110, section 13.1.2).
    #[must_use]
    pub fn answer(&self, request: &HeaderMap) -> Response<Body> {
        let is_known = is_among(request, &self.tag);
        let body = if is_known { Body::empty() } else { Body::from(self.content.clone()) };
        let mut response = Response::new(body);
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        let cache = format!("public, max-age={}", self.max_age_s);
        for (name, value) in [(header::ETAG, &self.tag), (header::CACHE_CONTROL, &cache)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        response
    }
}

/// Returns whether a client has the version with a tag. Tags are compared weakly, as the rule for `If-None-Match` is.
fn is_among(request: &HeaderMap, tag: &str) -> bool {
    let lists = request.get_all(header::IF_NONE_MATCH).into_iter();
    let mut known = lists.filter_map(|it| it.to_str().ok()).flat_map(|list| list.split(','));
    known.any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

    use crate::platform::web::document::Document;

    #[test]
    fn a_client_that_has_a_document_is_not_sent_it_again() {
        let document = Document::new("text/plain", 60, "content");
        let tag = document.answer(&HeaderMap::new()).headers()[header::ETAG].clone();
        let check = |known: &str, expected| {
            let mut request = HeaderMap::new();
            request.insert(header::IF_NONE_MATCH, HeaderValue::from_str(known).unwrap());
            let response = document.answer(&request);
            assert_eq!(response.status(), expected, "{known}");
            assert_eq!(response.headers()[header::ETAG], tag);
        };
        let tag = tag.to_str().unwrap();
        check(tag, StatusCode::NOT_MODIFIED);
        check("*", StatusCode::NOT_MODIFIED);
        check(&format!("\"other\", W/{tag}"), StatusCode::NOT_MODIFIED);
        check("\"other\"", StatusCode::OK);
        let changed = Document::new("text/plain", 60, "changed").answer(&HeaderMap::new());
        assert_ne!(changed.headers()[header::ETAG], tag);
    }
}
