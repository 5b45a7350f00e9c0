//! The route table of `/v1`, and its description at `/v1/openapi.json` and `/v1/docs/`.

use std::sync::OnceLock;

use actix_web::dev::Service as _;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use actix_web::{App, HttpResponse, web};
use schema::wire::ErrorCode;
use utoipa::OpenApi as _;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa_actix_web::AppExt as _;
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::SwaggerUi;

/// The page styles itself; it runs no script but its own.
const DOCUMENTATION_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; script-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
     form-action 'self'";

/// Every route of `/v1`. What is added here is described by being added.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .configure(super::auth::routes)
        .configure(super::devices::routes)
        .configure(super::personal::routes)
        .configure(super::users::routes)
        .configure(super::blocks::routes)
        .configure(super::scheduled::routes)
        .configure(super::chat_list::routes)
        .configure(super::conversations::routes)
        .configure(super::members::routes)
        .configure(super::bans::routes)
        .configure(super::invites::routes)
        .configure(super::messages::routes)
        .configure(super::changes::routes)
        .configure(super::receipts::routes)
        .configure(super::threads::routes)
        .configure(super::presence::routes)
        .configure(super::search::routes)
        .configure(super::link_preview::routes);
}

/// The description, the page that shows it, and the page of error codes.
pub(super) fn documentation(config: &mut web::ServiceConfig) {
    let page =
        SwaggerUi::new("/{_:.*}").config(utoipa_swagger_ui::Config::from("/v1/openapi.json"));
    let page = web::scope("/docs").service(page).wrap_fn(|request, service| {
        let answer = service.call(request);
        async {
            let mut response = answer.await?;
            let policy = HeaderValue::from_static(DOCUMENTATION_POLICY);
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            Ok(response)
        }
    });
    config
        .route("/openapi.json", web::get().to(description))
        .route("/errors", web::get().to(error_codes))
        .service(web::redirect("/docs", "/v1/docs/").permanent())
        .service(page);
}

async fn description() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(openapi_json())
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> &'static utoipa::openapi::OpenApi {
    static DOCUMENT: OnceLock<utoipa::openapi::OpenApi> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        #[derive(utoipa::OpenApi)]
        #[openapi(info(
            title = "Switchboard",
            description = "REST of Switchboard. Messages travel live over the socket at /ws."
        ))]
        struct Document;

        let (_, mut document) = App::new()
            .into_utoipa_app()
            .openapi(Document::openapi())
            .service(utoipa_actix_web::scope::scope("/v1").configure(routes))
            .split_for_parts();
        document.info.version = env!("CARGO_PKG_VERSION").to_owned();
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document
            .components
            .get_or_insert_default()
            .security_schemes
            .insert("bearer".to_owned(), bearer.into());
        document.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
        document
    })
}

fn openapi_json() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| openapi().to_pretty_json().unwrap_or_default())
}

/// Whether any method is possible at this path.
pub(super) fn is_known_path(path: &str) -> bool {
    openapi().paths.paths.keys().any(|pattern| {
        let (mut parts, mut wanted) = (path.split('/'), pattern.split('/'));
        loop {
            match (parts.next(), wanted.next()) {
                (None, None) => return true,
                (Some(part), Some(want)) if want == part || want.starts_with('{') => {}
                _ => return false,
            }
        }
    })
}

/// What problems' `type` points to.
async fn error_codes() -> HttpResponse {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Error codes</title>\
         <h1>Error codes</h1><p>The same in REST problems and in error frames.</p>\
         <table><tr><th>code<th>HTTP status<th>the same request may succeed later",
    );
    for code in ErrorCode::ALL {
        let later = if code.is_temporary() { "yes" } else { "no" };
        let status = code.http_status();
        page.push_str(&format!("<tr id=\"{code}\"><td>{code}<td>{status}<td>{later}"));
    }
    page.push_str("</table></html>");
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/html; charset=utf-8")).body(page)
}
