//! The format as it is in the hub, and what the targets share.

#[path = "../src/credentials"]
#[allow(dead_code, reason = "the hub uses what the targets do not")]
pub mod credentials {
    //! The pure modules of the wing.

    pub mod domain;
    pub mod sdjwt;
}

#[path = "../src/subsidies"]
pub mod subsidies {
    //! The language of expressions.

    pub mod domain;
    pub mod evaluator;
}

use serde_json::Value;

use crate::credentials::sdjwt::Profile;
use crate::credentials::sdjwt::binding::nonce_of;
use crate::credentials::sdjwt::present::{Choice, present};
use crate::credentials::sdjwt::read::Presented;

/// Reads a presentation as far as it goes, and holds what it says against what must always be so.
pub fn read(text: &str) {
    for profile in [Profile::SdJwtVc, Profile::Plain(None)] {
        let Ok(presented) = Presented::read_as(text, profile) else { continue };
        let _ = (presented.times(), presented.issuer(), presented.vct(), presented.payload());
        let _ = presented.binding().map(nonce_of);
        let Ok(disclosed) = presented.disclose() else { continue };
        assert_eq!(disclosed.disclosed.len(), presented.disclosures().len());
        let opened = presented.open().expect("it was disclosed");
        let said = presented.claims(&opened).expect("it was disclosed").claims;
        // What the hub writes down without a copy is what a copy says.
        let written = serde_json::to_string(&said).expect("its names are texts");
        assert_eq!(written, Value::Object(disclosed.claims.clone()).to_string());
        assert!(!has_digests(&Value::Object(disclosed.claims)));
        if presented.binding().is_none() {
            // What is read is presented, and what is presented in full is read alike.
            let again = present(text, Choice::All, None).expect("it was read");
            let again = Presented::read_as(&again, Profile::Plain(None)).expect("it was read");
            assert_eq!(again.digest(), presented.digest());
        }
    }
}

fn has_digests(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.iter().any(|(name, value)| {
            ["_sd", "...", "_sd_alg"].contains(&name.as_str()) || has_digests(value)
        }),
        Value::Array(list) => list.iter().any(has_digests),
        _ => false,
    }
}
