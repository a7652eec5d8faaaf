//! Persons who do not exist, and calls about them.

use peshub::client::connect::Transport;
use peshub::client::error::Refusal;
use peshub::pb::peshub::workers::v1::worker_service_client::WorkerServiceClient;
use peshub::pb::peshub::workers::v1::{
    Contact, ContactKind, DiscloseWorkerRequest, DiscloseWorkerResponse, EraseWorkerRequest,
    LegalBasis, LegalBasisKind, NationalId, NationalIdScheme, Person, RegisterWorkerRequest,
    WorkerField,
};
use sqlx::PgPool;
use tonic::Status;

use crate::support::{TestHub, until};

pub(crate) type Workers = WorkerServiceClient<Transport>;

/// A person made from a number.
#[derive(Clone)]
pub(crate) struct Invented {
    pub(crate) id: NationalId,
    pub(crate) person: Person,
}

/// A citizen identity number with the check character that belongs to it.
pub(crate) fn citizen_number(seed: u64) -> String {
    // Spread, so that two numbers share no more than their beginning.
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
    let (year, month, day) = (1931 + mixed % 70, 1 + mixed / 70 % 12, 1 + mixed / 840 % 28);
    let area = 650_000 + mixed / 23_520 % 9_999;
    let first = format!("{area:06}{year:04}{month:02}{day:02}{:03}", seed % 1_000);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = first.chars().zip(weights).map(|(it, by)| it.to_digit(10).unwrap() * by).sum();
    let check = b"10X98765432"[sum as usize % 11] as char;
    format!("{first}{check}")
}

/// A Swedish number of twelve digits with its check digit.
pub(crate) fn swedish_number(seed: u64) -> String {
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
    let (year, month, day) = (1931 + mixed % 69, 1 + mixed / 69 % 12, 1 + mixed / 828 % 28);
    let first = format!("{:02}{month:02}{day:02}{:03}", year % 100, seed % 1_000);
    let mut sum = 0;
    for (index, digit) in first.chars().enumerate() {
        let value = digit.to_digit(10).unwrap() * if index % 2 == 0 { 2 } else { 1 };
        sum += value / 10 + value % 10;
    }
    format!("{}{first}{}", year / 100, (10 - sum % 10) % 10)
}

fn syllables(seed: u64, of: &[&str]) -> String {
    let mut rest = seed.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 16;
    let mut name = String::new();
    for _ in 0..4 {
        name.push_str(of[rest as usize % of.len()]);
        rest /= of.len() as u64;
    }
    name
}

impl Invented {
    pub(crate) fn new(seed: u64) -> Self {
        let id = match seed % 5 {
            0 => NationalId {
                scheme: NationalIdScheme::Personnummer.into(),
                number: swedish_number(seed),
                country: String::new(),
            },
            1 => NationalId {
                scheme: NationalIdScheme::Other.into(),
                number: format!("QZ{:012}", seed.wrapping_mul(7_919_777_333) % 1_000_000_000_000),
                country: "NO".to_owned(),
            },
            _ => NationalId {
                scheme: NationalIdScheme::Gb11643.into(),
                number: citizen_number(seed),
                country: String::new(),
            },
        };
        let latin = ["Qelv", "Zhrau", "Vexo", "Brynk", "Tschip", "Oqua", "Fjelz", "Wyrga", "Kaxu"];
        let native = ["龘", "靐", "爨", "麤", "灪", "籲", "鸞", "鱺", "驫", "厵", "纞"];
        let latin_name = format!("{} {}", syllables(seed, &latin), syllables(seed + 1, &latin));
        let contact = |kind: ContactKind, value| Contact { kind: kind.into(), value };
        let person = Person {
            native_name: syllables(seed, &native),
            contacts: vec![
                contact(
                    ContactKind::Telephone,
                    format!("+86 199 {:08}", seed * 7_919 % 100_000_000),
                ),
                contact(
                    ContactKind::Email,
                    format!("{}@made-up.example", latin_name.replace(' ', ".")),
                ),
            ],
            latin_name,
            birth_date: format!(
                "19{:02}-{:02}-{:02}",
                31 + seed % 60,
                1 + seed % 12,
                1 + seed % 28
            ),
        };
        Self { id, person }
    }
}

pub(crate) async fn workers(hub: &TestHub, participant: &str) -> Workers {
    hub.connect(participant).await.workers()
}

pub(crate) fn registration(invented: &Invented, request_id: &str) -> RegisterWorkerRequest {
    RegisterWorkerRequest {
        national_id: Some(invented.id.clone()),
        person: Some(invented.person.clone()),
        request_id: request_id.to_owned(),
    }
}

/// Registers a person and returns the reference.
pub(crate) async fn register(client: &mut Workers, invented: &Invented) -> String {
    let answer = client.register_worker(registration(invented, "")).await;
    answer.expect("a reference").into_inner().reference
}

/// Registers by the number alone.
pub(crate) async fn find(client: &mut Workers, id: NationalId) -> Result<String, Refusal> {
    let request = RegisterWorkerRequest { national_id: Some(id), ..Default::default() };
    let answer = client.register_worker(request).await;
    answer.map(|answer| answer.into_inner().reference).map_err(|status| Refusal::of(&status))
}

pub(crate) fn asking(reference: &str, fields: &[WorkerField]) -> DiscloseWorkerRequest {
    DiscloseWorkerRequest {
        reference: reference.to_owned(),
        fields: fields.iter().map(|field| i32::from(*field)).collect(),
        purpose: "placing in a training course".to_owned(),
        legal_basis: Some(LegalBasis {
            kind: LegalBasisKind::Law.into(),
            reference: "an article of a law".to_owned(),
        }),
    }
}

pub(crate) const ALL: [WorkerField; 5] = [
    WorkerField::NationalId,
    WorkerField::NativeName,
    WorkerField::LatinName,
    WorkerField::BirthDate,
    WorkerField::Contacts,
];

/// Everything that is known, or why not.
pub(crate) async fn disclosed(
    client: &mut Workers,
    reference: &str,
) -> Result<DiscloseWorkerResponse, Refusal> {
    let answer = client.disclose_worker(asking(reference, &ALL)).await;
    answer.map(tonic::Response::into_inner).map_err(|status| Refusal::of(&status))
}

/// Why a call was refused.
pub(crate) fn reason<T>(outcome: Result<T, Status>) -> String {
    match outcome {
        Ok(_) => "OK".to_owned(),
        Err(status) => Refusal::of(&status).reason,
    }
}

/// Lets a participant erase workers, and waits until the hub knows.
pub(crate) async fn let_erase(pool: &PgPool, client: &Workers, participant: &str) {
    sqlx::query(
        "INSERT INTO system_role (system_id, role, granted_at)
         SELECT s.system_id, 5, now() FROM participant_system s JOIN participant p USING (participant_id)
         WHERE p.name = $1 ON CONFLICT DO NOTHING",
    )
    .bind(participant)
    .execute(pool)
    .await
    .expect("a role");
    until("the right to erase", async || {
        let request =
            EraseWorkerRequest { reference: uuid::Uuid::nil().to_string(), ..Default::default() };
        let told = reason(client.clone().erase_worker(request).await);
        (told == "WORKER_NOT_FOUND").then_some(())
    })
    .await;
}

/// How many rows a table has.
pub(crate) async fn count(pool: &PgPool, table: &str) -> i64 {
    let query = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(pool).await.expect("a count")
}
