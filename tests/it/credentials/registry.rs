//! The trust registry: who may issue what, with which keys, and when that was so.

use peshub::pb::peshub::credentials::v1::GetIssuerRequest;

use crate::support::credentials::{ACADEMY, WELDING, trusted};
use crate::support::story;

#[test]
fn an_issuer_is_registered_gets_a_key_and_is_accredited() {
    story(async |world| {
        let hub = world.hub().await;
        let made = trusted(&hub).await;
        assert_eq!(made.issuer.identifier, "https://hub.example/issuers/academy-hangzhou");
        assert_eq!(
            made.credential_type.vct,
            format!("https://hub.example/credential-types/{WELDING}/1")
        );
        let mut anyone = hub.connect("platform-north").await.issuers();
        let request = GetIssuerRequest { issuer: made.issuer.identifier.clone() };
        let found = anyone.get_issuer(request).await.unwrap().into_inner().issuer.unwrap();
        assert_eq!((found.name.as_str(), found.owner.as_str()), (ACADEMY, ACADEMY));
        assert_eq!(found.keys, [made.key]);
        assert_eq!(found.accreditations, [made.accreditation.clone()]);
        assert_eq!(made.accreditation.divisions[0].code, "330000");
        assert_eq!(made.accreditation.granted_by, "bureau-zhejiang");
        assert_eq!(
            found.status_signers[0].uri_prefix,
            "https://hub.example/status-lists/academy-hangzhou/"
        );
    });
}
