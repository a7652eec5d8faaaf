//! Credential types: what is published, who may, and that the samples are what they say.

use peshub::client::error::Refusal;
use peshub::credentials::registry::kind::{Disclosure, Rules};
use peshub::json::credential_type;
use peshub::pb::peshub::credentials::v1::{
    ClaimDefinition, ClaimDisclosure, CreateCredentialTypeRequest, CredentialType,
    GetCredentialTypeRequest, ListCredentialTypesRequest, RetireCredentialTypeRequest,
};
use serde_json::{Value, json};
use tonic::Status;

use crate::program::{done, failed};
use crate::support::credentials::{
    Issuers, REGISTRAR, WELDING, claim, cli, name, path, publish, welding_claims, welding_type,
};
use crate::support::{story, until};

fn reason(status: &Status) -> String {
    Refusal::of(status).reason
}

async fn create(client: &mut Issuers, it: CredentialType) -> Result<CredentialType, Status> {
    let request = CreateCredentialTypeRequest { credential_type: Some(it), ..Default::default() };
    Ok(client.create_credential_type(request).await?.into_inner().credential_type.unwrap())
}

/// The types under `samples`, by name.
fn samples() -> Vec<(String, CredentialType)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/credential-types");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let it = credential_type::read(&text)
                .unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), it)
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

#[test]
fn the_eight_sample_types_can_be_published_with_the_program() {
    story(async |world| {
        let hub = world.hub().await;
        let files: Vec<_> = samples()
            .iter()
            .map(|(name, _)| format!("samples/credential-types/{name}.json"))
            .collect();
        assert_eq!(files.len(), 8);
        let said = done(cli(&hub, REGISTRAR).args(["issuers", "types", "publish"]).args(&files));
        assert_eq!(said.lines().count(), 8, "{said}");
        let listed = done(cli(&hub, "platform-north").args(["issuers", "types", "list"]));
        assert_eq!(listed, said);
        let shown = ["issuers", "types", "show", "disability-status"];
        let shown = done(cli(&hub, "platform-north").args(shown));
        let grade = "claim grade · Grade, 1 to 4; 1 is the most severe, 残疾等级 · the holder's · mandatory · sensitive";
        assert!(shown.contains(grade), "{shown}");
        let request = ListCredentialTypesRequest { page_size: 5, ..Default::default() };
        let mut client = hub.connect("bureau-sweden").await.issuers();
        let first = client.list_credential_types(request.clone()).await.unwrap().into_inner();
        let request = ListCredentialTypesRequest { page_token: first.next_page_token, ..request };
        let second = client.list_credential_types(request).await.unwrap().into_inner();
        assert_eq!((first.credential_types.len(), second.credential_types.len()), (5, 3));
        assert_eq!(second.next_page_token, "");
        for it in first.credential_types.into_iter().chain(second.credential_types) {
            let address = format!("https://hub.example/credential-types/{}/1", it.name);
            assert_eq!((it.version, it.vct, it.published_by.as_str()), (1, address, REGISTRAR));
        }
        // What is wrong with a file is said with its name, and nothing is published.
        let folder = crate::support::cluster::directory("types");
        let broken = folder.join("broken.json");
        std::fs::write(&broken, r#"{"name": "x", "naems": {}}"#).unwrap();
        let publish =
            ["issuers", "types", "publish", "samples/credential-types/graduate-status.json"];
        let said = failed(cli(&hub, REGISTRAR).args(publish).arg(&broken), 1);
        assert!(said.contains("broken.json") && said.contains("naems"), "{said}");
        let listed = done(cli(&hub, REGISTRAR).args(["issuers", "types", "list"]));
        assert_eq!(listed.lines().count(), 8);
    });
}

/// A sound credential of each sample type.
fn sound(name: &str) -> Value {
    match name {
        "occupational-skill-level" => json!({
            "holder_name": "Qelv Zhrau", "occupation": "6-18-02-04", "division": "330100",
            "occupation_title": "焊工", "level": 3, "certificate_number": "Y000033010026300001",
            "assessed_on": "2026-05-20", "assessor": "Hangzhou vocational academy", "theory_score": 81
        }),
        "special-operation-licence" => json!({
            "holder_name": "Qelv Zhrau", "division": "330100", "category": "welding-and-cutting",
            "operation": "Fusion welding", "licence_number": "T3301000000001",
            "first_licensed_on": "2026-01-10", "review_due_on": "2029-01-10"
        }),
        "training-completion" => json!({
            "holder_name": "Qelv Zhrau", "occupation": "4-10-01-02", "division": "330106",
            "course": "Care of the elderly", "provider": "Xihu school of care", "hours": 120,
            "began_on": "2026-03-01", "completed_on": "2026-04-30", "result": "good",
            "modules": ["First aid", "Meals"], "subsidised": true
        }),
        "employment-attestation" => json!({
            "holder_name": "Qelv Zhrau", "occupation": "6-18-02-04", "division": "330106",
            "employer": {"name": "Xihu boiler works", "id": "91330106MA00000000", "id_scheme": "uscc"},
            "employed_from": "2024-07-01", "contract": "open-ended",
            "monthly_pay": {"amount": "9200.00", "currency": "CNY"}
        }),
        "social-insurance-attestation" => json!({
            "holder_name": "Qelv Zhrau", "division": "330100", "branches": ["pension", "unemployment"],
            "paid_from": "2024-07", "paid_until": "2026-10", "months_paid": 28,
            "contribution_base": "9200.00"
        }),
        "graduate-status" => json!({
            "holder_name": "Qelv Zhrau", "division": "330100",
            "school": {"name": "Hangzhou college of trades", "code": "12036"},
            "qualification": "junior-college", "subject": "Welding technology",
            "graduated_on": "2026-06-30"
        }),
        "registered-unemployed-status" => json!({
            "holder_name": "Qelv Zhrau", "division": "330106", "registration_number": "330106202600042",
            "registered_on": "2026-09-01", "seeks": ["6-18-02-04"], "hardship": "older-worker"
        }),
        "disability-status" => json!({
            "holder_name": "Qelv Zhrau", "division": "330106", "certificate_number": "D330106000001",
            "recognised_on": "2020-02-02", "kinds": ["hearing", "speech"], "grade": 2
        }),
        other => panic!("{other} is new: say here what a sound one is"),
    }
}

#[test]
fn each_sample_type_takes_what_is_sound_and_nothing_else() {
    for (name, it) in samples() {
        assert_eq!(name, it.name, "a file is called as its type");
        let rules = Rules::read(&it).unwrap();
        let good = sound(&name);
        assert_eq!(rules.schema.violations(&good), [], "{name}");
        // Each thing that must be there is missed.
        for claim in rules.claims.iter().filter(|claim| claim.is_mandatory) {
            let segments = claim.path.to_texts();
            let (last, above) = segments.split_last().unwrap();
            let mut less = good.clone();
            let place = above.iter().try_fold(&mut less, |value, segment| value.get_mut(segment));
            if let Some(place) = place {
                place.as_object_mut().unwrap().remove(last).unwrap();
                assert_eq!(rules.schema.violations(&less)[0].keyword, "required", "{name} {last}");
            }
        }
        // Each value of another kind is refused, without being repeated.
        for member in good.as_object().unwrap().keys() {
            let mut odd = good.clone();
            odd[member] = json!({"odd": "secret"});
            let found = rules.schema.violations(&odd);
            assert!(!found.is_empty(), "{name} {member}");
            assert!(!format!("{found:?}").contains("secret"), "{found:?}");
        }
        let mut more = good.clone();
        more["unheard_of"] = json!(1);
        assert_eq!(rules.schema.violations(&more)[0].keyword, "additionalProperties", "{name}");
    }
}

#[test]
fn particular_values_that_samples_refuse() {
    let check = |name: &str, place: &str, value: Value| {
        let (_, it) = samples().into_iter().find(|(found, _)| found == name).unwrap();
        let rules = Rules::read(&it).unwrap();
        let mut claims = sound(name);
        *claims.pointer_mut(place).unwrap() = value;
        let found = rules.schema.violations(&claims);
        assert_eq!(found.first().map(|it| it.pointer.as_str()), Some(place), "{name}: {found:?}");
    };
    check("occupational-skill-level", "/level", json!(6));
    check("occupational-skill-level", "/level", json!(2.5));
    check("occupational-skill-level", "/assessed_on", json!("2026-02-30"));
    check("occupational-skill-level", "/occupation", json!("welder"));
    check("special-operation-licence", "/category", json!("juggling"));
    check("training-completion", "/hours", json!(0));
    check("training-completion", "/modules", json!([]));
    check("employment-attestation", "/employer/id_scheme", json!("iban"));
    check("employment-attestation", "/monthly_pay/amount", json!("9200,00"));
    check("employment-attestation", "/contract", json!("verbal"));
    check("social-insurance-attestation", "/branches", json!(["pension", "pension"]));
    check("social-insurance-attestation", "/paid_until", json!("2026-13"));
    check("graduate-status", "/qualification", json!("wizard"));
    check("registered-unemployed-status", "/division", json!("Xihu"));
    check("disability-status", "/grade", json!(5));
    check("disability-status", "/kinds/0", json!("grumpy"));
}

#[test]
fn what_the_law_protects_is_its_holders_to_disclose_claim_by_claim() {
    let sensitive = |name: &str| {
        let (_, it) = samples().into_iter().find(|(found, _)| found == name).unwrap();
        let rules = Rules::read(&it).unwrap();
        let found = rules.claims.iter().filter(|claim| claim.is_sensitive);
        assert!(found.clone().all(|claim| claim.disclosure == Disclosure::Always));
        found.map(|claim| claim.path.to_string()).collect::<Vec<_>>().join(" ")
    };
    let expected = "certificate_number kinds kinds.* grade guardian_name";
    assert_eq!(sensitive("disability-status"), expected);
    assert_eq!(sensitive("employment-attestation"), "monthly_pay monthly_pay.amount");
    let expected = "insurance_number contribution_base";
    assert_eq!(sensitive("social-insurance-attestation"), expected);
    assert_eq!(sensitive("registered-unemployed-status"), "hardship benefit_until");
}

/// The fields that a type breaks, without what they all begin with.
async fn broken(client: &mut Issuers, it: CredentialType) -> Vec<String> {
    use tonic_types::StatusExt as _;
    let status = create(client, it).await.unwrap_err();
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let field = |field: &str| field.trim_start_matches("credential_type.").to_owned();
    violations.into_iter().map(|it| field(&it.field)).collect()
}

#[test]
fn a_type_whose_claims_and_schema_differ_is_refused_with_every_difference() {
    story(async |world| {
        let hub = world.hub().await;
        let mut client = hub.connect(REGISTRAR).await.issuers();
        let always = ClaimDisclosure::Always;
        let with_claim = |it: ClaimDefinition| {
            let mut broken = welding_type();
            broken.claims.push(it);
            broken
        };
        let mut check = async |it: CredentialType, expected: &[&str]| {
            assert_eq!(broken(&mut client, it).await, expected);
        };
        check(with_claim(claim(&["unheard_of"], always, false)), &["claims[10].path"]).await;
        check(with_claim(claim(&["person", "age"], always, false)), &["claims[10].path"]).await;
        check(with_claim(claim(&["level"], always, true)), &["claims[10].path"]).await;
        for reserved in ["iss", "sub", "cnf", "vct", "status", "_sd", "..."] {
            check(with_claim(claim(&[reserved], always, false)), &["claims[10].path"]).await;
        }
        let mut mandatory = welding_type();
        mandatory.claims[2].mandatory = false;
        mandatory.claims[3].mandatory = true;
        check(mandatory, &["claims[2].mandatory", "claims[3].mandatory"]).await;
        let mut sensitive = welding_type();
        sensitive.claims[7].disclosure = ClaimDisclosure::Never.into();
        check(sensitive, &["claims[7].disclosure"]).await;
        // What scope is read from must be there for everybody to see.
        let mut hidden = welding_type();
        hidden.claims[0].disclosure = always.into();
        check(hidden, &["occupation_claim"]).await;
        let optional = CredentialType {
            occupation_claim: Some(path(&["medical"])),
            division_claim: Some(path(&["skills", "*"])),
            ..welding_type()
        };
        check(optional, &["occupation_claim", "division_claim"]).await;
        let without_scheme = CredentialType { occupation_scheme: 0, ..welding_type() };
        check(without_scheme, &["occupation_scheme"]).await;
        let mut undefined = welding_type();
        undefined.claims.retain(|it| it.path != Some(path(&["medical"])));
        check(undefined, &["claims"]).await;
        let several = CredentialType {
            name: "Welding_Type".to_owned(),
            vct: "https://hub.example/credential-types/other/1".to_owned(),
            names: vec![name("en", "One"), name("EN", "Two"), name("a language", "Three")],
            ..welding_type()
        };
        check(several, &["name", "vct", "names[1].language", "names[2].language"]).await;
    });
}

#[test]
fn a_schema_stands_by_itself_and_closes_with_what_it_names() {
    story(async |world| {
        let hub = world.hub().await;
        let mut client = hub.connect(REGISTRAR).await.issuers();
        let mut check = async |change: &dyn Fn(&mut Value)| {
            let mut it = welding_type();
            let mut schema: Value = serde_json::from_str(&it.schema_json).unwrap();
            change(&mut schema);
            it.schema_json = schema.to_string();
            assert_eq!(broken(&mut client, it).await, ["schema_json"]);
        };
        check(&|schema| schema["additionalProperties"] = json!(true)).await;
        check(&|schema| schema["patternProperties"] = json!({"^x": {}})).await;
        check(&|schema| schema["type"] = json!("array")).await;
        check(&|schema| schema["type"] = json!("thing")).await;
        check(&|schema| schema["allOf"] = json!([{"$ref": "https://a.example/schema"}])).await;
        check(&|schema| schema["$ref"] = json!("file:///etc/passwd")).await;
        check(&|schema| schema["$schema"] = json!("http://json-schema.org/draft-04/schema#")).await;
        check(&|schema| schema["properties"]["level"] = json!({"pattern": "(((("})).await;
        // What is described elsewhere in the same schema is fine.
        let mut it = welding_type();
        let mut schema: Value = serde_json::from_str(&it.schema_json).unwrap();
        schema["$defs"] = json!({"person": schema["properties"]["person"]});
        schema["properties"]["person"] = json!({"$ref": "#/$defs/person"});
        it.schema_json = schema.to_string();
        let published = publish(&mut client, it).await;
        let rules = Rules::read(&published).unwrap();
        assert_eq!(rules.schema.violations(&welding_claims()), []);
    });
}

#[test]
fn versions_follow_each_other_and_a_name_belongs_to_who_published_it_first() {
    story(async |world| {
        let hub = world.hub().await;
        let mut client = hub.connect(REGISTRAR).await.issuers();
        let first = publish(&mut client, welding_type()).await;
        let second = publish(&mut client, welding_type()).await;
        assert_eq!((first.version, second.version), (1, 2));
        let seventh = CredentialType { version: 7, ..welding_type() };
        assert_eq!(publish(&mut client, seventh.clone()).await.version, 7);
        let again = create(&mut client, seventh).await.unwrap_err();
        assert_eq!(reason(&again), "ALREADY_EXISTS");
        let between = CredentialType { version: 5, ..welding_type() };
        assert_eq!(broken(&mut client, between).await, ["version"]);
        let named = CredentialType { vct: "urn:example:welding".to_owned(), ..welding_type() };
        let eighth = publish(&mut client, named.clone()).await;
        assert_eq!((eighth.version, eighth.vct.as_str()), (8, "urn:example:welding"));
        let taken = create(&mut client, named).await.unwrap_err();
        assert_eq!(reason(&taken), "ALREADY_EXISTS");
        let mut other = hub.connect("bureau-nation").await.issuers();
        let refused = create(&mut other, welding_type()).await.unwrap_err();
        assert_eq!(reason(&refused), "ALREADY_EXISTS", "the name is another bureau's");
        let mut get = async |name: &str, version, vct: &str| {
            let (name, vct) = (name.to_owned(), vct.to_owned());
            let request = GetCredentialTypeRequest { name, version, vct };
            let found = other.get_credential_type(request).await.map_err(|it| reason(&it))?;
            Ok::<_, String>(found.into_inner().credential_type.unwrap().version)
        };
        assert_eq!(get(WELDING, 0, "").await, Ok(8));
        assert_eq!(get(WELDING, 2, "").await, Ok(2));
        assert_eq!(get("", 0, "urn:example:welding").await, Ok(8));
        let missing = Err("CREDENTIAL_TYPE_NOT_FOUND".to_owned());
        assert_eq!(get(WELDING, 3, "").await, missing);
        assert_eq!(get("", 0, "urn:example:other").await, missing);
        assert_eq!(get("", 0, "").await, Err("FIELDS_INVALID".to_owned()));
        assert_eq!(get(WELDING, 0, "urn:example:welding").await, Err("FIELDS_INVALID".to_owned()));
        let retire = RetireCredentialTypeRequest {
            name: WELDING.to_owned(),
            version: 2,
            request_id: String::new(),
        };
        let refused = other.retire_credential_type(retire.clone()).await.unwrap_err();
        assert_eq!(reason(&refused), "CREDENTIAL_TYPE_NOT_FOUND");
        let retired = client.retire_credential_type(retire.clone()).await.unwrap().into_inner();
        let again = client.retire_credential_type(retire).await.unwrap().into_inner();
        assert!(again.credential_type.as_ref().unwrap().retired_at.is_some());
        assert_eq!(again, retired, "once is for ever");
        // Another replica knows.
        let mut elsewhere = world.hub().await.connect(REGISTRAR).await.issuers();
        until("the type at another replica", async || {
            let request = GetCredentialTypeRequest {
                name: WELDING.to_owned(),
                version: 2,
                vct: String::new(),
            };
            let found = elsewhere.get_credential_type(request).await.ok()?.into_inner();
            found.credential_type?.retired_at.map(drop)
        })
        .await;
    });
}
