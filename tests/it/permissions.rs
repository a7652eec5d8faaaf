//! Who may call what, and who sees what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use peshub::client::connect::{ClientIdentity, Connection, Options};
use peshub::client::error::Refusal;
use peshub::dev::BUREAUS;
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::participants::wire::usual_roles;
use peshub::pb;
use peshub::pb::peshub::audit::v1::{
    AuditFilter, ExportAuditRequest, GetInclusionProofRequest, GetLatestCheckpointRequest,
    ListCheckpointsRequest, ListSigningKeysRequest, SearchAuditRequest,
};
use peshub::pb::peshub::common::v1::{QuotaClass, Role};
use peshub::pb::peshub::participants::v1::{
    AddIdentityRequest, CreateSourceRequest, DisableParticipantRequest, EnableParticipantRequest,
    GetCallerRequest, GetParticipantRequest, GrantRolesRequest, IssueTokenRequest,
    ListParticipantsRequest, ListSourcesRequest, Participant, ParticipantKind, Quota,
    RegisterParticipantRequest, RegisterSystemRequest, RemoveIdentityRequest, RevokeTokenRequest,
    SetQuotaRequest, UpdateParticipantRequest, WithdrawRolesRequest,
};
use peshub::pb::peshub::postings::v1::get_posting_request::Posting as Named;
use peshub::pb::peshub::postings::v1::sync_postings_request::Message as Question;
use peshub::pb::peshub::postings::v1::{
    AcknowledgeWatchRequest, BatchGetPostingsRequest, BatchUpsertPostingsRequest,
    GetPostingRequest, ListHeldClosesRequest, ListPostingsRequest, PostingEvent, PostingKey,
    ResolveHeldClosesRequest, SyncPostingsRequest, WatchPostingsRequest, WorkMode,
};
use peshub::pb::peshub::workers::v1::{
    DiscloseWorkerRequest, EraseWorkerRequest, LegalBasis, LegalBasisKind, ListDisclosuresRequest,
    NationalId, NationalIdScheme, Person, ProveDisclosureRequest, RegisterWorkerRequest,
    UpdateWorkerRequest, WorkerField,
};
use peshub::platform::permit;
use peshub::platform::pki::{DevelopmentCa, Identity, participant_uri};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::FieldMask;
use tonic::Code;

use crate::credentials::{matrix, matrix_issuing, matrix_verifying};
use crate::raw::call;
use crate::subsidies::{matrix as matrix_subsidies, matrix_applications, matrix_populations};
use crate::support::postings::{in_any_state, posting, upsert};
use crate::support::sync::SyncStream;
use crate::support::watch::{Watcher, id, told, watching};
use crate::support::{Postings, TestHub, story, within};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";
/// Whom administrators decide on.
const EAST: &str = "platform-east";

/// The posting that every call of the matrix is about; it is of the north platform, in Shenzhen.
const EXTERNAL_ID: &str = "m1";

fn key(source: &str, external_id: &str) -> PostingKey {
    PostingKey { source: source.to_owned(), external_id: external_id.to_owned() }
}

/// A sound request about what belongs to the north platform; `who` keeps those apart that make something new.
pub(crate) fn request(method: &str, who: usize, made: &Made) -> Vec<u8> {
    let source = NORTH.to_owned();
    let request_id = format!("matrix-{who}");
    match method {
        "GetCaller" => GetCallerRequest {}.encode_to_vec(),
        "RegisterParticipant" => {
            let participant = Participant {
                name: format!("matrix-{who}"),
                display_name: "Matrix".to_owned(),
                kind: ParticipantKind::Issuer.into(),
                ..Participant::default()
            };
            RegisterParticipantRequest {
                participant: Some(participant),
                with_token: false,
                request_id,
            }
            .encode_to_vec()
        }
        "ListParticipants" => ListParticipantsRequest::default().encode_to_vec(),
        "CreateSource" => CreateSourceRequest { name: source, request_id }.encode_to_vec(),
        "ListSources" => ListSourcesRequest {}.encode_to_vec(),
        "SyncPostings" => {
            let open = crate::support::sync::opening(NORTH);
            SyncPostingsRequest { message: Some(Question::Open(open)) }.encode_to_vec()
        }
        "BatchUpsertPostings" => BatchUpsertPostingsRequest {
            source,
            changes: vec![upsert(EXTERNAL_ID, posting("Welder", "440305"))],
            request_id,
            validate_only: false,
        }
        .encode_to_vec(),
        "GetPosting" => {
            GetPostingRequest { posting: Some(Named::Key(key(NORTH, EXTERNAL_ID))) }.encode_to_vec()
        }
        "BatchGetPostings" => {
            BatchGetPostingsRequest { keys: vec![key(NORTH, EXTERNAL_ID)] }.encode_to_vec()
        }
        "ListPostings" => ListPostingsRequest::default().encode_to_vec(),
        "WatchPostings" => WatchPostingsRequest::default().encode_to_vec(),
        "AcknowledgeWatch" => AcknowledgeWatchRequest {
            consumer: "matrix".to_owned(),
            cursor: made.cursor.clone(),
            request_id,
        }
        .encode_to_vec(),
        "ListHeldCloses" => {
            ListHeldClosesRequest { source, ..ListHeldClosesRequest::default() }.encode_to_vec()
        }
        "ResolveHeldCloses" => {
            ResolveHeldClosesRequest { source, resolution: 2, request_id }.encode_to_vec()
        }
        "UpdateParticipant" => UpdateParticipantRequest {
            participant: EAST.to_owned(),
            display_name: "East".to_owned(),
            update_mask: Some(FieldMask { paths: vec!["display_name".to_owned()] }),
            request_id,
            ..UpdateParticipantRequest::default()
        }
        .encode_to_vec(),
        "RegisterSystem" => RegisterSystemRequest {
            participant: EAST.to_owned(),
            system: format!("matrix-{who}"),
            environment: 0,
            request_id,
        }
        .encode_to_vec(),
        "GetParticipant" => GetParticipantRequest { participant: EAST.to_owned() }.encode_to_vec(),
        "AddIdentity" => AddIdentityRequest {
            participant: EAST.to_owned(),
            system: "main".to_owned(),
            identity: Some(identity(who)),
            request_id,
        }
        .encode_to_vec(),
        "RemoveIdentity" => RemoveIdentityRequest {
            participant: EAST.to_owned(),
            system: "main".to_owned(),
            identity: Some(identity(who)),
            request_id,
        }
        .encode_to_vec(),
        "IssueToken" => IssueTokenRequest {
            participant: EAST.to_owned(),
            system: "main".to_owned(),
            valid_days: 1,
            request_id,
        }
        .encode_to_vec(),
        "RevokeToken" => RevokeTokenRequest {
            participant: EAST.to_owned(),
            system: "main".to_owned(),
            token_id: "0123456789abcdef".to_owned(),
            request_id,
        }
        .encode_to_vec(),
        "GrantRoles" => GrantRolesRequest {
            participant: EAST.to_owned(),
            system: "main".to_owned(),
            roles: vec![Role::PostingReader.into()],
            request_id,
        }
        .encode_to_vec(),
        "WithdrawRoles" => WithdrawRolesRequest {
            participant: EAST.to_owned(),
            system: "main".to_owned(),
            roles: vec![Role::PostingReader.into()],
            request_id,
        }
        .encode_to_vec(),
        "SetQuota" => SetQuotaRequest {
            participant: EAST.to_owned(),
            quota: Some(Quota { quota: QuotaClass::Read.into(), most: Some(1_000) }),
            request_id,
        }
        .encode_to_vec(),
        "DisableParticipant" => DisableParticipantRequest {
            participant: EAST.to_owned(),
            system: String::new(),
            request_id,
        }
        .encode_to_vec(),
        "EnableParticipant" => EnableParticipantRequest {
            participant: EAST.to_owned(),
            system: String::new(),
            request_id,
        }
        .encode_to_vec(),
        "SearchAudit" => {
            let event = "postings.synced".to_owned();
            let filter = Some(AuditFilter { event, ..AuditFilter::default() });
            SearchAuditRequest { filter, ..SearchAuditRequest::default() }.encode_to_vec()
        }
        "ListCheckpoints" => {
            ListCheckpointsRequest { from_number: i64::MAX, page_size: 1 }.encode_to_vec()
        }
        "GetLatestCheckpoint" => GetLatestCheckpointRequest {}.encode_to_vec(),
        "GetInclusionProof" => {
            GetInclusionProofRequest { entry_id: made.entry_id.clone() }.encode_to_vec()
        }
        "ExportAudit" => ExportAuditRequest::default().encode_to_vec(),
        "ListSigningKeys" => ListSigningKeysRequest {}.encode_to_vec(),
        "RegisterWorker" => {
            let person = Person { latin_name: "Qelv Zhrau".to_owned(), ..Person::default() };
            RegisterWorkerRequest { national_id: Some(citizen()), person: Some(person), request_id }
                .encode_to_vec()
        }
        "DiscloseWorker" => DiscloseWorkerRequest {
            reference: made.worker.clone(),
            fields: vec![WorkerField::BirthDate.into()],
            purpose: "the matrix".to_owned(),
            legal_basis: Some(LegalBasis {
                kind: LegalBasisKind::Law.into(),
                reference: "an article".to_owned(),
            }),
        }
        .encode_to_vec(),
        "UpdateWorker" => UpdateWorkerRequest {
            reference: made.worker.clone(),
            person: Some(Person::default()),
            request_id,
        }
        .encode_to_vec(),
        "EraseWorker" => {
            EraseWorkerRequest { reference: made.worker.clone(), request_id }.encode_to_vec()
        }
        "ListDisclosures" => {
            let reference = made.worker.clone();
            ListDisclosuresRequest { reference, ..ListDisclosuresRequest::default() }
                .encode_to_vec()
        }
        "ProveDisclosure" => ProveDisclosureRequest {
            reference: made.worker.clone(),
            entry_id: made.entry_id.clone(),
        }
        .encode_to_vec(),
        other => matrix::issuers(other, who, &made.registered)
            .or_else(|| matrix_issuing::credentials(other, who, &made.issued))
            .or_else(|| matrix_subsidies::request(other, who, &made.programmes))
            .or_else(|| matrix_populations::populations(other, who, &made.kept))
            .or_else(|| {
                let posting = (NORTH, EXTERNAL_ID);
                matrix_verifying::verification(other, who, &made.verified, posting)
            })
            .or_else(|| matrix_applications::applications(other, who, &made.applied))
            .unwrap_or_else(|| panic!("{other} is new: say here what a sound request of it is")),
    }
}

fn citizen() -> NationalId {
    NationalId {
        scheme: NationalIdScheme::Gb11643.into(),
        number: "11010519491231002X".to_owned(),
        country: String::new(),
    }
}

fn identity(who: usize) -> pb::peshub::participants::v1::Identity {
    pb::peshub::participants::v1::Identity {
        subject: format!("spiffe://matrix/{who}"),
        ..Default::default()
    }
}

/// What a call came to: `OK` with how many objects it showed, or the reason.
async fn cell(connection: &Connection, service: &str, method: &str, message: Vec<u8>) -> String {
    let answer = match call(connection, &format!("{service}/{method}"), vec![message]).await {
        Ok(Some(answer)) => answer,
        // A stream that was asked nothing more than that.
        Ok(None) => return "OK".to_owned(),
        Err(status) => {
            let refusal = Refusal::of(&status);
            assert!(!refusal.reason.is_empty(), "no reason: {refusal}");
            return refusal.reason;
        }
    };
    let (package, _) = service.rsplit_once('.').unwrap();
    let name = format!("{package}.{method}Response");
    let answer = peshub::json::of_encoded(&name, &answer).unwrap();
    let count = ["records", "sources", "held", "entries"]
        .into_iter()
        .find_map(|field| answer.get(field)?.as_array().map(Vec::len));
    match (method, count) {
        (_, Some(count)) => format!("OK {count}"),
        ("BatchGetPostings" | "ListPostings" | "ListSources" | "SearchAudit", None) => {
            "OK 0".to_owned()
        }
        ("WatchPostings", None) => format!("OK {}", i32::from(answer.get("event").is_some())),
        _ => "OK".to_owned(),
    }
}

async fn open(options: &Options) -> Connection {
    within("the connection", Connection::open(options)).await.expect("a hub")
}

/// How to connect without a certificate, with a bearer token if there is one.
pub(crate) fn bare(hub: &TestHub, token: Option<&str>) -> Options {
    Options { identity: None, token: token.map(str::to_owned), ..hub.options("nobody") }
}

/// Registers an organisation and returns its bearer token.
pub(crate) async fn register(hub: &TestHub, name: &str, kind: ParticipantKind) -> String {
    let participant = Participant {
        name: name.to_owned(),
        display_name: name.to_owned(),
        kind: kind.into(),
        ..Participant::default()
    };
    let request = RegisterParticipantRequest {
        participant: Some(participant),
        with_token: true,
        ..Default::default()
    };
    let mut operator = hub.connect("operator").await.participants();
    let answer = operator.register_participant(request).await.unwrap().into_inner();
    assert_eq!(answer.participant.unwrap().name, name);
    let usual = usual_roles(match kind {
        ParticipantKind::Platform => permit::ParticipantKind::Platform,
        ParticipantKind::Bureau => permit::ParticipantKind::Bureau,
        _ => permit::ParticipantKind::Issuer,
    });
    let roles: Vec<i32> = usual.iter().map(|role| i32::from(*role)).collect();
    if !roles.is_empty() {
        let mut security = hub.connect("security").await.participants();
        let request = GrantRolesRequest {
            participant: name.to_owned(),
            system: "main".to_owned(),
            roles,
            ..GrantRolesRequest::default()
        };
        security.grant_roles(request).await.unwrap();
    }
    answer.token
}

async fn send(client: &mut Postings, source: &str, postings: &[(&str, &str)]) -> String {
    let request = BatchUpsertPostingsRequest {
        source: source.to_owned(),
        changes: postings.iter().map(|(id, code)| upsert(id, posting(id, code))).collect(),
        request_id: format!("{source} {}", postings[0].0).replace(' ', "-"),
        validate_only: false,
    };
    let answer = client.batch_upsert_postings(request).await.unwrap().into_inner();
    let acknowledgement = answer.acknowledgement.unwrap();
    assert_eq!(acknowledgement.created as usize, postings.len());
    acknowledgement.receipt.unwrap().entry_id
}

/// What the calls are about.
pub(crate) struct Made {
    /// A cursor after the posting.
    pub(crate) cursor: bytes::Bytes,
    /// Its entry in the audit trail.
    pub(crate) entry_id: String,
    /// The north platform's reference to a worker.
    pub(crate) worker: String,
    /// What the bureau of the place has entered into the trust registry.
    pub(crate) registered: matrix::Registered,
    /// What that bureau has issued.
    pub(crate) issued: matrix_issuing::Issued,
    /// What the north platform has recorded and verified.
    pub(crate) verified: matrix_verifying::Verified,
    /// What the north platform has applied for.
    pub(crate) applied: matrix_applications::Applied,
    /// What that bureau has published and drafted.
    pub(crate) programmes: matrix_subsidies::Programmes,
    /// Whom that bureau keeps facts of.
    pub(crate) kept: matrix_populations::Kept,
}

/// Makes the posting that the calls are about, and waits until its entry in the audit trail has its place.
pub(crate) async fn furnish(hub: &TestHub, pool: &sqlx::PgPool) -> Made {
    let sent = [(EXTERNAL_ID, "440305")];
    let entry_id = send(&mut hub.postings(NORTH).await, NORTH, &sent).await;
    crate::audit::sealed(pool).await;
    let client = hub.postings(NORTH).await;
    let mut watcher = Watcher::start(&client, watching(in_any_state())).await.unwrap();
    let cursor = watcher.snapshot().await.1.cursor;
    let register = RegisterWorkerRequest { national_id: Some(citizen()), ..Default::default() };
    let mut workers = hub.connect(NORTH).await.workers();
    let worker = workers.register_worker(register).await.unwrap().into_inner().reference;
    let registered = matrix::registered(hub).await;
    let verified = matrix_verifying::verified(hub, &worker).await;
    let issued = matrix_issuing::issued(hub).await;
    let programmes = matrix_subsidies::programmes(hub).await;
    let applied = matrix_applications::applied(hub, pool).await;
    let kept = matrix_populations::kept(hub).await;
    Made { cursor, entry_id, worker, registered, issued, verified, applied, programmes, kept }
}

/// Gives the owner a second system that may read and erase workers and nothing else; returns its token.
pub(crate) async fn clerk(hub: &TestHub) -> String {
    let (participant, system) = (NORTH.to_owned(), "clerk".to_owned());
    let mut operator = hub.connect("operator").await.participants();
    let register = RegisterSystemRequest {
        participant: participant.clone(),
        system: system.clone(),
        ..Default::default()
    };
    operator.register_system(register).await.unwrap();
    let mut security = hub.connect("security").await.participants();
    let grant = GrantRolesRequest {
        participant: participant.clone(),
        system: system.clone(),
        roles: vec![Role::WorkerReader.into(), Role::WorkerEraser.into()],
        ..Default::default()
    };
    security.grant_roles(grant).await.unwrap();
    let issue = IssueTokenRequest { participant, system, ..Default::default() };
    security.issue_token(issue).await.unwrap().into_inner().token
}

/// The columns of the matrix.
async fn callers(hub: &TestHub) -> Vec<(&'static str, Connection)> {
    let issuer = register(hub, "issuer", ParticipantKind::Issuer).await;
    vec![
        ("nobody", open(&bare(hub, None)).await),
        ("unknown certificate", hub.connect("nobody-knows").await),
        ("unknown token", open(&bare(hub, Some("not-a-token"))).await),
        ("issuer", open(&bare(hub, Some(&issuer))).await),
        ("operator", hub.connect("operator").await),
        ("security", hub.connect("security").await),
        ("auditor", hub.connect("auditor").await),
        ("owner", hub.connect(NORTH).await),
        ("owner's clerk", open(&bare(hub, Some(&clerk(hub).await))).await),
        ("other platform", hub.connect(SOUTH).await),
        ("bureau of the place", hub.connect("bureau-shenzhen").await),
        ("bureau elsewhere", hub.connect("bureau-zhejiang").await),
    ]
}

#[test]
fn everybody_may_call_what_the_matrix_says_and_nothing_else() {
    story(async |world| {
        let hub = world.hub().await;
        let made = furnish(&hub, &world.pool).await;
        let callers = callers(&hub).await;
        let pool = DescriptorPool::decode(peshub::pb::DESCRIPTORS).unwrap();
        let mut matrix = String::new();
        for service in pool.services().filter(|it| it.full_name().starts_with("peshub.")) {
            for method in service.methods() {
                let method = method.name();
                writeln!(matrix, "{method}").unwrap();
                let mut outcomes = BTreeMap::<String, Vec<&str>>::new();
                for (who, (name, connection)) in callers.iter().enumerate() {
                    let message = request(method, who, &made);
                    let told = cell(connection, service.full_name(), method, message).await;
                    grants(connection, service.full_name(), method, &told).await;
                    outcomes.entry(told).or_default().push(name);
                }
                for (outcome, names) in outcomes {
                    writeln!(matrix, "  {outcome}: {}", names.join(", ")).unwrap();
                }
            }
        }
        // INSTA_UPDATE=always writes tests/it/snapshots anew.
        insta::assert_snapshot!("matrix", matrix);
    });
}

/// Holds what a caller is told it may call against what came of calling it.
async fn grants(connection: &Connection, service: &str, method: &str, told: &str) {
    let name = format!("{service}/{method}");
    let roles = roles_of(&name);
    let answer = connection.participants().get_caller(GetCallerRequest {}).await;
    let unknown = ["CALLER_UNKNOWN", "TOKEN_INVALID"];
    let Ok(answer) = answer else { return assert!(unknown.contains(&told), "{name}: {told}") };
    let answer = answer.into_inner();
    assert!(!unknown.contains(&told), "{name}: {told}");
    let granted: BTreeSet<String> = answer.granted_methods.into_iter().collect();
    let may = granted.contains(&name);
    assert_eq!(may, told != "ACTION_NOT_GRANTED", "{name}: {told}");
    let by_contract = roles.is_empty() || answer.roles.iter().any(|role| roles.contains(role));
    assert_eq!(may, by_contract, "{name}: {told}");
}

/// The roles that the contract asks for, read from the published descriptors; none for everyone.
fn roles_of(name: &str) -> Vec<i32> {
    let pool = DescriptorPool::decode(peshub::pb::DESCRIPTORS).unwrap();
    let option = pool.get_extension_by_name("peshub.common.v1.access").unwrap();
    let (service, method) = name.split_once('/').unwrap();
    let service = pool.get_service_by_name(service).unwrap();
    let method = service.methods().find(|it| it.name() == method).unwrap();
    let options = method.options();
    assert!(options.has_extension(&option), "{name}");
    let access = options.get_extension(&option);
    let access = access.as_message().unwrap();
    let roles: Vec<i32> = access
        .get_field_by_name("roles")
        .unwrap()
        .as_list()
        .unwrap()
        .iter()
        .map(|role| role.as_enum_number().unwrap())
        .collect();
    let everyone = access.get_field_by_name("everyone").unwrap().as_bool().unwrap();
    assert_eq!(everyone, roles.is_empty(), "{name}");
    roles
}

/// What somebody sees, by every way there is; all of them must tell the same.
async fn visible(hub: &TestHub, who: &str, all: &[PostingKey]) -> Vec<String> {
    let mut client = hub.postings(who).await;
    let request =
        ListPostingsRequest { filter: Some(in_any_state()), ..ListPostingsRequest::default() };
    let listed = client.list_postings(request).await.unwrap().into_inner().records;
    let mut listed: Vec<_> =
        listed.into_iter().map(|record| record.key.unwrap().external_id).collect();
    listed.sort();
    let mut got = Vec::new();
    for key in all {
        let request = GetPostingRequest { posting: Some(Named::Key(key.clone())) };
        match client.get_posting(request).await {
            Ok(answer) => {
                let record = answer.into_inner().record.unwrap();
                let by_name = GetPostingRequest { posting: Some(Named::Name(record.name.clone())) };
                let by_name = client.get_posting(by_name).await.unwrap().into_inner();
                assert_eq!(by_name.record, Some(record));
                got.push(key.external_id.clone());
            }
            Err(status) => assert_eq!(Refusal::of(&status).reason, "POSTING_NOT_FOUND"),
        }
    }
    assert_eq!(got, listed, "{who}: get and list");
    let request = BatchGetPostingsRequest { keys: all.to_vec() };
    let batch = client.batch_get_postings(request).await.unwrap().into_inner();
    let found: Vec<_> =
        batch.records.into_iter().map(|record| record.key.unwrap().external_id).collect();
    assert_eq!(found, listed, "{who}: batch get and list");
    assert_eq!(batch.not_found.len(), all.len() - found.len());
    let mut watcher = Watcher::start(&client, watching(in_any_state())).await.unwrap();
    let (events, _) = watcher.snapshot().await;
    let mut seen: Vec<_> = events.iter().map(id).collect();
    seen.sort();
    assert_eq!(seen, listed, "{who}: watch and list");
    listed
}

#[test]
fn a_bureau_sees_its_subtree_and_a_platform_its_own() {
    story(async |world| {
        let hub = world.hub().await;
        let north = [("n-gongshu", "330105"), ("n-xihu", "330106"), ("n-ningbo", "330200")];
        let south = [("s-nation", "CN"), ("s-shenzhen", "440305"), ("s-stockholm", "SE-AB")];
        send(&mut hub.postings(NORTH).await, NORTH, &north).await;
        let mut client = hub.postings(SOUTH).await;
        send(&mut client, SOUTH, &south).await;
        let mut remote = posting("s-remote", "330106");
        remote.workplaces.clear();
        remote.work_mode = WorkMode::Remote.into();
        let request = BatchUpsertPostingsRequest {
            source: SOUTH.to_owned(),
            changes: vec![upsert("s-remote", remote)],
            ..BatchUpsertPostingsRequest::default()
        };
        client.batch_upsert_postings(request).await.unwrap();
        let mut all: Vec<_> = north.iter().map(|(id, _)| key(NORTH, id)).collect();
        all.extend(["s-nation", "s-remote", "s-shenzhen", "s-stockholm"].map(|id| key(SOUTH, id)));
        all.sort_by(|one, other| one.external_id.cmp(&other.external_id));
        let bureaus = BUREAUS.iter().map(|(name, ..)| *name);
        let mut told = String::new();
        for who in bureaus.chain([NORTH, SOUTH, "platform-east"]) {
            let seen = visible(&hub, who, &all).await.join(" ");
            writeln!(told, "{who}: {seen}").unwrap();
        }
        insta::assert_snapshot!(told, @r"
        bureau-nation: n-gongshu n-ningbo n-xihu s-nation s-shenzhen
        bureau-zhejiang: n-gongshu n-ningbo n-xihu
        bureau-hangzhou: n-gongshu n-xihu
        bureau-xihu: n-xihu
        bureau-shenzhen: s-shenzhen
        bureau-sweden: s-stockholm
        platform-north: n-gongshu n-ningbo n-xihu
        platform-south: s-nation s-remote s-shenzhen s-stockholm
        platform-east:
        ");
    });
}

#[test]
fn a_posting_that_leaves_a_bureaus_divisions_is_gone_for_it() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        stream.sync(1, &[upsert("p", posting("here", "330106"))]).await;
        let mut xihu = hub.postings("bureau-xihu").await;
        let mut shenzhen = hub.postings("bureau-shenzhen").await;
        let mut from = Watcher::start(&xihu, watching(in_any_state())).await.unwrap();
        let mut to = Watcher::start(&shenzhen, watching(in_any_state())).await.unwrap();
        from.snapshot().await;
        to.snapshot().await;
        let moved = stream.sync(2, &[upsert("p", posting("there", "440305"))]).await;
        let edited = stream.sync(3, &[upsert("p", posting("there still", "440305"))]).await;
        assert!(moved.position < edited.position);
        let told_to = |events: Vec<PostingEvent>| events.iter().map(told).collect::<Vec<_>>();
        let (left, _) = from.up_to(edited.position).await;
        assert_eq!(left[0].record.as_ref().unwrap().posting, None);
        assert_eq!(told_to(left), ["LEFT p"]);
        assert_eq!(told_to(to.up_to(edited.position).await.0), ["ENTERED p", "CHANGED p"]);
        let key = PostingKey { source: NORTH.to_owned(), external_id: "p".to_owned() };
        let posting = Some(Named::Key(key));
        let request = GetPostingRequest { posting };
        assert!(shenzhen.get_posting(request.clone()).await.is_ok());
        let refusal = Refusal::of(&xihu.get_posting(request).await.unwrap_err());
        assert_eq!((refusal.code, refusal.reason.as_str()), (Code::NotFound, "POSTING_NOT_FOUND"));
    });
}

#[test]
fn what_somebody_else_has_is_not_told_from_what_is_not_there() {
    story(async |world| {
        let hub = world.hub().await;
        send(&mut hub.postings(NORTH).await, NORTH, &[("a", "330106")]).await;
        let mut south = hub.postings(SOUTH).await;
        let mut told = BTreeSet::new();
        for key in [key(NORTH, "a"), key(NORTH, "b"), key("no-source", "a")] {
            let request = GetPostingRequest { posting: Some(Named::Key(key)) };
            let status = south.get_posting(request).await.unwrap_err();
            told.insert(Refusal::of(&status).to_string());
        }
        assert_eq!(told.len(), 1, "{told:?}");
        told.clear();
        for source in [NORTH, "no-source"] {
            let request = ListHeldClosesRequest {
                source: source.to_owned(),
                ..ListHeldClosesRequest::default()
            };
            let status = south.list_held_closes(request).await.unwrap_err();
            told.insert(Refusal::of(&status).to_string().replace(source, "…"));
        }
        assert_eq!(told.len(), 1, "{told:?}");
    });
}

/// Calls with a certificate; returns why not.
async fn refused(hub: &TestHub, identity: Identity) -> Refusal {
    let identity = ClientIdentity { certificate_pem: identity.certificate, key_pem: identity.key };
    let options = Options { identity: Some(identity), ..hub.options(NORTH) };
    // A refusal of the handshake comes with the first call.
    let connection = Connection::lazy(&options).unwrap();
    let call = connection.participants().get_caller(GetCallerRequest {}).await;
    Refusal::of(&call.expect_err("a refusal"))
}

#[test]
fn a_certificate_of_another_authority_is_refused_in_the_handshake() {
    story(async |world| {
        let hub = world.hub().await;
        let other = DevelopmentCa::new(SystemClock.now()).unwrap();
        let refusal = refused(&hub, other.participant(NORTH).unwrap()).await;
        assert!(refusal.is_transport, "{refusal}");
        // The hub goes on.
        hub.connect(NORTH).await.participants().get_caller(GetCallerRequest {}).await.unwrap();
    });
}

#[test]
fn a_certificate_whose_name_is_not_registered_is_nobody() {
    story(async |world| {
        let hub = world.hub().await;
        let north = participant_uri(NORTH);
        for name in [format!("{north}x"), format!("{north}/x"), north.replace("north", "North")] {
            let identity =
                Arc::clone(&world.ca).client(NORTH, std::slice::from_ref(&name)).unwrap();
            let refusal = refused(&hub, identity).await;
            let why = (refusal.code, refusal.reason.as_str());
            assert_eq!(why, (Code::Unauthenticated, "CALLER_UNKNOWN"), "{name}");
        }
    });
}

#[test]
fn a_bearer_token_speaks_for_whom_it_was_made_and_for_nobody_once_it_is_disabled() {
    story(async |world| {
        let hub = world.hub().await;
        let token = register(&hub, "platform-west", ParticipantKind::Platform).await;
        let west = open(&bare(&hub, Some(&token))).await;
        let caller = west.participants().get_caller(GetCallerRequest {}).await.unwrap();
        assert_eq!(caller.into_inner().participant.unwrap().name, "platform-west");
        let request =
            CreateSourceRequest { name: "platform-west".to_owned(), ..Default::default() };
        west.participants().create_source(request).await.unwrap();
        send(&mut west.postings(), "platform-west", &[("w1", "330106")]).await;
        let all = [key("platform-west", "w1")];
        assert_eq!(visible(&hub, "bureau-xihu", &all).await, ["w1"]);
        // A token that is wrong is not helped by a certificate that is right.
        let options = Options { token: Some("wrong".to_owned()), ..hub.options(NORTH) };
        let status = open(&options).await.participants().get_caller(GetCallerRequest {}).await;
        assert_eq!(Refusal::of(&status.unwrap_err()).reason, "TOKEN_INVALID");
        // Neither the token nor anything like it is stored.
        let stored: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM system_token WHERE token_sha256 = convert_to($1, 'UTF8')",
        )
        .bind(&token)
        .fetch_one(&world.pool)
        .await
        .unwrap();
        assert_eq!(stored, 0);
        sqlx::query("UPDATE participant SET disabled_at = now() WHERE name = 'platform-west'")
            .execute(&world.pool)
            .await
            .unwrap();
        crate::support::until("the end of the token", async || {
            let call = west.participants().get_caller(GetCallerRequest {}).await;
            call.err().map(|status| assert_eq!(Refusal::of(&status).reason, "CALLER_DISABLED"))
        })
        .await;
    });
}
