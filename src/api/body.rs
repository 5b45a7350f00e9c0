//! JSON bodies, queries and paths: decoded, validated, and refused as problems.

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::{JsonPayloadError, PathError, QueryPayloadError};
use actix_web::web::{Json, JsonConfig, PathConfig, PayloadConfig, QueryConfig};
use actix_web::{FromRequest, HttpRequest};
use garde::Validate;
use schema::rest::FieldProblem;
use schema::wire::ErrorCode;
use serde::de::DeserializeOwned;

use super::problem::ApiError;
use super::state::ApiSettings;

/// A JSON body that satisfies its type's rules.
pub struct Valid<T>(pub T);

impl<T> FromRequest for Valid<T>
where
    T: DeserializeOwned + Validate<Context = ()> + 'static,
{
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = Json::<T>::from_request(request, payload);
        Box::pin(async move {
            let Json(body) = body.await?;
            validate(&body)?;
            Ok(Self(body))
        })
    }
}

fn validate<T: Validate<Context = ()>>(body: &T) -> Result<(), ApiError> {
    body.validate().map_err(|report| {
        let errors = report.iter().map(|(path, error)| FieldProblem {
            field: path.to_string(),
            message: error.message().to_owned(),
        });
        ApiError::fields(errors.collect())
    })
}

pub(crate) fn json_settings(settings: &ApiSettings) -> JsonConfig {
    JsonConfig::default()
        .limit(settings.request_bytes_max)
        .error_handler(|error, _| json_problem(&error).into())
}

pub(crate) fn payload_settings(settings: &ApiSettings) -> PayloadConfig {
    PayloadConfig::new(settings.request_bytes_max)
}

pub(crate) fn query_settings() -> QueryConfig {
    QueryConfig::default().error_handler(|error, _| {
        let QueryPayloadError::Deserialize(error) = &error else {
            return ApiError::field("query", "is not acceptable").into();
        };
        ApiError::field("query", error.to_string()).into()
    })
}

pub(crate) fn path_settings() -> PathConfig {
    // What is no id names nothing: the same answer as for an id that nobody has.
    PathConfig::default().error_handler(|_: PathError, _| {
        ApiError::new(ErrorCode::NotFound, "no such thing, or none that you may see").into()
    })
}

fn json_problem(error: &JsonPayloadError) -> ApiError {
    match error {
        JsonPayloadError::OverflowKnownLength { limit, .. }
        | JsonPayloadError::Overflow { limit } => too_large(*limit),
        JsonPayloadError::ContentType => {
            ApiError::new(ErrorCode::BadFrame, "the body must be application/json")
        }
        JsonPayloadError::Deserialize(error) if error.is_data() => {
            ApiError::field("body", error.to_string())
        }
        JsonPayloadError::Deserialize(error) => {
            ApiError::new(ErrorCode::BadFrame, format!("the body is not JSON: {error}"))
        }
        _ => ApiError::new(ErrorCode::BadFrame, "the body could not be read"),
    }
}

pub(super) fn too_large(bytes_max: usize) -> ApiError {
    ApiError::new(ErrorCode::TooLarge, format!("the body is larger than {bytes_max} bytes"))
}
