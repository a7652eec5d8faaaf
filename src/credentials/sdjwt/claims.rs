//! Registered claims: what a verifier decides by.

use serde_json::Number;
use time::{Duration, OffsetDateTime};

use crate::credentials::sdjwt::Profile;
use crate::credentials::sdjwt::defect::{
    Defect, FORMAT_CLAIMS, FORMAT_CONFIRMATION, FORMAT_STATUS, FORMAT_VCT,
};
use crate::credentials::sdjwt::json::{Object, View};
use crate::credentials::sdjwt::key::{KeyDefect, PublicKey};
use crate::credentials::sdjwt::said::Said;

/// When a token was made, and from when to when it counts. Each is absent when the token does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// `iat`.
    pub issued_at: Option<OffsetDateTime>,
    /// `nbf`.
    pub valid_from: Option<OffsetDateTime>,
    /// `exp`: from then on it does not count.
    pub expires_at: Option<OffsetDateTime>,
}

/// Where the status of a token stands (Token Status List, section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReference {
    /// Which list.
    pub uri: String,
    /// Which entry of it, from 0.
    pub index: u64,
}

/// To whom a credential was issued (RFC 7800).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// To nobody in particular: it has no `cnf`.
    Nobody,
    /// To who has this key.
    Key(PublicKey),
    /// To who can show so in a way that is not known here: another method of `cnf`, or another kind of key.
    Other,
}

/// Reads the times of a token.
pub(crate) fn times(claims: &Said<'_>) -> Result<Times, Defect> {
    times_by(|name| claims.get(name).map(Said::as_number))
}

/// Reads the times of a token that is not taken out of its document.
pub(crate) fn open_times(payload: View<'_>) -> Result<Times, Defect> {
    times_by(|name| payload.get(name).map(View::as_number))
}

/// Reads times by what stands under a name: nothing, or something that is a number or not.
fn times_by<'a>(get: impl Fn(&str) -> Option<Option<&'a Number>>) -> Result<Times, Defect> {
    let instant = |name| get(name).map(|it| numeric_date(it, name)).transpose();
    Ok(Times {
        issued_at: instant("iat")?,
        valid_from: instant("nbf")?,
        expires_at: instant("exp")?,
    })
}

/// Reads a claim that is a time, if it is there.
pub(crate) fn instant(claims: &Object, name: &str) -> Result<Option<OffsetDateTime>, Defect> {
    claims.get(name).map(|it| numeric_date(it.as_number(), name)).transpose()
}

/// Reads a `NumericDate` (RFC 7519, section 2).
fn numeric_date(number: Option<&Number>, name: &str) -> Result<OffsetDateTime, Defect> {
    let since = number.and_then(|it| match it.as_i64() {
        Some(seconds) => Some(Duration::seconds(seconds)),
        None => it.as_f64().and_then(Duration::checked_seconds_f64),
    });
    let at = since.and_then(|it| OffsetDateTime::UNIX_EPOCH.checked_add(it));
    at.ok_or_else(|| FORMAT_CLAIMS.failed(format!("{name} is no time")))
}

/// Sees that the claims by which an issuer and a type are found have their forms.
pub(crate) fn check_names(payload: View<'_>, profile: Profile<'_>) -> Result<(), Defect> {
    let is_text = |it: View<'_>| it.as_text().is_some_and(|text| !text.is_empty());
    if payload.get("iss").is_some_and(|it| !is_text(it)) {
        return Err(FORMAT_CLAIMS.failed("iss is no text"));
    }
    if profile == Profile::SdJwtVc {
        let vct = payload.get("vct").ok_or_else(|| FORMAT_VCT.failed("there is no vct"))?;
        if !is_text(vct) {
            return Err(FORMAT_VCT.failed("vct is no text"));
        }
    }
    Ok(())
}

/// Reads a claim that is a text, if it is there.
pub(crate) fn text<'a>(claims: &Said<'a>, name: &str) -> Result<Option<&'a str>, Defect> {
    let Some(claim) = claims.get(name) else { return Ok(None) };
    let text = claim.as_text().filter(|it| !it.is_empty());
    text.map(Some).ok_or_else(|| FORMAT_CLAIMS.failed(format!("{name} is no text")))
}

/// Reads where the status stands. The second tells that a status is there of which nothing is known here.
pub(crate) fn status(claims: &Said<'_>) -> Result<(Option<StatusReference>, bool), Defect> {
    let Some(status) = claims.get("status") else { return Ok((None, false)) };
    let wrong = |what: &str| FORMAT_STATUS.failed(what);
    status.members().ok_or_else(|| wrong("status is no object"))?;
    let Some(list) = status.get("status_list") else { return Ok((None, true)) };
    list.members().ok_or_else(|| wrong("status_list is no object"))?;
    let index = list.get("idx").and_then(Said::as_number).and_then(Number::as_u64);
    let uri = list.get("uri").and_then(Said::as_text).filter(|it| !it.is_empty());
    let index = index.ok_or_else(|| wrong("idx is no index"))?;
    let uri = uri.ok_or_else(|| wrong("uri is no text"))?.to_owned();
    Ok((Some(StatusReference { uri, index }), false))
}

/// Reads to whom it was issued.
pub(crate) fn confirmation(claims: &Said<'_>) -> Result<Confirmation, Defect> {
    let Some(cnf) = claims.get("cnf") else { return Ok(Confirmation::Nobody) };
    let wrong = |what: &str| FORMAT_CONFIRMATION.failed(what);
    if cnf.members().is_none_or(<[_]>::is_empty) {
        return Err(wrong("cnf is no object with a member"));
    }
    let Some(jwk) = cnf.get("jwk").map(Said::to_value) else { return Ok(Confirmation::Other) };
    match PublicKey::from_jwk_unprepared(&jwk) {
        Ok(key) => Ok(Confirmation::Key(key)),
        Err(KeyDefect::Kind) => Ok(Confirmation::Other),
        Err(defect) => Err(wrong(&defect.to_string())),
    }
}
