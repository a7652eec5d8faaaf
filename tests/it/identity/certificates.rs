//! Certificates that must not count, and changes of who is believed, on connections that are open and on new ones.

use peshub::client::connect::Connection;
use peshub::platform::pki::TRUST_DOMAIN;
use peshub::platform::pki::authority::{Profile, Usage};
use time::Duration;
use tonic::Code;

use crate::identity::office::{
    NORTH, Neighbours, Office, authority, call, client, issue, list, name, now, reason,
    refused_in_time,
};
use crate::support::{story, until};

#[test]
fn a_certificate_that_nobody_may_vouch_for_is_refused_in_the_handshake() {
    story(async |world| {
        let office = Office::open(world).await;
        let other = authority("other.example");
        office.write_in("other.example", "ca.pem", other.certificate());
        let theirs = issue(&other, &client(&other, &["spiffe://other.example/x"]));
        until("the other domain", async || {
            // It is believed and is nobody here.
            let why = office.call(Some(&theirs)).await.expect_err("a refusal");
            (why.reason == "CALLER_UNKNOWN").then_some(())
        })
        .await;
        let mut neighbours = Neighbours::of(&office.hub).await;
        let ca = world.ca.authority();
        let stranger = authority(TRUST_DOMAIN);
        let (north, south) = (name(NORTH), name("platform-south"));
        let good = client(ca, &[&north]);
        let hour = Duration::hours(1);
        let hostile = [
            (
                "expired",
                ca,
                Profile { not_before: now() - hour * 2, not_after: now() - hour, ..good.clone() },
            ),
            (
                "not yet valid",
                ca,
                Profile { not_before: now() + hour, not_after: now() + hour * 2, ..good.clone() },
            ),
            ("of an authority that nobody knows", &stranger, good.clone()),
            ("of another trust domain's authority, with a stolen name", &other, good.clone()),
            ("in another trust domain's name", ca, client(ca, &["spiffe://other.example/x"])),
            ("in the name of no trust domain", ca, client(ca, &["spiffe://nowhere.example/x"])),
            ("with two names", ca, client(ca, &[&north, &south])),
            ("with one name twice", ca, client(ca, &[&north, &north])),
            ("with another name first", ca, client(ca, &["https://elsewhere.example/", &north])),
            ("without a name", ca, client(ca, &[])),
            (
                "with the name of a machine",
                ca,
                Profile { hosts: vec!["north.example".to_owned()], ..client(ca, &[]) },
            ),
            ("with an unsound name", ca, client(ca, &[&format!("{north}/")])),
            ("with a name in capitals", ca, client(ca, &[&north.to_uppercase()])),
            ("of a server", ca, Profile { usage: Usage::Server, ..good.clone() }),
        ];
        for (what, authority, profile) in hostile {
            let refusal = office.call(Some(&issue(authority, &profile))).await;
            let refusal = refusal.expect_err(what);
            assert!(refusal.is_transport, "{what}: {refusal}");
            neighbours.go_on().await;
        }
        assert_eq!(office.call(Some(&issue(ca, &good))).await.unwrap(), NORTH);
        assert_eq!(reason(office.call(None).await), "CALLER_UNKNOWN");
    });
}

#[test]
fn a_revoked_certificate_counts_no_more_on_open_connections_and_new_ones() {
    story(async |world| {
        let office = Office::open(world).await;
        let mut neighbours = Neighbours::of(&office.hub).await;
        let ca = world.ca.authority();
        let issued = ca.issue(&client(ca, &[&name(NORTH)])).unwrap();
        let renewed = issue(ca, &client(ca, &[&name(NORTH)]));
        let open = Connection::open(&office.options(Some(&issued.identity))).await.unwrap();
        assert_eq!(call(&open).await.unwrap(), NORTH);

        office.write("crl.pem", &list(ca, 1, &[], Duration::hours(1)));
        office.write("more.crl", &list(ca, 2, &[&issued.serial], Duration::hours(1)));
        let begun = std::time::Instant::now();
        let refusal = refused_in_time(&open).await;
        eprintln!("revoked after {:?}", begun.elapsed());
        let why = (refusal.code, refusal.reason.as_str());
        assert_eq!(why, (Code::Unauthenticated, "CERTIFICATE_REVOKED"));
        assert!(refusal.message.contains("was revoked"), "{refusal}");
        let refusal = office.call(Some(&issued.identity)).await.unwrap_err();
        assert!(refusal.is_transport, "{refusal}");
        // Another certificate in the same name is another one.
        assert_eq!(office.call(Some(&renewed)).await.unwrap(), NORTH);
        neighbours.go_on().await;

        // A later list may take the place of an earlier one, in any form and under any name.
        office.remove("crl.pem");
        office.write("more.crl", &list(ca, 3, &["00ff"], Duration::hours(1)));
        until("the end of the revocation", async || call(&open).await.ok()).await;
        neighbours.go_on().await;
    });
}

#[test]
fn a_list_that_is_out_of_date_lets_nobody_of_its_authority_in() {
    story(async |world| {
        let office = Office::open(world).await;
        let other = authority("other.example");
        office.write_in("other.example", "ca.pem", other.certificate());
        let theirs = issue(&other, &client(&other, &["spiffe://other.example/x"]));
        let open = Connection::lazy(&office.options(Some(&theirs))).unwrap();
        until("the other domain", async || {
            call(&open).await.err().filter(|why| why.reason == "CALLER_UNKNOWN")
        })
        .await;
        let mut neighbours = Neighbours::of(&office.hub).await;
        office.write_in("other.example", "crl.pem", &list(&other, 1, &[], -Duration::minutes(1)));
        let refusal = until("a refusal", async || {
            call(&open).await.err().filter(|why| why.reason == "CERTIFICATE_REVOKED")
        })
        .await;
        assert!(refusal.message.contains("out of date"), "{refusal}");
        neighbours.go_on().await;
        office.write_in("other.example", "crl.pem", &list(&other, 2, &[], Duration::hours(1)));
        until("a list that is up to date", async || {
            call(&open).await.err().filter(|why| why.reason == "CALLER_UNKNOWN")
        })
        .await;
    });
}

#[test]
fn an_authority_takes_the_place_of_another_while_the_hub_serves() {
    story(async |world| {
        let office = Office::open(world).await;
        let old = world.ca.authority();
        // The new one has the old one's name, as those that only renew their key.
        let new = authority(TRUST_DOMAIN);
        let newest = authority(TRUST_DOMAIN);
        let before = issue(old, &client(old, &[&name(NORTH)]));
        let after = issue(&new, &client(&new, &[&name(NORTH)]));
        let open = Connection::open(&office.options(Some(&before))).await.unwrap();
        assert_eq!(call(&open).await.unwrap(), NORTH);
        assert!(office.call(Some(&after)).await.unwrap_err().is_transport);

        // Both are believed for a while, each with its own list.
        office.write("ca-new.pem", &format!("{}{}", newest.certificate(), new.certificate()));
        office.write("crl-new.pem", &list(&new, 1, &["01"], Duration::hours(1)));
        office.write("crl-newest.pem", &list(&newest, 7, &["02"], Duration::hours(1)));
        until("the new authority", async || office.call(Some(&after)).await.ok()).await;
        assert_eq!(call(&open).await.unwrap(), NORTH);

        office.remove("ca.pem");
        let refusal = refused_in_time(&open).await;
        assert_eq!(refusal.reason, "CERTIFICATE_REVOKED");
        assert!(refusal.message.contains("authority"), "{refusal}");
        assert!(office.call(Some(&before)).await.unwrap_err().is_transport);
        assert_eq!(office.call(Some(&after)).await.unwrap(), NORTH);
    });
}

#[test]
fn files_behind_links_are_changed_as_kubernetes_changes_them() {
    story(async |world| {
        let dir = crate::support::cluster::directory("links");
        let domain = dir.join(TRUST_DOMAIN);
        let ca = world.ca.authority();
        let place = |version: &str, authority: &str| {
            let folder = domain.join(version);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("ca.pem"), authority).unwrap();
            let fresh = domain.join("..data_tmp");
            std::os::unix::fs::symlink(version, &fresh).unwrap();
            std::fs::rename(fresh, domain.join("..data")).unwrap();
        };
        place("..1", ca.certificate());
        std::os::unix::fs::symlink("..data/ca.pem", domain.join("ca.pem")).unwrap();
        let hub = world.hub_believing(&dir).await;
        let office = Office { dir, hub };
        let new = authority(TRUST_DOMAIN);
        let after = issue(&new, &client(&new, &[&name(NORTH)]));
        assert!(office.call(Some(&after)).await.unwrap_err().is_transport);
        place("..2", new.certificate());
        until("the new authority", async || office.call(Some(&after)).await.ok()).await;
    });
}
