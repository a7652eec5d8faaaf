//! Refusals: gathered in memory by what was refused to whom, and written once a second as rows with a count.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;

use crate::kernel::fault::Reason;
use crate::kernel::ids;
use crate::platform::audit::store::Refused;
use crate::platform::permit::Caller;

/// Most kinds of refusals that are told apart between two writings; the others are counted together.
pub const KINDS_MAX: usize = 1_000;
/// Most of them that are of callers that the hub does not know: strangers must not crowd participants out.
pub const STRANGERS_MAX: usize = 100;
/// Most characters of a subject or an action.
const CHARS_MAX: usize = 200;
/// Name of callers that the hub does not know. No participant's name has brackets.
const UNKNOWN: &str = "(unknown)";
/// Stands for whatever was not told apart.
const OTHERS: &str = "(others)";

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    participant_id: Option<i64>,
    participant: String,
    system: String,
    action: String,
    subject: String,
    refusal: &'static str,
}

/// Gathers refusals. Clones share what is gathered.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<Gathered>>);

#[derive(Debug, Default)]
struct Gathered {
    kinds: HashMap<Kind, i64>,
    /// How many of them are of strangers.
    strangers: usize,
}

impl Refusals {
    /// Notes that a call was refused. Never waits for the database, and never takes more memory than [`KINDS_MAX`] kinds do.
    pub fn note(
        &self,
        caller: Option<&Caller>,
        (action, subject): (&str, &str),
        reason: Reason,
        peer: Option<SocketAddr>,
    ) {
        let kind = match caller.map(Caller::standing) {
            Some(standing) => Kind {
                participant_id: Some(standing.participant.0),
                participant: standing.participant_name.clone(),
                system: standing.system_name.clone(),
                action: cut(action),
                subject: cut(subject),
                refusal: reason.name(),
            },
            None => Kind {
                participant_id: None,
                participant: UNKNOWN.to_owned(),
                system: String::new(),
                action: cut(action),
                subject: peer
                    .map_or_else(|| cut(subject), |peer| network(peer.ip().to_canonical())),
                refusal: reason.name(),
            },
        };
        self.count(kind, 1);
    }

    fn count(&self, kind: Kind, times: i64) {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Gathered { kinds, strangers } = &mut *gathered;
        let (is_new, is_strange) = (!kinds.contains_key(&kind), kind.participant_id.is_none());
        // One place is kept for the others.
        let is_full = kinds.len() >= KINDS_MAX - 1 || (is_strange && *strangers >= STRANGERS_MAX);
        *strangers += usize::from(is_new && is_strange && !is_full);
        let count = kinds.entry(if is_new && is_full { others() } else { kind }).or_default();
        *count = count.saturating_add(times);
    }

    /// Takes out what was gathered, as rows to write.
    #[must_use]
    pub fn take(&self, now: OffsetDateTime) -> Vec<Refused> {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Gathered { kinds, .. } = std::mem::take(&mut *gathered);
        drop(gathered);
        let refused = kinds.into_iter().map(|(kind, times)| Refused {
            entry_id: ids::time_ordered(now),
            participant_id: kind.participant_id,
            participant: kind.participant,
            system: kind.system,
            action: kind.action,
            subject: kind.subject,
            refusal: kind.refusal.to_owned(),
            times,
        });
        refused.collect()
    }
}

/// Returns an address as it stands in the trail. Whoever has one of version 6 has 2^64 of them: their network counts.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            format!("{}/64", Ipv6Addr::from_bits(network))
        }
    }
}

fn others() -> Kind {
    Kind {
        participant_id: None,
        participant: OTHERS.to_owned(),
        system: String::new(),
        action: OTHERS.to_owned(),
        subject: OTHERS.to_owned(),
        refusal: OTHERS,
    }
}

/// Returns a text without what PostgreSQL cannot store, and not longer than need be.
fn cut(text: &str) -> String {
    text.chars().filter(|letter| *letter != '\0').take(CHARS_MAX).collect()
}
