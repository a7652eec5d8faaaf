//! What the hub says of a change of a status, signed: a compact JWS (RFC 7515) that a follower can show to others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use time::OffsetDateTime;

use crate::platform::keys::signing::Signer;

/// `typ` of a statement.
pub const TYPE: &str = "peshub-status+jwt";

/// What a statement says.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// SHA-256 of the issuer-signed part of the credential.
    pub digest: &'a [u8],
    /// How it stands, as a status list has it (Token Status List, section 7.1).
    pub list_value: u8,
    /// Since when.
    pub at: OffsetDateTime,
}

impl Statement<'_> {
    /// Returns the statement, signed by the hub.
    #[must_use]
    pub fn signed(&self, signer: &dyn Signer) -> String {
        // RFC 8037 calls Ed25519 so; the hub's other statements have names of their own.
        let header = json!({ "alg": "EdDSA", "kid": signer.key_id(), "typ": TYPE });
        let payload = json!({
            "credential_sha256": URL_SAFE_NO_PAD.encode(self.digest),
            "iat": self.at.unix_timestamp(),
            "status": self.list_value,
        });
        let [header, payload] =
            [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{payload}");
        let signature = URL_SAFE_NO_PAD.encode(signer.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}
