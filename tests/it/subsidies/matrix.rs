//! Sound requests to the services of subsidies, for everybody who may call them and everybody who may not.

use peshub::client::connect::Connection;
use peshub::pb::peshub::common::v1::Role;
use peshub::pb::peshub::subsidies::v1 as pb;
use prost::Message as _;

use crate::subsidies::shared::division;
use crate::support::TestHub;
use crate::support::subsidies::{Bureau, EXPANSION, facts, programme, second_system};

/// Whose the programme is.
const BUREAU: &str = "bureau-shenzhen";

/// What a bureau has published and drafted.
pub(crate) struct Programmes {
    draft_sha256: bytes::Bytes,
}

/// One of the project's own programmes, made the bureau's.
fn own() -> pb::Programme {
    pb::Programme { divisions: vec![division("CN-440300")], ..programme(EXPANSION) }
}

/// Defines the facts, publishes a programme, and drafts it once more: by the second system, so that the first one may publish.
pub(crate) async fn programmes(hub: &TestHub) -> Programmes {
    let roles = [Role::ProgrammeAuthor, Role::ProgrammePublisher];
    let options = second_system(hub, BUREAU, "publishing", &roles).await;
    let second = Connection::open(&options).await.unwrap().programmes();
    let first = hub.connect(BUREAU).await.programmes();
    let mut bureau = Bureau { author: first.clone(), publisher: second.clone() };
    bureau.define().await;
    bureau.publish(own()).await;
    let mut other_way_round = Bureau { author: second, publisher: first };
    let drafted = other_way_round.draft(own()).await;
    Programmes { draft_sha256: drafted.draft.unwrap().draft_sha256 }
}

/// A sound request to `ProgrammeService`; `who` keeps those apart that make something new.
pub(crate) fn request(method: &str, who: usize, made: &Programmes) -> Option<Vec<u8>> {
    let request_id = format!("matrix-{who}");
    let name = EXPANSION.to_owned();
    let message = match method {
        "DefineFacts" => {
            let fact = facts().into_iter().find(|it| it.name == "cert.level").unwrap();
            let fact = pb::FactDefinition { name: format!("matrix.fact_{who}"), ..fact };
            pb::DefineFactsRequest { facts: vec![fact], request_id }.encode_to_vec()
        }
        "ListFacts" => pb::ListFactsRequest::default().encode_to_vec(),
        "RetireFact" => {
            pb::RetireFactRequest { name: "cert.level".to_owned(), request_id }.encode_to_vec()
        }
        "DraftProgramme" => {
            let mut drafted = own();
            drafted.name = format!("cn.matrix-{who}");
            pb::DraftProgrammeRequest { programme: Some(drafted), request_id }.encode_to_vec()
        }
        "GetProgramme" => pb::GetProgrammeRequest { name, edition: 0 }.encode_to_vec(),
        "ListProgrammes" => pb::ListProgrammesRequest::default().encode_to_vec(),
        "CheckDraft" => pb::CheckDraftRequest { name }.encode_to_vec(),
        "PublishProgramme" => {
            let draft_sha256 = made.draft_sha256.clone();
            pb::PublishProgrammeRequest { name, draft_sha256, request_id }.encode_to_vec()
        }
        "RetireProgramme" => {
            let because = "the matrix".to_owned();
            pb::RetireProgrammeRequest { name, because, request_id }.encode_to_vec()
        }
        "CompareEditions" => {
            pb::CompareEditionsRequest { name, before: 1, after: 0 }.encode_to_vec()
        }
        _ => return None,
    };
    Some(message)
}
