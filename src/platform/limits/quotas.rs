//! Quotas of participants. Calls and streams are counted in this process; records of postings in the database.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::ids::ParticipantId;
use crate::pb::peshub::common::v1::QuotaClass;
use crate::platform::config::LimitOptions;
use crate::platform::limits::gate;
use crate::platform::metrics;
use crate::platform::permit::Standing;

/// When to come back for a stream: somebody has to end one first.
const STREAM_WAIT: Duration = Duration::from_secs(5);
/// When to come back when there is no quota at all.
const NEVER_WAIT: Duration = Duration::from_hours(1);

/// One participant may have one of so many parts of the calls under way, but always so many calls.
const SHARES: u32 = 4;
const SHARE_MIN: usize = 8;

/// A unary call's place among its participant's; whoever does the work keeps it.
#[derive(Clone, Debug)]
pub struct Share(#[expect(dead_code, reason = "held, not read")] Arc<OwnedSemaphorePermit>);

/// Calls of one participant and class.
#[derive(Debug)]
struct Rate {
    most: i64,
    limiter: DefaultDirectRateLimiter,
}

/// Counts calls and streams.
#[derive(Debug)]
pub struct Quotas {
    defaults: LimitOptions,
    clock: DefaultClock,
    rates: Mutex<HashMap<(ParticipantId, QuotaClass), Rate>>,
    streams: Mutex<HashMap<ParticipantId, i64>>,
    work: Mutex<HashMap<ParticipantId, Arc<Semaphore>>>,
}

impl Quotas {
    /// Returns quotas with defaults for those who have none of their own.
    #[must_use]
    pub fn new(defaults: LimitOptions) -> Self {
        Self {
            defaults,
            clock: DefaultClock::default(),
            rates: Mutex::default(),
            streams: Mutex::default(),
            work: Mutex::default(),
        }
    }

    /// Takes one call from a participant's quota.
    ///
    /// # Errors
    ///
    /// `QUOTA_EXCEEDED` when there is none left.
    pub fn take(&self, standing: &Standing, class: QuotaClass) -> Result<(), Fault> {
        let Some(most) = most(&self.defaults, standing, class) else { return Ok(()) };
        let Some(rate) = u32::try_from(most).ok().and_then(NonZeroU32::new) else {
            return if most > 0 {
                Ok(())
            } else {
                Err(exceeded(standing, class, most, NEVER_WAIT))
            };
        };
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Rate { most, limiter: RateLimiter::direct(Quota::per_minute(rate)) };
        let counted = rates.entry((standing.participant, class)).or_insert_with(fresh);
        if counted.most != most {
            *counted = fresh();
        }
        counted.limiter.check().map_err(|refused| {
            exceeded(standing, class, most, refused.wait_time_from(self.clock.now()))
        })
    }

    /// Takes one of a participant's places for unary calls under way: a quarter of all, so that nobody takes them all with calls
    /// that are slow.
    ///
    /// # Errors
    ///
    /// `OVERLOADED` when it has as many under way as it may.
    pub fn share(&self, standing: &Standing) -> Result<Share, Fault> {
        let most = usize::try_from(self.defaults.calls_max / SHARES).unwrap_or(usize::MAX);
        let work = {
            let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || Arc::new(Semaphore::new(most.clamp(SHARE_MIN, Semaphore::MAX_PERMITS)));
            Arc::clone(work.entry(standing.participant).or_insert_with(fresh))
        };
        work.try_acquire_owned().map(|permit| Share(Arc::new(permit))).map_err(|_| {
            let name = &standing.participant_name;
            gate::overloaded(&format!("{name} has as many calls under way as one may have"))
        })
    }

    /// Takes one of a participant's streams, until the seat is dropped.
    ///
    /// # Errors
    ///
    /// `QUOTA_EXCEEDED` when it has as many as it may.
    pub fn stream(self: &Arc<Self>, standing: &Standing) -> Result<StreamSeat, Fault> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let open = streams.entry(standing.participant).or_insert(0);
        if let Some(most) = most(&self.defaults, standing, QuotaClass::Stream)
            && *open >= most
        {
            return Err(exceeded(standing, QuotaClass::Stream, most, STREAM_WAIT));
        }
        *open += 1;
        Ok(StreamSeat { participant: standing.participant, quotas: Arc::clone(self) })
    }
}

/// Returns a participant's quota of a class: its own, or the hub's. `None` is no limit.
#[must_use]
pub fn most(defaults: &LimitOptions, standing: &Standing, class: QuotaClass) -> Option<i64> {
    let own = standing.quotas.iter().find(|(of, _)| *of == class).map(|(_, most)| *most);
    own.or_else(|| {
        let most = match class {
            QuotaClass::Unspecified => None,
            QuotaClass::Read => Some(defaults.quota_read),
            QuotaClass::Write => Some(defaults.quota_write),
            QuotaClass::Stream => Some(defaults.quota_stream),
            QuotaClass::Administration => Some(defaults.quota_administration),
            QuotaClass::Record => defaults.quota_record,
            QuotaClass::Disclosure => Some(defaults.quota_disclosure),
        };
        most.map(i64::from)
    })
}

/// Returns the fault of a quota that is used up.
#[must_use]
pub fn exceeded(standing: &Standing, class: QuotaClass, most: i64, wait: Duration) -> Fault {
    metrics::QUOTA_REFUSED.add(1, &[class.as_str_name()]);
    let what = match class {
        QuotaClass::Unspecified => "calls",
        QuotaClass::Read => "calls a minute that read",
        QuotaClass::Write => "calls a minute that write",
        QuotaClass::Stream => "streams at the same time",
        QuotaClass::Administration => "calls a minute of administrators",
        QuotaClass::Record => "records of postings a day (UTC)",
        QuotaClass::Disclosure => "disclosures a minute",
    };
    let name = &standing.participant_name;
    let message = format!("the quota of {name} is used up: {most} {what}");
    Fault::new(Kind::ResourceExhausted, Reason::QuotaExceeded, message)
        .over_quota(format!("participants/{name}"), format!("{most} {what}"))
        .retry_after(wait)
}

/// A stream of a participant; free again when it is dropped.
#[derive(Debug)]
pub struct StreamSeat {
    participant: ParticipantId,
    quotas: Arc<Quotas>,
}

impl Drop for StreamSeat {
    fn drop(&mut self) {
        let mut streams = self.quotas.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = streams.get_mut(&self.participant) {
            *open -= 1;
            if *open <= 0 {
                streams.remove(&self.participant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::kernel::fault::{Kind, Reason};
    use crate::kernel::ids::{ParticipantId, SystemId};
    use crate::pb::peshub::common::v1::QuotaClass;
    use crate::platform::config::LimitOptions;
    use crate::platform::limits::quotas::Quotas;
    use crate::platform::permit::{ParticipantKind, Standing};

    fn standing(id: i64, quotas: &[(QuotaClass, i64)]) -> Standing {
        Standing {
            participant: ParticipantId(id),
            participant_name: format!("platform-{id}"),
            kind: ParticipantKind::Platform,
            system: SystemId(id),
            system_name: "main".to_owned(),
            roles: Vec::new(),
            quotas: quotas.to_vec(),
            division_tokens: Vec::new(),
        }
    }

    #[test]
    fn a_quota_is_one_participants_and_one_classs() {
        let defaults = LimitOptions { quota_read: 3, ..LimitOptions::default() };
        let quotas = Quotas::new(defaults);
        let (one, two) = (standing(1, &[]), standing(2, &[]));
        for _ in 0..3 {
            quotas.take(&one, QuotaClass::Read).unwrap();
        }
        let fault = quotas.take(&one, QuotaClass::Read).unwrap_err();
        assert_eq!((fault.kind, fault.reason), (Kind::ResourceExhausted, Reason::QuotaExceeded));
        let wait = fault.retry_after.unwrap();
        assert!(!wait.is_zero() && wait <= Duration::from_secs(20), "{wait:?}");
        let quota = fault.quota.unwrap();
        assert_eq!(quota.subject, "participants/platform-1");
        assert_eq!(quota.limit, "3 calls a minute that read");
        quotas.take(&one, QuotaClass::Write).unwrap();
        quotas.take(&two, QuotaClass::Read).unwrap();
    }

    #[test]
    fn a_quota_of_its_own_counts_and_none_means_none() {
        let quotas = Quotas::new(LimitOptions { quota_read: 1, ..LimitOptions::default() });
        let more = standing(1, &[(QuotaClass::Read, 2)]);
        quotas.take(&more, QuotaClass::Read).unwrap();
        quotas.take(&more, QuotaClass::Read).unwrap();
        quotas.take(&more, QuotaClass::Read).unwrap_err();
        let none = standing(2, &[(QuotaClass::Read, 0)]);
        quotas.take(&none, QuotaClass::Read).unwrap_err();
        let endless = standing(3, &[(QuotaClass::Read, i64::MAX)]);
        quotas.take(&endless, QuotaClass::Read).unwrap();
    }

    #[test]
    fn nobody_takes_all_places_for_calls() {
        let quotas = Quotas::new(LimitOptions { calls_max: 40, ..LimitOptions::default() });
        let (one, two) = (standing(1, &[]), standing(2, &[]));
        let mut shares: Vec<_> = (0..10).map(|_| quotas.share(&one).unwrap()).collect();
        let fault = quotas.share(&one).unwrap_err();
        assert_eq!((fault.kind, fault.reason), (Kind::Unavailable, Reason::Overloaded));
        assert!(fault.retry_after.is_some());
        quotas.share(&two).unwrap();
        shares.pop();
        quotas.share(&one).unwrap();
    }

    #[test]
    fn a_stream_that_ends_makes_room() {
        let quotas = Quotas::new(LimitOptions { quota_stream: 2, ..LimitOptions::default() });
        let quotas = Arc::new(quotas);
        let one = standing(1, &[]);
        let (first, _second) = (quotas.stream(&one).unwrap(), quotas.stream(&one).unwrap());
        quotas.stream(&one).unwrap_err();
        let _other = quotas.stream(&standing(2, &[])).unwrap();
        drop(first);
        let _third = quotas.stream(&one).unwrap();
        quotas.stream(&one).unwrap_err();
    }
}
