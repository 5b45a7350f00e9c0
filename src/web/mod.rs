//! The pages inside the binary: the chat page at `/`, the SDK under `/sdk/`.

use actix_web::http::Method;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::{EmbeddedFile, RustEmbed};
use schema::wire::ErrorCode;

use crate::api::ApiError;

#[derive(RustEmbed)]
#[folder = "src/web/assets"]
#[allow_missing = true]
struct Assets;

#[derive(RustEmbed)]
#[folder = "clients/typescript/src"]
#[allow_missing = true]
struct SdkSource;

#[derive(RustEmbed)]
#[folder = "clients/typescript/vendor"]
#[allow_missing = true]
struct SdkVendor;

/// Own files only; sockets to wherever the page is told to connect; never inside a frame.
const PAGE_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; \
     img-src 'self' data: blob:; style-src 'self'; script-src 'self'; base-uri 'none'; \
     frame-ancestors 'none'; form-action 'self'";

/// Answers every path that nothing before it took.
pub fn pages(config: &mut ServiceConfig) {
    let pages = web::scope("").wrap(Compress::default()).default_service(web::to(page));
    config.service(pages);
}

async fn page(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let message = format!("{} is not possible here", request.method());
        return Err(ApiError::new(ErrorCode::MethodNotAllowed, message));
    }
    let path = request.path().trim_start_matches('/');
    let (name, file) =
        find(path).ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is no such page"))?;
    let tag = etag(&file);
    let is_known = request
        .headers()
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| known.split(',').any(|known| matches_tag(known, &tag)));
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((ETAG, tag))
        // Kept, but asked about each time: a new version of the server is a new page at once.
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"));
    if is_known {
        return Ok(response.finish());
    }
    Ok(response.insert_header((CONTENT_TYPE, content_type(name, &file))).body(file.data))
}

fn find(path: &str) -> Option<(&str, EmbeddedFile)> {
    let (name, file) = if let Some(name) = path.strip_prefix("sdk/src/") {
        (name, SdkSource::get(name))
    } else if let Some(name) = path.strip_prefix("sdk/vendor/") {
        (name, SdkVendor::get(name))
    } else {
        let name = if path.is_empty() { "index.html" } else { path };
        (name, Assets::get(name))
    };
    Some((name, file?))
}

fn etag(file: &EmbeddedFile) -> String {
    use std::fmt::Write as _;
    let mut tag = String::from("\"");
    for byte in &file.metadata.sha256_hash()[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// Weakly: compression on the way makes a tag weak, and proxies may do the same.
fn matches_tag(known: &str, tag: &str) -> bool {
    let known = known.trim();
    known == "*" || known.trim_start_matches("W/") == tag
}

/// The type that a browser needs to run modules and show pages.
fn content_type(name: &str, file: &EmbeddedFile) -> String {
    let guessed = match name.rsplit('.').next() {
        Some("js" | "mjs") => "text/javascript",
        Some("ts" | "mts") => "text/plain",
        Some("webmanifest") => "application/manifest+json",
        _ => file.metadata.mimetype(),
    };
    if guessed.starts_with("text/") {
        format!("{guessed}; charset=utf-8")
    } else {
        guessed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::dev::ServiceResponse;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, http::header::HeaderMap};

    use super::*;

    async fn answer(request: TestRequest) -> ServiceResponse {
        let app = init_service(App::new().configure(pages)).await;
        call_service(&app, request.to_request()).await.map_into_boxed_body()
    }

    fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
        headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[actix_web::test]
    async fn modules_come_with_type_tag_and_policy() {
        let Some(name) = SdkSource::iter().find(|name| name.ends_with(".js")) else { return };
        let path = format!("/sdk/src/{name}");
        let response = answer(TestRequest::get().uri(&path)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(response.headers(), "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(header(response.headers(), "cache-control"), "no-cache");
        assert_eq!(header(response.headers(), "content-security-policy"), PAGE_POLICY);
        let tag = header(response.headers(), "etag").to_owned();

        let again = TestRequest::get().uri(&path).insert_header(("if-none-match", tag.clone()));
        let again = answer(again).await;
        assert_eq!(again.status(), 304);
        assert_eq!(header(again.headers(), "etag"), tag);
        assert!(read_body(again).await.is_empty());

        let weak = format!("\"0\", W/{tag}");
        let weak = TestRequest::get().uri(&path).insert_header(("if-none-match", weak));
        assert_eq!(answer(weak).await.status(), 304);
    }

    #[actix_web::test]
    async fn nothing_outside_the_folders_is_served() {
        for path in [
            "/nowhere.html",
            "/sdk/src/../package.json",
            "/sdk/src/..%2fpackage.json",
            "/../Cargo.toml",
            "/%2e%2e/Cargo.toml",
            "//etc/passwd",
            "/sdk/src/",
        ] {
            assert_eq!(answer(TestRequest::get().uri(path)).await.status(), 404, "{path}");
        }
        assert_eq!(answer(TestRequest::post().uri("/")).await.status(), 405);
    }
}
