//! Changes of a trust directory, look by look.

use std::path::Path;

use time::{Duration, OffsetDateTime};

use crate::kernel::clock::{Clock as _, SystemClock};
use crate::platform::pki::authority::{Authority, ListProfile, Profile, Revoked};
use crate::platform::trust::certificate::PeerCertificate;
use crate::platform::trust::{Looker, SharedTrust};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

const DOMAIN: &str = "some.example";
const NAME: &str = "spiffe://some.example/north";

fn now() -> OffsetDateTime {
    SystemClock.now()
}

fn authority(domain: &str) -> Authority {
    Authority::create("authority", domain, now(), Duration::days(400)).unwrap()
}

fn put(dir: &Path, domain: &str, file: &str, text: &str) {
    std::fs::create_dir_all(dir.join(domain)).unwrap();
    std::fs::write(dir.join(domain).join(file), text).unwrap();
}

/// A directory with one domain, and who looks at it.
fn looker(authority: &Authority) -> (tempfile::TempDir, Looker) {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), DOMAIN, "ca.pem", authority.certificate());
    let looker = Looker::new(SharedTrust::open(Some(dir.path()), false).unwrap()).unwrap();
    (dir, looker)
}

fn list(authority: &Authority, number: u64, revoked: &[&str], lasts: Duration) -> String {
    let revoked = revoked.iter().map(|serial| Revoked { serial: (*serial).to_owned(), at: now() });
    let profile = ListProfile {
        number,
        this_update: now() - Duration::days(10),
        next_update: now() + lasts,
        revoked: revoked.collect(),
    };
    authority.revocation_list(&profile).unwrap()
}

/// A client's certificate and its serial number.
fn client(authority: &Authority) -> (PeerCertificate, String) {
    let profile = Profile::client("north", &[NAME.to_owned()], now(), Duration::days(1));
    let issued = authority.issue(&profile).unwrap();
    let der = CertificateDer::from_pem_slice(issued.identity.certificate.as_bytes()).unwrap();
    (PeerCertificate::read(&[der]).unwrap(), issued.serial)
}

#[test]
fn what_is_not_sound_is_said_once_and_changes_nothing() {
    let (known, stranger) = (authority(DOMAIN), authority(DOMAIN));
    let (certificate, _) = client(&known);
    let leaf = {
        let profile = Profile::client("north", &[NAME.to_owned()], now(), Duration::days(1));
        known.issue(&profile).unwrap().identity.certificate
    };
    let forged = list(&stranger, 1, &[], Duration::days(1));
    let issuer = |more: &str| format!("[[issuer]]\nissuer = 'i'\naudience = 'a'\n{more}");
    let (none, plain, hmac, odd) = (
        issuer("jwks = 'none.json'"),
        issuer("jwks = 'http://localhost/'"),
        issuer("jwks = 'https://localhost/'\nalgorithms = ['HS256']"),
        issuer("jwks = 'https://localhost/'\nsecret = 'x'"),
    );
    let twice = format!("{0}{0}", issuer("jwks = 'https://localhost/'\n"));
    let check = |domain: &str, file: &str, content: &str, expected: &str| {
        let (dir, mut looker) = looker(&known);
        // What comes with it would be believed by itself.
        put(dir.path(), "other.example", "ca.pem", stranger.certificate());
        put(dir.path(), domain, file, content);
        let said = looker.look().unwrap_or_else(|| panic!("{file} {content} is taken"));
        assert!(said.contains(expected), "{said}");
        assert_eq!(looker.look(), None, "it is said once");
        let trust = looker.trust.present();
        assert_eq!(trust.epoch(), 1);
        assert!(!trust.domains.contains_key("other.example"));
        assert_eq!(certificate.stands(&trust, now()), Ok(()));
        // What is sound again is taken up.
        put(dir.path(), DOMAIN, "ca.pem", known.certificate());
        std::fs::remove_file(dir.path().join(domain).join(file)).unwrap();
        put(dir.path(), DOMAIN, "ca.pem", known.certificate());
        if domain != DOMAIN {
            std::fs::remove_dir(dir.path().join(domain)).unwrap();
        }
        assert_eq!(looker.look(), None, "{file} {content}");
        assert!(looker.trust.present().domains.contains_key("other.example"));
    };
    check(DOMAIN, "ca.pem", "no certificate", "is no PEM file of certificates");
    check(DOMAIN, "ca-2.pem", "", "is no PEM file of certificates");
    check(DOMAIN, "ca-2.pem", &leaf, "that is no authority's");
    check(DOMAIN, "crl.pem", "no list", "is no revocation list");
    check(DOMAIN, "new.crl", "\x30\x03\x02\x01\x01", "is no revocation list");
    check(DOMAIN, "crl.pem", &forged, "and not its signature");
    check(DOMAIN, "tokens.toml", "no settings", "cannot be read");
    check(DOMAIN, "tokens.toml", &none, "names none.json, which is not there");
    check(DOMAIN, "tokens.toml", &plain, "neither a file nor https://");
    check(DOMAIN, "tokens.toml", &hmac, "allows HS256");
    check(DOMAIN, "tokens.toml", &odd, "unknown field");
    check(DOMAIN, "tokens.toml", &twice, "which has been named");
    check("Not A Domain", "ca.pem", stranger.certificate(), "has not the name of a trust domain");
    check("empty.example", "readme", "nothing", "has neither ca*.pem nor tokens.toml");
}

#[test]
fn a_directory_that_goes_away_changes_nothing_and_one_that_is_emptied_does() {
    let known = authority(DOMAIN);
    let (certificate, _) = client(&known);
    let (dir, mut looker) = looker(&known);
    let away = dir.path().with_extension("away");
    std::fs::rename(dir.path(), &away).unwrap();
    assert!(looker.look().unwrap().contains("cannot be read"));
    assert_eq!(looker.look(), None, "it is said once");
    assert_eq!(certificate.stands(&looker.trust.present(), now()), Ok(()));
    std::fs::rename(&away, dir.path()).unwrap();
    assert_eq!(looker.look(), None);
    assert_eq!(looker.trust.present().epoch(), 1);
    std::fs::remove_dir_all(dir.path().join(DOMAIN)).unwrap();
    assert_eq!(looker.look(), None);
    assert!(certificate.stands(&looker.trust.present(), now()).is_err());
}

#[test]
fn the_newest_list_of_an_authority_counts_wherever_it_stands() {
    let known = authority(DOMAIN);
    let (certificate, serial) = client(&known);
    let (dir, mut looker) = looker(&known);
    let stands = |looker: &mut Looker| {
        assert_eq!(looker.look(), None);
        certificate.stands(&looker.trust.present(), now())
    };
    put(dir.path(), DOMAIN, "a.crl", &list(&known, 9, &["00"], Duration::days(1)));
    assert_eq!(stands(&mut looker), Ok(()));
    put(dir.path(), DOMAIN, "crl-z.pem", &list(&known, 300, &[&serial], Duration::days(1)));
    assert_eq!(stands(&mut looker), Err("was revoked"));
    put(dir.path(), DOMAIN, "b.crl", &list(&known, 10, &["00"], Duration::days(1)));
    assert_eq!(stands(&mut looker), Err("was revoked"));
    std::fs::remove_file(dir.path().join(DOMAIN).join("crl-z.pem")).unwrap();
    assert_eq!(stands(&mut looker), Ok(()));
    put(dir.path(), DOMAIN, "c.crl", &list(&known, 11, &[], -Duration::days(1)));
    assert!(stands(&mut looker).is_err_and(|why| why.contains("out of date")));
}

#[test]
fn what_will_be_out_of_date_is_said_in_time() {
    let known = authority(DOMAIN);
    let (dir, mut looker) = looker(&known);
    put(dir.path(), DOMAIN, "crl.pem", &list(&known, 1, &[], Duration::days(20)));
    assert_eq!(looker.look(), None);
    let concerns = |after: Duration| {
        let concerns = looker.trust.present().concerns((now() + after).unix_timestamp());
        let mut told: Vec<_> =
            concerns.into_iter().map(|(text, is_late)| (text.contains("list"), is_late)).collect();
        told.sort_unstable();
        told
    };
    assert_eq!(concerns(Duration::days(10)), []);
    assert_eq!(concerns(Duration::days(14)), [(true, false)]);
    assert_eq!(concerns(Duration::days(21)), [(true, true)]);
    assert_eq!(concerns(Duration::days(390)), [(false, false), (true, true)]);
    assert_eq!(concerns(Duration::days(401)), [(false, true), (true, true)]);
}
