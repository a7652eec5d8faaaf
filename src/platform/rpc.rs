//! Around every call: who calls, and how its outcome leaves.

use std::future::Future;

use http::Extensions;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::fields::{self, Check};
use crate::platform::action::Action;
use crate::platform::identity::IdentityFault;
use crate::platform::limits::gate::Place;
use crate::platform::limits::quotas::Share;
use crate::platform::permit::{Caller, Permit};
use crate::platform::status;
use crate::platform::tasks::Tasks;

/// Returns the caller that the identity layer found.
///
/// # Errors
///
/// `CALLER_UNKNOWN` when the call shows nothing, or what is wrong with what it shows.
pub fn caller(extensions: &Extensions) -> Result<Caller, Fault> {
    if let Some(fault) = extensions.get::<IdentityFault>() {
        return Err(fault.to_fault());
    }
    extensions.get::<Caller>().cloned().ok_or_else(|| {
        let message = "no client certificate or bearer token that this hub knows";
        Fault::new(Kind::Unauthenticated, Reason::CallerUnknown, message)
    })
}

/// Answers a unary call: checks the request against the contract, hands the permit to `work` and shapes the outcome.
///
/// The work runs to its end even when the client goes away: a write that is dropped midway could be committed or not, and
/// nobody would know.
///
/// # Errors
///
/// The status of whatever went wrong.
pub async fn unary<Q, A, F>(
    tasks: &Tasks,
    action: Action,
    request: Request<Q>,
    work: impl FnOnce(Caller, Permit, Q) -> F,
) -> Result<Response<A>, Status>
where
    Q: Check,
    A: Send + 'static,
    F: Future<Output = Result<A, Fault>> + Send + 'static,
{
    let (_, mut extensions, message) = request.into_parts();
    // Whoever goes away makes no room while the work goes on.
    let places = (extensions.remove::<Place>(), extensions.remove::<Share>());
    let violations = fields::check(&message);
    let admitted = admit(&extensions, action).and_then(|(caller, permit)| {
        if violations.is_empty() { Ok((caller, permit)) } else { Err(Fault::fields(violations)) }
    });
    let outcome = match admitted {
        Ok((caller, permit)) => {
            let work = work(caller, permit, message);
            let work = async move {
                let outcome = work.await;
                drop(places);
                outcome
            };
            tasks
                .spawn(work.in_current_span())
                .await
                .unwrap_or_else(|panic| Err(Fault::internal(panic)))
        }
        Err(fault) => Err(fault),
    };
    outcome.map(Response::new).map_err(|fault| status::of_fault(&fault))
}

/// Returns the caller and its permit for an action.
///
/// # Errors
///
/// `CALLER_UNKNOWN`, `ACTION_NOT_GRANTED`.
pub fn admit(extensions: &Extensions, action: Action) -> Result<(Caller, Permit), Fault> {
    let caller = caller(extensions)?;
    let permit = caller.permit(action)?;
    Ok((caller, permit))
}
