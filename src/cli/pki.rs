//! `peshub pki`

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use time::Duration;

use crate::cli::{Outcome, output};
use crate::kernel::clock::{Clock as _, SystemClock};
use crate::platform::pki::pilot::{CERTIFICATE, Entry, LIST, Pilot, Subject, Written};

/// Commands of `peshub pki`.
#[derive(Debug, Subcommand)]
pub(super) enum PkiCommand {
    /// Make an authority: a key and a certificate that signs those of one trust domain.
    Root(RootArgs),
    /// Issue a certificate to a participant's client, or to a hub's listener.
    Issue(IssueArgs),
    /// Issue a certificate again, with the same names and a new key, into the same files. The old one counts until it expires.
    Renew(RenewArgs),
    /// Revoke certificates, and write the revocation list.
    Revoke(RevokeArgs),
    /// Write the revocation list anew, before the last one is out of date.
    Crl(CrlArgs),
    /// List what was issued.
    List(ListArgs),
}

#[derive(Args, Debug)]
struct Place {
    /// Directory of the authority.
    #[arg(long, value_name = "DIRECTORY")]
    dir: PathBuf,
    /// As JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct ListDays {
    /// How long the revocation list counts, in days. Afterwards the hub believes no certificate of this authority.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=3_650))]
    list_days: i64,
}

#[derive(Args, Debug)]
pub(super) struct RootArgs {
    #[command(flatten)]
    place: Place,
    /// The trust domain, such as `pilot.example`: what follows `spiffe://` in the names of its certificates.
    #[arg(long)]
    trust_domain: String,
    /// How long the authority counts, in days.
    #[arg(long, default_value_t = 730, value_parser = clap::value_parser!(i64).range(1..=7_300))]
    days: i64,
}

#[derive(Args, Debug)]
pub(super) struct IssueArgs {
    #[command(flatten)]
    place: Place,
    /// What follows the trust domain in the client's name, such as `participant/north`.
    #[arg(required_unless_present_any = ["uri", "server"])]
    name: Option<String>,
    /// The whole name of the client, `spiffe://…`.
    #[arg(long, conflicts_with = "name")]
    uri: Option<String>,
    /// For a hub's listener, with the names and addresses under which it is called.
    #[arg(long, conflicts_with_all = ["name", "uri"])]
    server: bool,
    /// Name of the listener's machine. May be given several times.
    #[arg(long, requires = "server")]
    dns: Vec<String>,
    /// Address of the listener's machine. May be given several times.
    #[arg(long, requires = "server")]
    ip: Vec<IpAddr>,
    /// How long the certificate counts, in days.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=825))]
    days: i64,
    /// File of the certificate; the key goes beside it, as `.key.pem`. Without it, into `issued/` of the directory.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct RenewArgs {
    #[command(flatten)]
    place: Place,
    /// Serial number, or file of the certificate.
    certificate: String,
    /// How long the certificate counts, in days.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=825))]
    days: i64,
}

#[derive(Args, Debug)]
pub(super) struct RevokeArgs {
    #[command(flatten)]
    place: Place,
    /// Serial numbers, or files of certificates.
    #[arg(required = true)]
    certificates: Vec<String>,
    #[command(flatten)]
    list: ListDays,
}

#[derive(Args, Debug)]
pub(super) struct CrlArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    list: ListDays,
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(command: PkiCommand) -> Outcome {
    let now = SystemClock.now();
    match command {
        PkiCommand::Root(args) => {
            let (dir, days) = (&args.place.dir, Duration::days(args.days));
            let pilot = Pilot::create(dir, &args.trust_domain, now, days)?;
            let (domain, dir) = (pilot.trust_domain(), dir.display());
            if args.place.json {
                let certificate = format!("{dir}/{CERTIFICATE}");
                output::json(&json!({ "trust_domain": domain, "certificate": certificate }));
            } else {
                output::line(&format!(
                    "{dir}/{CERTIFICATE} is the authority of the trust domain {domain}; hubs believe it from TRUST-DIR/{domain}/{CERTIFICATE}"
                ));
            }
            output::error(
                "This is for pilots: the key lies in a file. Keep the directory to yourself, and use a real authority in production.",
            );
        }
        PkiCommand::Issue(args) => issue(&args)?,
        PkiCommand::Renew(args) => {
            let pilot = Pilot::open(&args.place.dir)?;
            let renewed = pilot.renew(&args.certificate, now, Duration::days(args.days))?;
            tell(&renewed, args.place.json)?;
        }
        PkiCommand::Revoke(args) => {
            let pilot = Pilot::open(&args.place.dir)?;
            let lasts = Duration::days(args.list.list_days);
            for entry in pilot.revoke(&args.certificates, now, lasts)? {
                if args.place.json {
                    output::json(&serde_json::to_value(&entry)?);
                    continue;
                }
                output::line(&format!("{} revoked: {}", entry.serial, entry.names.join(", ")));
            }
            tell_list(&args.place, &pilot, args.list.list_days);
        }
        PkiCommand::Crl(args) => {
            let pilot = Pilot::open(&args.place.dir)?;
            drop(pilot.write_list(now, Duration::days(args.list.list_days))?);
            tell_list(&args.place, &pilot, args.list.list_days);
        }
        PkiCommand::List(args) => list(&args)?,
    }
    Ok(())
}

fn issue(args: &IssueArgs) -> Outcome {
    let pilot = Pilot::open(&args.place.dir)?;
    let subject = match args.name.as_ref().or(args.uri.as_ref()) {
        Some(name) => Subject::Client(name.clone()),
        None => Subject::Server { hosts: args.dns.clone(), addresses: args.ip.clone() },
    };
    let lasts = Duration::days(args.days);
    let issued = pilot.issue(&subject, args.out.as_deref(), SystemClock.now(), lasts)?;
    tell(&issued, args.place.json)
}

fn tell(Written { certificate, key, entry }: &Written, as_json: bool) -> Outcome {
    if as_json {
        let entry = serde_json::to_value(entry)?;
        output::json(&json!({ "certificate": certificate, "key": key, "entry": entry }));
        return Ok(());
    }
    output::line(&format!(
        "{} until {}: {}\ncertificate {}\nkey         {}",
        entry.serial,
        entry.expires_at,
        entry.names.join(", "),
        certificate.display(),
        key.display()
    ));
    Ok(())
}

fn tell_list(place: &Place, pilot: &Pilot, days: i64) {
    let (dir, domain) = (place.dir.display(), pilot.trust_domain());
    if place.json {
        let list = format!("{dir}/{LIST}");
        output::json(&json!({ "trust_domain": domain, "list": list, "days": days }));
        return;
    }
    output::line(&format!(
        "{dir}/{LIST} counts for {days} days; hubs take it up from TRUST-DIR/{domain}/{LIST}"
    ));
}

fn list(args: &ListArgs) -> Outcome {
    for entry in Pilot::open(&args.place.dir)?.index()? {
        if args.place.json {
            if !output::json(&serde_json::to_value(&entry)?) {
                return Ok(());
            }
            continue;
        }
        let Entry { serial, names, usage, expires_at, revoked_at, .. } = entry;
        let state =
            revoked_at.map_or_else(|| format!("until {expires_at}"), |at| format!("revoked {at}"));
        output::line(&format!("{serial} {usage} {state} {}", names.join(", ")));
    }
    Ok(())
}
