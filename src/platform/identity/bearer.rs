//! The bearer token of a call, as it stands in the request.

use http::{HeaderMap, header};

use crate::kernel::fault::{Fault, Kind, Reason};

/// Longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Returns the token of a call that has one.
///
/// # Errors
///
/// `TOKEN_INVALID` when there are several, or it is none, or too long. A header that is not understood is never passed over: who
/// sends one means it to count.
pub fn token(headers: &HeaderMap) -> Result<Option<&str>, Fault> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid("a call has one authorization header"));
    }
    let text = value.to_str().map_err(|_| invalid("the authorization header is no text"))?;
    // The scheme is case-insensitive (RFC 9110, 11.1).
    let token = text
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| invalid("the authorization header has no bearer token"))?;
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
        return Err(invalid("the bearer token is empty or longer than 8 KiB"));
    }
    Ok(Some(token))
}

/// Returns the fault of a token that is none of the hub's and none of an issuer that it believes.
#[must_use]
pub fn invalid(message: &'static str) -> Fault {
    Fault::new(Kind::Unauthenticated, Reason::TokenInvalid, message)
}
