//! Before anything is known of a caller: whether the hub takes on one more call, and until when it must be answered.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::pb::peshub::common::v1::QuotaClass;
use crate::platform::limits::seldom::Seldom;
use crate::platform::metrics;
use crate::platform::outcome::Call;
use crate::platform::serve::link::Link;
use crate::platform::status;

/// Longest time until a call is answered, a stream begun; a client's shorter deadline counts.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// When to come back to a hub that has enough to do.
const OVERLOADED_WAIT: Duration = Duration::from_millis(500);

/// A unary call's place among those that are worked on. Whoever does the work keeps it, so that a client which goes away while
/// its work goes on does not make room for more.
#[derive(Clone, Debug)]
pub struct Place(#[expect(dead_code, reason = "held, not read")] Arc<[OwnedSemaphorePermit]>);

/// The client's own deadline, in the extensions of its request.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

/// Sheds load and keeps deadlines.
#[derive(Clone, Debug)]
pub struct GateLayer {
    calls: Arc<Semaphore>,
    shed: Arc<Seldom>,
}

impl GateLayer {
    /// Returns a gate that lets some unary calls through at the same time.
    #[must_use]
    pub fn new(calls_max: u32) -> Self {
        let most = usize::try_from(calls_max).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { calls: Arc::new(Semaphore::new(most)), shed: Arc::default() }
    }

    /// Returns a unary call's place. Streams have places of their own, and what is no RPC of the contract, such as a question
    /// after the hub's health, needs none.
    fn place<B>(&self, request: &Request<B>) -> Result<Option<Place>, Fault> {
        let action = request.extensions().get::<Call>().and_then(Call::action);
        if action.is_none_or(|action| action.quota() == QuotaClass::Stream) {
            return Ok(None);
        }
        let own = request.extensions().get::<Link>().map(Link::work);
        let permits = [Some(Arc::clone(&self.calls)), own].into_iter().flatten();
        let permits: Result<Vec<_>, _> = permits.map(Semaphore::try_acquire_owned).collect();
        permits.map(|permits| Some(Place(permits.into()))).map_err(|_| {
            if let Some(count) = self.shed.count() {
                tracing::warn!("{count} calls were shed: as many are under way as may be");
            }
            overloaded("the hub has as many calls under way as it takes on")
        })
    }
}

/// Returns the fault of a call for which there is no room at the moment.
#[must_use]
pub fn overloaded(message: &str) -> Fault {
    metrics::CALLS_SHED.add(1, &[]);
    Fault::new(Kind::Unavailable, Reason::Overloaded, message).retry_after(OVERLOADED_WAIT)
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { layer: self.clone(), inner }
    }
}

/// See [`GateLayer`].
#[derive(Clone, Debug)]
pub struct Gate<S> {
    layer: GateLayer,
    inner: S,
}

impl<S, B, A> Service<Request<B>> for Gate<S>
where
    S: Service<Request<B>, Response = Response<A>, Error = Infallible>,
    S::Future: Send + 'static,
    A: Default + Send + 'static,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<S::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.layer.place(&request) {
            Ok(Some(place)) => drop(request.extensions_mut().insert(place)),
            Ok(None) => {}
            Err(fault) => {
                let response = status::of_fault(&fault).into_http();
                return Box::pin(async move { Ok(response) });
            }
        }
        let asked = asked(request.headers());
        if let Some(asked) = asked {
            request.extensions_mut().insert(Deadline(Instant::now() + asked));
        }
        let limit = asked.unwrap_or(ANSWER_TIMEOUT).min(ANSWER_TIMEOUT);
        let answering = self.inner.call(request);
        Box::pin(async move {
            match tokio::time::timeout(limit, answering).await {
                Ok(response) => response,
                Err(_) => Ok(status::of_fault(&status::deadline_exceeded()).into_http()),
            }
        })
    }
}

/// Returns the time that the client gives: up to eight digits and a unit, as gRPC has it.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let given = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = given.split_at_checked(given.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 60 * 60)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;

    use crate::platform::limits::gate::asked;

    #[test]
    fn a_clients_deadline_is_read_as_grpc_writes_it() {
        let check = |given: &str, expected: Option<Duration>| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", given.parse().unwrap());
            assert_eq!(asked(&headers), expected, "{given}");
        };
        check("2H", Some(Duration::from_hours(2)));
        check("3M", Some(Duration::from_mins(3)));
        check("4S", Some(Duration::from_secs(4)));
        check("500m", Some(Duration::from_millis(500)));
        check("99999999u", Some(Duration::from_micros(99_999_999)));
        check("1n", Some(Duration::from_nanos(1)));
        check("0S", Some(Duration::ZERO));
        for wrong in ["", "S", "5", "-1S", "+1S", "1 S", "123456789S", "1s", "1é"] {
            check(wrong, None);
        }
        assert_eq!(asked(&HeaderMap::new()), None);
    }
}
