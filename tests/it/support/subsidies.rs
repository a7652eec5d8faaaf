//! What stories of subsidies begin with: a catalogue of facts, and programmes that bureaus have published.
//!
//! Programmes are the project's own, under `programmes/`. A bureau drafts with its usual system and publishes with a second one.

use std::path::Path;

use peshub::client::connect::{Connection, Options};
use peshub::json::programme as file;
use peshub::pb::peshub::common::v1::Role;
use peshub::pb::peshub::participants::v1::{
    GrantRolesRequest, IssueTokenRequest, RegisterSystemRequest,
};
use peshub::pb::peshub::subsidies::v1 as pb;
use peshub::pb::peshub::subsidies::v1::programme_service_client::ProgrammeServiceClient;

use crate::support::TestHub;

/// Who publishes for China.
pub(crate) const NATION: &str = "bureau-nation";
/// A programme of the nation.
pub(crate) const EXPANSION: &str = "cn.expansion-grant";

pub(crate) type Programmes = ProgrammeServiceClient<peshub::client::connect::Transport>;

/// Returns the path of a file of the project's own programmes.
pub(crate) fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programmes").join(name)
}

fn text(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The project's own catalogue.
pub(crate) fn facts() -> Vec<pb::FactDefinition> {
    file::read_facts(&text("catalogue.yaml")).unwrap()
}

/// One of the project's own programmes, by its name.
pub(crate) fn programme(name: &str) -> pb::Programme {
    file::read(&text(&format!("{name}.yaml"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Names of the project's own programmes.
pub(crate) fn names() -> Vec<String> {
    let files = std::fs::read_dir(path("")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .filter(|name| name != "catalogue")
        .collect();
    names.sort();
    names
}

/// Gives a participant a second system with some roles, and returns how to connect as it.
pub(crate) async fn second_system(
    hub: &TestHub,
    participant: &str,
    system: &str,
    roles: &[Role],
) -> Options {
    let (participant, system) = (participant.to_owned(), system.to_owned());
    let mut operator = hub.connect("operator").await.participants();
    let register = RegisterSystemRequest {
        participant: participant.clone(),
        system: system.clone(),
        ..Default::default()
    };
    operator.register_system(register).await.unwrap();
    let mut security = hub.connect("security").await.participants();
    let roles = roles.iter().map(|role| i32::from(*role)).collect();
    let grant = GrantRolesRequest {
        participant: participant.clone(),
        system: system.clone(),
        roles,
        ..Default::default()
    };
    security.grant_roles(grant).await.unwrap();
    let issue = IssueTokenRequest { participant, system, ..Default::default() };
    let token = security.issue_token(issue).await.unwrap().into_inner().token;
    Options { identity: None, token: Some(token), ..hub.options("nobody") }
}

/// The offices of a bureau: one drafts, another publishes.
pub(crate) struct Bureau {
    /// Its usual system, which drafts.
    pub(crate) author: Programmes,
    /// Its second system, which publishes.
    pub(crate) publisher: Programmes,
}

/// Opens both offices of a bureau.
pub(crate) async fn bureau(hub: &TestHub, name: &str) -> Bureau {
    let options = second_system(hub, name, "publishing", &[Role::ProgrammePublisher]).await;
    let publisher = Connection::open(&options).await.unwrap().programmes();
    Bureau { author: hub.connect(name).await.programmes(), publisher }
}

impl Bureau {
    /// Puts the project's own facts into the catalogue.
    pub(crate) async fn define(&mut self) {
        let request = pb::DefineFactsRequest { facts: facts(), ..Default::default() };
        self.author.define_facts(request).await.unwrap();
    }

    /// Stores a draft and returns it with what keeps it from being published.
    pub(crate) async fn draft(&mut self, programme: pb::Programme) -> pb::DraftProgrammeResponse {
        let request =
            pb::DraftProgrammeRequest { programme: Some(programme), ..Default::default() };
        self.author.draft_programme(request).await.unwrap().into_inner()
    }

    /// Drafts and publishes a programme.
    pub(crate) async fn publish(
        &mut self,
        programme: pb::Programme,
    ) -> pb::PublishProgrammeResponse {
        let name = programme.name.clone();
        let drafted = self.draft(programme).await;
        assert_eq!(drafted.findings, [], "{name}");
        let draft_sha256 = drafted.draft.unwrap().draft_sha256;
        let request = pb::PublishProgrammeRequest { name, draft_sha256, ..Default::default() };
        self.publisher.publish_programme(request).await.unwrap().into_inner()
    }
}

/// Defines the facts and publishes one of the project's own programmes of China.
pub(crate) async fn published(hub: &TestHub, name: &str) -> (Bureau, pb::PublishedEdition) {
    let mut bureau = bureau(hub, NATION).await;
    bureau.define().await;
    let edition = bureau.publish(programme(name)).await.edition.unwrap();
    (bureau, edition)
}
