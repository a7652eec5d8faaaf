//! Certificates, whom the hub believes, and its keys.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::doctor::{Finding, Patient, Report};
use crate::platform::keys::Keys;
use crate::platform::tls::{ServerFiles, Tls};
use crate::platform::trust::SharedTrust;
use crate::platform::trust::authorities::Deadline;

const DAY: i64 = 24 * 3_600;
/// Rights of those who are neither the owner nor in the group.
const OTHERS: u32 = 0o007;

/// Looks at all of them.
pub fn look(patient: &Patient, report: &mut Report) {
    let trust = match SharedTrust::open(patient.trust_dir.as_deref(), patient.hub_tokens) {
        Ok(trust) => Some(trust),
        Err(error) => {
            let finding = Finding::fault("trust", told(&error))
                .meaning("A hub that runs goes on with what it believed before; one that starts does not start.")
                .mend("mend or remove the file; docs/guides/identity.md has what belongs there");
            report.add("trust", [finding]);
            None
        }
    };
    match &patient.tls {
        Some((certificate, key)) => {
            let finding = trust.clone().and_then(|trust| own(certificate, key, trust));
            let mut findings: Vec<_> = finding.into_iter().collect();
            findings.extend(dated(certificate, patient));
            findings.extend(open_to_others(key));
            report.add("tls", findings);
        }
        None => report.skip("tls", "--tls-cert and --tls-key are not set"),
    }
    match trust {
        Some(trust) if patient.trust_dir.is_some() => {
            let present = trust.present();
            let findings: Vec<_> = present
                .deadlines()
                .filter_map(|(domain, it)| {
                    let ending = if it.is_list { LIST } else { AUTHORITY };
                    ending.near(&format!("{domain}/{}", it.file), it, patient)
                })
                .collect();
            report.add("trust", findings);
        }
        Some(_) => report.skip("trust", "--trust-dir is not set"),
        None => {}
    }
    match &patient.keys_dir {
        Some(dir) => report.add("keys", keys(dir)),
        None => report.skip("keys", "--keys-dir is not set"),
    }
}

/// Finds a certificate and a key that cannot be used, or not together.
fn own(certificate: &Path, key: &Path, trust: SharedTrust) -> Option<Finding> {
    let files = ServerFiles { certificates: certificate.to_owned(), key: key.to_owned() };
    let error = Tls::open(files, trust).err()?;
    let finding = Finding::fault("tls", told(&error))
        .meaning("A hub that runs goes on with the certificate that it has; one that starts does not start.")
        .mend("put a certificate and its key there, both PEM; for a pilot: peshub pki issue --server");
    Some(finding)
}

/// Finds certificates of the hub's own chain that end soon.
fn dated(file: &Path, patient: &Patient) -> Vec<Finding> {
    let certificates = CertificateDer::pem_file_iter(file).into_iter().flatten().flatten();
    let findings = certificates.filter_map(|certificate| {
        let (_, read) = X509Certificate::from_der(&certificate).ok()?;
        let validity = read.validity();
        let (begin, at) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        let deadline = Deadline { file: String::new(), is_list: false, begin, at };
        OWN.near(&file.display().to_string(), &deadline, patient)
    });
    findings.collect()
}

/// What ends some day, and what to say of it.
struct Ending {
    check: &'static str,
    what: &'static str,
    meaning: &'static str,
    remedy: &'static str,
}

const OWN: Ending = Ending {
    check: "tls",
    what: "the hub's certificate",
    meaning: "From then on no client believes the hub.",
    remedy: "put a renewed one in its place; the hub takes it up while it serves. For a pilot: peshub pki renew",
};
const AUTHORITY: Ending = Ending {
    check: "trust",
    what: "an authority",
    meaning: "From then on no certificate that it signed counts.",
    remedy: "put the next one beside it, as ca-next.pem, before clients have certificates of it",
};
const LIST: Ending = Ending {
    check: "trust",
    what: "a revocation list",
    meaning: "From then on no certificate of its authority counts.",
    remedy: "fetch the authority's next one; for a pilot: peshub pki crl",
};

impl Ending {
    /// Finds that it is near, or was.
    fn near(&self, file: &str, deadline: &Deadline, patient: &Patient) -> Option<Finding> {
        let now = patient.clock.now().unix_timestamp();
        let thresholds = &patient.thresholds;
        let days = if deadline.is_list {
            thresholds.doctor_list_days
        } else {
            thresholds.doctor_certificate_days
        };
        if !deadline.is_near(now, i64::from(days) * DAY) {
            return None;
        }
        let what = format!("{} in {file}", self.what);
        let finding = if deadline.at <= now {
            Finding::fault(
                self.check,
                format!("{what} ended {} days ago", (now - deadline.at) / DAY),
            )
        } else {
            Finding::warning(
                self.check,
                format!("{what} ends in {} days", (deadline.at - now) / DAY),
            )
        };
        Some(finding.meaning(self.meaning).mend(self.remedy))
    }
}

fn keys(dir: &Path) -> Vec<Finding> {
    if let Err(error) = Keys::open(dir) {
        let finding = Finding::fault("keys", told(&error))
            .meaning("Nothing can be signed, and nothing that is known of a person can be opened. The hub does not start.")
            .mend("peshub keys init DIRECTORY makes keys for a new hub; for one that has data, bring the directory back");
        return vec![finding];
    }
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| open_to_others(&entry.path())).collect()
}

/// Finds a private file that everybody on the machine may use.
fn open_to_others(file: &Path) -> Option<Finding> {
    let found = std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file)?;
    let is_open = found.permissions().mode() & OTHERS != 0;
    let name = file.display();
    is_open.then(|| {
        Finding::warning(
            "keys",
            format!("{name} may be read or written by everybody on this machine"),
        )
        .meaning("Whoever has it can speak for the hub, or read what it has sealed.")
        .mend(format!("chmod o= {name}"))
    })
}

fn told(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}
