//! `/admin/`: the page for operators, from the binary. It holds nothing secret: the token is typed
//! in and kept in memory alone.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use actix_web::web::{self, ServiceConfig};

const PAGE: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/admin.js");
const STYLE: &str = include_str!("page/admin.css");
/// The chat page's colours and type.
const TOKENS: &str = include_str!("../web/assets/css/tokens.css");
const ICON: &str = include_str!("../web/assets/icon.svg");

const POLICY: &str = "default-src 'none'; connect-src 'self'; img-src 'self'; style-src 'self'; \
     script-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

pub(super) fn routes(config: &mut ServiceConfig) {
    let to_folder =
        || async { HttpResponse::Found().insert_header((LOCATION, "/admin/")).finish() };
    config
        .route("/admin", web::get().to(to_folder))
        .route("/admin/", web::get().to(|| file(PAGE, "text/html; charset=utf-8")))
        .route("/admin/admin.js", web::get().to(|| file(SCRIPT, "text/javascript; charset=utf-8")))
        .route("/admin/admin.css", web::get().to(|| file(STYLE, "text/css; charset=utf-8")))
        .route("/admin/tokens.css", web::get().to(|| file(TOKENS, "text/css; charset=utf-8")))
        .route("/admin/icon.svg", web::get().to(|| file(ICON, "image/svg+xml")));
}

async fn file(body: &'static str, content_type: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, content_type))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(body)
}
