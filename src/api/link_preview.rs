//! `/v1/link-preview`: what the page behind a link says of itself.

use actix_web::{get, web};
use schema::rest::{LinkPreview, Problem};
use schema::wire::{ErrorCode, Refusal};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;
use crate::preview::PreviewError;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(link_preview);
}

#[derive(Deserialize, utoipa::IntoParams)]
struct Asked {
    /// `http` or `https`, on the usual port.
    url: String,
}

/// Title, description and image of a page on the public internet. The server fetches the page, and
/// not the image.
#[utoipa::path(
    tag = "messages", params(Asked),
    responses(
        (status = 200, body = LinkPreview),
        (status = 404, body = Problem,
            description = "`not_found`: there is none, or this server makes none"),
        (status = 422, body = Problem, description = "`invalid_field`: not such a URL"),
        (status = 503, body = Problem, description = "`overloaded`"),
    )
)]
#[get("/link-preview")]
async fn link_preview(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    asked: web::Query<Asked>,
) -> Result<web::Json<LinkPreview>, ApiError> {
    let Some(previews) = &state.previews else {
        return Err(Refusal::new(ErrorCode::NotFound, "this server makes no previews").into());
    };
    state.limits.check_preview(identity.user_id)?;
    let url = asked.into_inner().url;
    let preview = previews.preview(&url).await.map_err(|error| {
        let text = error.to_string();
        match error {
            PreviewError::BadUrl(_) => ApiError::field("url", text),
            PreviewError::Nothing => Refusal::new(ErrorCode::NotFound, text).into(),
            PreviewError::Overloaded => {
                Refusal::new(ErrorCode::Overloaded, text).retry_after_ms(2_000).into()
            }
        }
    })?;
    Ok(web::Json(LinkPreview {
        url,
        title: preview.title,
        description: preview.description,
        image_url: preview.image_url,
        site_name: preview.site_name,
    }))
}
