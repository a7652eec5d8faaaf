//! Key binding: that its holder presents a credential, here and now (RFC 9901, sections 4.3 and 7.3).

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::credentials::sdjwt::bounds::BINDING_BYTES_MAX;
use crate::credentials::sdjwt::claims::{self, Confirmation};
use crate::credentials::sdjwt::defect::{
    BINDING_ALGORITHM, BINDING_AUDIENCE, BINDING_FORM, BINDING_HASH, BINDING_KEY, BINDING_NONCE,
    BINDING_PRESENT, BINDING_SIGNATURE, BINDING_TIME, BINDING_TYPE, Defect,
};
use crate::credentials::sdjwt::json::Object;
use crate::credentials::sdjwt::jws::{Flaw, Jws};
use crate::credentials::sdjwt::{CLOCK_SKEW, TYP_KEY_BINDING};

/// What a key binding must say.
#[derive(Clone, Copy, Debug)]
pub struct BindingPolicy<'a> {
    /// For whom it must be made.
    pub audience: &'a str,
    /// For which occasion it must be made.
    pub nonce: &'a str,
    /// When it is verified.
    pub now: OffsetDateTime,
    /// How long ago it may have been made. Clocks may be apart by [`CLOCK_SKEW`] besides.
    pub age_max: Duration,
}

/// A key binding that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// When it was made.
    pub issued_at: OffsetDateTime,
}

/// Reads for which occasion a key binding says to be made: nothing was verified. It is how a verifier finds what it had asked for.
#[must_use]
pub fn nonce_of(binding: &str) -> Option<String> {
    let jws = Jws::read(binding, Some(TYP_KEY_BINDING), BINDING_BYTES_MAX).ok()?;
    match jws.claims().ok()?.remove("nonce") {
        Some(Value::String(nonce)) => Some(nonce),
        _ => None,
    }
}

/// Verifies a key binding over what has a digest.
pub(crate) fn verify(
    binding: Option<&str>,
    confirmation: &Confirmation,
    digest: &str,
    policy: &BindingPolicy<'_>,
) -> Result<Binding, Defect> {
    let Some(text) = binding else {
        return Err(BINDING_PRESENT.failed("there is no key binding"));
    };
    let key = match confirmation {
        Confirmation::Key(key) if key.is_point() => key,
        Confirmation::Key(_) => {
            return Err(BINDING_KEY.failed("the key is no point of its curve"));
        }
        Confirmation::Nobody => {
            return Err(BINDING_KEY.failed("the credential is bound to no key"));
        }
        Confirmation::Other => {
            return Err(
                BINDING_KEY.failed("the credential is bound in a way that is not known here")
            );
        }
    };
    let jws = Jws::read(text, Some(TYP_KEY_BINDING), BINDING_BYTES_MAX).map_err(of_flaw)?;
    jws.verify(key).map_err(of_flaw)?;
    let claims = jws.claims().map_err(of_flaw)?;
    if text_of(&claims, "sd_hash")? != digest {
        return Err(BINDING_HASH.failed("it was made for another presentation"));
    }
    if !is_for(&claims, policy.audience)? {
        return Err(BINDING_AUDIENCE.failed("it was made for another verifier"));
    }
    if text_of(&claims, "nonce")? != policy.nonce {
        return Err(BINDING_NONCE.failed("it was made for another occasion"));
    }
    let issued_at = check_time(&claims, policy)?;
    Ok(Binding { issued_at })
}

fn text_of<'a>(claims: &'a Object, name: &str) -> Result<&'a str, Defect> {
    let text = claims.get(name).and_then(Value::as_str);
    text.ok_or_else(|| BINDING_FORM.failed(format!("{name} is no text")))
}

/// Returns whether it is for this verifier and nobody else: a list of several would serve another one as well.
fn is_for(claims: &Object, audience: &str) -> Result<bool, Defect> {
    match claims.get("aud") {
        Some(Value::String(named)) => Ok(named == audience),
        Some(Value::Array(named)) => match named.as_slice() {
            [Value::String(named)] => Ok(named == audience),
            [] => Err(BINDING_FORM.failed("aud names nobody")),
            _ => Ok(false),
        },
        _ => Err(BINDING_FORM.failed("aud is no text")),
    }
}

fn check_time(claims: &Object, policy: &BindingPolicy<'_>) -> Result<OffsetDateTime, Defect> {
    let instant =
        |name: &str| claims::instant(claims, name).map_err(|it| BINDING_FORM.failed(it.detail));
    let missing = || BINDING_FORM.failed("iat is missing");
    let issued_at = instant("iat")?.ok_or_else(missing)?;
    // Differences, because sums could leave the calendar.
    let age = policy.now - issued_at;
    if age < -CLOCK_SKEW {
        return Err(BINDING_TIME.failed("it was made in the future"));
    }
    if age > policy.age_max.saturating_add(CLOCK_SKEW) {
        return Err(BINDING_TIME.failed("it was made too long ago"));
    }
    if instant("exp")?.is_some_and(|it| policy.now - it >= CLOCK_SKEW) {
        return Err(BINDING_TIME.failed("its time is over"));
    }
    if instant("nbf")?.is_some_and(|it| it - policy.now > CLOCK_SKEW) {
        return Err(BINDING_TIME.failed("its time has not come"));
    }
    Ok(issued_at)
}

fn of_flaw(flaw: Flaw) -> Defect {
    let check = match flaw {
        Flaw::Type => &BINDING_TYPE,
        Flaw::Algorithm | Flaw::KeyAlgorithm => &BINDING_ALGORITHM,
        Flaw::Signature => &BINDING_SIGNATURE,
        Flaw::Size
        | Flaw::Parts
        | Flaw::Encoding
        | Flaw::Json(_)
        | Flaw::Header
        | Flaw::Critical => &BINDING_FORM,
    };
    check.failed(flaw.says())
}
