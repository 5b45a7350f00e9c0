//! `/v1/devices`: where one is signed in.

use actix_web::{HttpResponse, delete, get, web};
use schema::DeviceId;
use schema::rest::{DeviceList, DeviceView, Problem};
use schema::wire::{CloseCode, ErrorCode};
use utoipa_actix_web::service_config::ServiceConfig;

use super::identity::Caller;
use super::problem::ApiError;
use super::state::ApiState;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_devices).service(revoke_device);
}

/// One's own devices that are signed in, oldest first.
#[utoipa::path(tag = "devices", responses((status = 200, body = DeviceList)))]
#[get("/devices")]
async fn list_devices(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
) -> Result<web::Json<DeviceList>, ApiError> {
    let devices = state.users.devices(identity.user_id).await?;
    let views = devices.into_iter().map(|device| DeviceView {
        device_id: device.device_id,
        name: device.name,
        created_at: device.created_at,
        last_seen_at: device.last_seen_at,
        current: device.device_id == identity.device_id,
    });
    Ok(web::Json(DeviceList { devices: views.collect() }))
}

/// Signs one of one's own devices out: its tokens stop working and its socket closes.
#[utoipa::path(tag = "devices", params(("id" = DeviceId, Path)), responses(
    (status = 204, description = "Signed out"),
    (status = 404, body = Problem, description = "`not_found`: no such device of yours"),
))]
#[delete("/devices/{id}")]
async fn revoke_device(
    state: web::Data<ApiState>,
    Caller(identity): Caller,
    id: web::Path<DeviceId>,
) -> Result<HttpResponse, ApiError> {
    let device = id.into_inner();
    if !state.auth.revoke_device(identity.user_id, device).await? {
        return Err(ApiError::new(ErrorCode::NotFound, "no such device of yours"));
    }
    state.node.disconnect_device(identity.user_id, device, CloseCode::TokenRevoked);
    Ok(HttpResponse::NoContent().finish())
}
