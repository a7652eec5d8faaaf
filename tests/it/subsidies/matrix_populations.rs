//! Sound requests to the services of checks and populations, for everybody who may call them and everybody who may not.

use peshub::pb::peshub::subsidies::v1 as pb;
use peshub::pb::peshub::subsidies::v1::check_subjects_request::Message as Check;
use peshub::pb::peshub::subsidies::v1::store_facts_request::Message as Store;
use prost::Message as _;

use crate::support::TestHub;
use crate::support::eligibility::{
    BUREAU, check, facts_of_employer, grant, population, store, sweep, terms,
};

/// A population of the bureau's that was swept.
pub(crate) struct Kept {
    sweep_id: String,
}

/// Names of populations; one of them goes.
const KEPT: &str = "matrix";
const GOING: &str = "matrix-going";

/// Makes populations and sweeps one.
pub(crate) async fn kept(hub: &TestHub) -> Kept {
    population(hub, BUREAU, KEPT).await;
    population(hub, BUREAU, GOING).await;
    store(hub, KEPT, vec![facts_of_employer(1, vec![])]).await;
    let swept = sweep(hub, KEPT, |it| it).await;
    Kept { sweep_id: swept.sweep_id }
}

/// A sound request; `who` keeps those apart that make something new.
pub(crate) fn populations(method: &str, who: usize, made: &Kept) -> Option<Vec<u8>> {
    let request_id = format!("matrix-{who}");
    let (population, sweep_id) = (KEPT.to_owned(), made.sweep_id.clone());
    let message = match method {
        "CheckEligibility" => check(vec![], &[]).encode_to_vec(),
        "CheckSubjects" => {
            pb::CheckSubjectsRequest { message: Some(Check::Open(terms(&[]))) }.encode_to_vec()
        }
        "CreatePopulation" => pb::CreatePopulationRequest {
            name: format!("matrix-{who}"),
            purpose: "the matrix".to_owned(),
            request_id,
        }
        .encode_to_vec(),
        "ListPopulations" => pb::ListPopulationsRequest {}.encode_to_vec(),
        "DeletePopulation" => {
            pb::DeletePopulationRequest { population: GOING.to_owned(), request_id }.encode_to_vec()
        }
        "StoreFacts" => {
            let open = pb::OpenStore { population };
            pb::StoreFactsRequest { message: Some(Store::Open(open)) }.encode_to_vec()
        }
        "StartSweep" => {
            pb::StartSweepRequest { population, request_id, ..Default::default() }.encode_to_vec()
        }
        "GetSweep" => pb::GetSweepRequest { sweep_id }.encode_to_vec(),
        "ListSweeps" => pb::ListSweepsRequest { population }.encode_to_vec(),
        "CancelSweep" => pb::CancelSweepRequest { sweep_id, request_id }.encode_to_vec(),
        "WatchSweep" => pb::WatchSweepRequest { sweep_id }.encode_to_vec(),
        "ListFindings" => {
            pb::ListFindingsRequest { population, ..Default::default() }.encode_to_vec()
        }
        "SimulateProgramme" => pb::SimulateProgrammeRequest {
            population,
            programme: Some(grant(3)),
            day: String::new(),
        }
        .encode_to_vec(),
        _ => return None,
    };
    Some(message)
}
