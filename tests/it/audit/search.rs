//! Searching the trail: who sees what, filters and pages.

use peshub::client::error::Refusal;
use peshub::pb::peshub::audit::v1::{
    AuditEntry, AuditFilter, AuditOrder, GetLatestCheckpointRequest, ListCheckpointsRequest,
    SearchAuditRequest,
};
use peshub::platform::audit::store;
use peshub::platform::db::Disclosure;
use peshub::platform::permit::Permit;
use uuid::Uuid;

use crate::audit::{AUDITOR, Bare, NORTH, record, sealed, search, send};
use crate::support::story;

fn everything() -> AuditFilter {
    AuditFilter::default()
}

#[test]
fn a_participant_sees_its_own_entries_and_an_auditor_all() {
    story(async |world| {
        let hub = world.hub().await;
        send(&hub, "a", "one").await;
        sealed(&world.pool).await;
        let all = search(&hub, AUDITOR, everything()).await;
        let own = search(&hub, NORTH, everything()).await;
        assert!(own.len() < all.len() && own.iter().all(|it| it.participant == NORTH), "{own:?}");
        assert_eq!(own[0].event, "postings.synced");
        assert_eq!((own[0].body_sha256.len(), own[0].times), (32, 1));
        assert!(own[0].seq > 0 && own[0].subject.starts_with("sources/platform-north"));
        let expected: Vec<_> = all.into_iter().filter(|it| it.participant == NORTH).collect();
        assert_eq!(own, expected);
        // Whoever asks for others' entries finds none.
        let others = AuditFilter { participant: "platform-south".to_owned(), ..everything() };
        assert_eq!(search(&hub, NORTH, others.clone()).await, []);
        assert_eq!(search(&hub, AUDITOR, others).await.len(), 1);
        assert_eq!(search(&hub, "bureau-xihu", everything()).await, []);
    });
}

#[test]
fn each_criterion_leaves_what_it_says() {
    story(async |world| {
        let hub = world.hub().await;
        send(&hub, "a", "one").await;
        send(&hub, "a", "two").await;
        let found = async |filter: AuditFilter| search(&hub, AUDITOR, filter).await.len();
        let text = |text: &str| text.to_owned();
        let synced = AuditFilter { event: text("postings.synced"), ..everything() };
        assert_eq!(found(synced.clone()).await, 2);
        assert_eq!(
            found(AuditFilter { action: text("postings.batch_upsert"), ..everything() }).await,
            2
        );
        assert_eq!(
            found(AuditFilter { subject_prefix: text("sources/platform-north:"), ..everything() })
                .await,
            2
        );
        assert_eq!(
            found(AuditFilter { subject_prefix: text("platform-north"), ..everything() }).await,
            0
        );
        assert_eq!(found(AuditFilter { subject_prefix: text("%"), ..everything() }).await, 0);
        assert_eq!(found(AuditFilter { system: text("nothing"), ..everything() }).await, 0);
        assert_eq!(found(AuditFilter { refusals_only: true, ..everything() }).await, 0);
        let entries = search(&hub, AUDITOR, synced.clone()).await;
        let (newer, older) = (entries[0].at.unwrap(), entries[1].at.unwrap());
        assert_eq!(found(AuditFilter { from: Some(newer), ..synced.clone() }).await, 1);
        assert_eq!(found(AuditFilter { until: Some(newer), ..synced.clone() }).await, 1);
        assert_eq!(found(AuditFilter { until: Some(older), ..synced }).await, 0);
        // What cannot be read is refused with its field.
        let refused = async |filter: AuditFilter| {
            let request = SearchAuditRequest { filter: Some(filter), ..Default::default() };
            let answer = hub.connect(AUDITOR).await.audit().search_audit(request).await;
            Refusal::of(&answer.unwrap_err()).reason
        };
        let beyond = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
        assert_eq!(
            refused(AuditFilter { from: Some(beyond), ..everything() }).await,
            "FIELDS_INVALID"
        );
        assert_eq!(
            refused(AuditFilter { worker_id: text("x"), ..everything() }).await,
            "FIELDS_INVALID"
        );
        assert_eq!(
            refused(AuditFilter { event: text("a\0"), ..everything() }).await,
            "FIELDS_INVALID"
        );
    });
}

#[test]
fn pages_put_together_are_the_list_in_either_order() {
    story(async |world| {
        let hub = world.hub().await;
        for number in 0..7 {
            send(&hub, "a", &format!("r-{number}")).await;
        }
        let mut client = hub.connect(NORTH).await.audit();
        let mut paged = async |order: AuditOrder, page_size: i32| -> Vec<AuditEntry> {
            let (mut entries, mut page_token) = (Vec::new(), String::new());
            loop {
                let request =
                    SearchAuditRequest { filter: None, order: order.into(), page_size, page_token };
                let page = client.search_audit(request).await.unwrap().into_inner();
                assert!(page.entries.len() <= page_size as usize && !page.entries.is_empty());
                entries.extend(page.entries);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    return entries.into_iter().map(|it| AuditEntry { seq: 0, ..it }).collect();
                }
            }
        };
        let newest_first = paged(AuditOrder::NewestFirst, 1_000).await;
        assert_eq!(paged(AuditOrder::Unspecified, 3).await, newest_first);
        let mut oldest_first = paged(AuditOrder::OldestFirst, 2).await;
        oldest_first.reverse();
        assert_eq!(oldest_first, newest_first);
        // A token is for its own list.
        let request = SearchAuditRequest { page_size: 3, ..Default::default() };
        let token = client.search_audit(request).await.unwrap().into_inner().next_page_token;
        let filter = Some(AuditFilter { event: "postings.synced".to_owned(), ..everything() });
        for (filter, page_token) in
            [(filter, token.clone()), (None, format!("A{token}")), (None, "é".to_owned())]
        {
            let request = SearchAuditRequest { filter, page_token, ..Default::default() };
            let status = client.search_audit(request).await.unwrap_err();
            assert_eq!(Refusal::of(&status).reason, "PAGE_TOKEN_INVALID");
        }
    });
}

#[test]
fn what_was_disclosed_of_a_worker_is_found_and_its_pseudonym_told_to_auditors_only() {
    story(async |world| {
        let hub = world.hub().await;
        let bare = Bare::new(world);
        let (worker, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for (worker_id, purpose) in
            [(worker, "placement"), (other, "placement"), (worker, "statistics")]
        {
            let disclosure = Disclosure {
                worker_id,
                purpose: purpose.to_owned(),
                legal_basis: "SGB III § 35".to_owned(),
            };
            let record = record("workers/reference").disclosing(disclosure);
            bare.db.write(&Permit::of_hub()).await.unwrap().commit(record).await.unwrap();
        }
        // As if a bureau had asked.
        crate::audit::lift_the_wall(&world.pool).await;
        sqlx::query(
            "UPDATE audit SET participant = p.name, participant_id = p.participant_id FROM participant p
             WHERE p.name = 'bureau-xihu' AND audit.worker_id IS NOT NULL",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        let mut tx = bare.db.read(&Permit::of_hub()).await.unwrap();
        let newest = store::disclosures_of(tx.connection(), worker, None, 1).await.unwrap();
        let before = Some(newest[0].audit_id);
        let rest = store::disclosures_of(tx.connection(), worker, before, 10).await.unwrap();
        drop(tx);
        let purposes: Vec<_> =
            newest.iter().chain(&rest).map(|row| row.purpose.clone().unwrap()).collect();
        assert_eq!(purposes, ["statistics", "placement"]);
        assert_eq!(rest[0].legal_basis.as_deref(), Some("SGB III § 35"));
        let of_worker = AuditFilter { worker_id: worker.to_string(), ..everything() };
        let found = search(&hub, AUDITOR, of_worker.clone()).await;
        assert_eq!((found.len(), found[0].worker_id.clone()), (2, worker.to_string()));
        // The bureau sees that and why it asked, and nothing by which two participants could find that they mean the same person.
        let own = search(&hub, "bureau-xihu", everything()).await;
        assert_eq!(own.iter().filter(|it| it.purpose == "placement").count(), 2);
        assert!(own.iter().all(|it| it.worker_id.is_empty()), "{own:?}");
        assert_eq!(search(&hub, "bureau-xihu", of_worker).await, []);
        let request = peshub::pb::peshub::audit::v1::GetInclusionProofRequest {
            entry_id: own[0].entry_id.clone(),
        };
        let mut client = hub.connect("bureau-xihu").await.audit();
        let status = client.get_inclusion_proof(request).await.unwrap_err();
        assert_eq!(Refusal::of(&status).reason, "AUDIT_ENTRY_NOT_FOUND");
        bare.db.close().await;
    });
}

#[test]
fn checkpoints_are_listed_in_their_order_to_everybody() {
    story(async |world| {
        let hub = world.hub().await;
        for number in 0..3 {
            send(&hub, "a", &format!("r-{number}")).await;
            sealed(&world.pool).await;
        }
        let mut client = hub.connect("bureau-xihu").await.audit();
        let mut list = async |from_number: i64, page_size: i32| {
            let request = ListCheckpointsRequest { from_number, page_size };
            client.list_checkpoints(request).await.unwrap().into_inner().checkpoints
        };
        let all = list(0, 0).await;
        let numbers: Vec<_> = all.iter().map(|it| it.number).collect();
        assert_eq!(numbers, (1..=all.len() as i64).collect::<Vec<_>>());
        assert!(numbers.len() >= 3);
        assert!(all.windows(2).all(|two| two[0].last_seq + 1 == two[1].first_seq));
        assert_eq!(list(2, 1).await, all[1..2]);
        assert_eq!(list(1_000, 0).await, []);
        let latest = client.get_latest_checkpoint(GetLatestCheckpointRequest {}).await.unwrap();
        assert_eq!(latest.into_inner().checkpoint, all.last().cloned());
    });
}
