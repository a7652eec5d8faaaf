//! A change is made once per request id, whichever it is.

use peshub::client::connect::Connection;
use peshub::client::error::Refusal;
use peshub::platform::action::Action;
use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MethodDescriptor, ReflectMessage as _, Value,
};

use crate::permissions::{bare, clerk, furnish, request};
use crate::raw::call;
use crate::support::story;

/// Unary RPCs that change something, with the action of each.
fn mutations() -> Vec<(MethodDescriptor, Action)> {
    let pool = DescriptorPool::decode(peshub::pb::DESCRIPTORS).unwrap();
    let mut found = Vec::new();
    for service in pool.services() {
        for method in service.methods().filter(|it| !it.is_client_streaming()) {
            let name = format!("{}/{}", service.full_name(), method.name());
            let action = Action::RPCS.into_iter().find(|action| action.name() == name);
            found.extend(action.filter(|it| it.mutates()).map(|action| (method.clone(), action)));
        }
    }
    assert!(found.len() >= 22, "{}", found.len());
    found
}

/// Changes one thing of a request so that it asks for something else: the first text that is not its request id, or a number.
fn asks_for_something_else(message: &mut DynamicMessage) -> bool {
    for field in message.descriptor().fields() {
        let Some(value) = message.get_field_by_name(field.name()).map(std::borrow::Cow::into_owned)
        else {
            continue;
        };
        match (field.kind(), value) {
            (Kind::String, Value::String(text)) if field.name() != "request_id" => {
                // A source or a reference must be one of the caller's: what else is asked for says enough there.
                if ["source", "reference", "worker_reference"].contains(&field.name()) {
                    continue;
                }
                message.set_field(&field, Value::String(format!("{text}x")));
                return true;
            }
            (Kind::Enum(_), Value::EnumNumber(number)) if number > 0 => {
                message.set_field(&field, Value::EnumNumber(3 - number.min(2)));
                return true;
            }
            (Kind::Message(person), _)
                if field.name() == "person" && !message.has_field(&field) =>
            {
                message.set_field(&field, Value::Message(DynamicMessage::new(person)));
                return true;
            }
            // A number that is changed is no number any more.
            (_, Value::Message(_)) if field.name() == "national_id" => {}
            (_, Value::Message(mut inner)) if message.has_field(&field) => {
                let changed = asks_for_something_else(&mut inner);
                message.set_field(&field, Value::Message(inner));
                if changed {
                    return true;
                }
            }
            (_, Value::List(mut items)) if !items.is_empty() => {
                if let Value::Message(inner) = &mut items[0]
                    && asks_for_something_else(inner)
                {
                    message.set_field(&field, Value::List(items));
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Names another worker than a request does, which may be nobody.
fn names_another_worker(message: &mut DynamicMessage) -> bool {
    let other = Value::String(uuid::Uuid::nil().to_string());
    message.descriptor().get_field_by_name("reference").is_some_and(|field| {
        message.set_field(&field, other);
        true
    })
}

/// Changes the first of several texts that a request lists.
fn lists_something_else(message: &mut DynamicMessage) -> bool {
    message.descriptor().fields().any(|field| {
        let value = message.get_field(&field).into_owned();
        let Value::List(mut items) = value else { return false };
        let Some(Value::String(text)) = items.first_mut() else { return false };
        text.push('x');
        message.set_field(&field, Value::List(items));
        true
    })
}

/// An answer without what is told anew each time it is given.
fn comparable(method: &MethodDescriptor, answer: &[u8]) -> String {
    let mut answer = peshub::json::of_encoded(method.output().full_name(), answer).unwrap();
    if let Some(acknowledgement) = answer.get_mut("acknowledgement") {
        acknowledgement.as_object_mut().unwrap().remove("replayed");
    }
    answer.to_string()
}

#[test]
fn a_request_that_comes_again_is_answered_as_before_and_another_under_its_id_is_refused() {
    story(async |world| {
        let hub = world.hub().await;
        let made = furnish(&hub, &world.pool).await;
        let callers: Vec<Connection> = vec![
            hub.connect("platform-north").await,
            hub.connect("operator").await,
            hub.connect("security").await,
            Connection::open(&bare(&hub, Some(&clerk(&hub).await))).await.unwrap(),
            hub.connect("bureau-shenzhen").await,
        ];
        for (method, action) in mutations() {
            let message = request(method.name(), 0, &made);
            let mut tried = 0;
            for connection in &callers {
                let first = call(connection, action.name(), vec![message.clone()]).await;
                let first = match first {
                    Ok(answer) => answer.unwrap(),
                    Err(status) if Refusal::of(&status).reason == "ACTION_NOT_GRANTED" => continue,
                    // Revoking what is not there changes nothing: there is no answer to be kept.
                    Err(status) if Refusal::of(&status).reason == "IDENTITY_NOT_FOUND" => {
                        tried += 1;
                        continue;
                    }
                    Err(status) => panic!("{}: {}", action.name(), Refusal::of(&status)),
                };
                let changes: i64 = sqlx::query_scalar(
                    "SELECT count(*) FROM audit WHERE refusal = '' AND participant <> '(hub)'",
                )
                .fetch_one(&world.pool)
                .await
                .unwrap();
                let again = call(connection, action.name(), vec![message.clone()]).await;
                let again = again.unwrap_or_else(|status| {
                    panic!("{} again: {}", action.name(), Refusal::of(&status))
                });
                assert_eq!(
                    comparable(&method, &first),
                    comparable(&method, &again.unwrap()),
                    "{}",
                    action.name()
                );
                let after: i64 = sqlx::query_scalar(
                    "SELECT count(*) FROM audit WHERE refusal = '' AND participant <> '(hub)'",
                )
                .fetch_one(&world.pool)
                .await
                .unwrap();
                assert_eq!(after, changes, "{} did something again", action.name());
                let mut other = DynamicMessage::decode(method.input(), message.as_slice()).unwrap();
                let is_other = asks_for_something_else(&mut other)
                    || names_another_worker(&mut other)
                    || lists_something_else(&mut other);
                assert!(is_other, "{}: {other}", action.name());
                let other = prost::Message::encode_to_vec(&other);
                let status = call(connection, action.name(), vec![other]).await.unwrap_err();
                assert_eq!(Refusal::of(&status).reason, "REQUEST_ID_REUSED", "{}", action.name());
                tried += 1;
                // One who may is enough: a request that is another's finds other things there.
                break;
            }
            assert_eq!(tried, 1, "{} was tried by nobody", action.name());
        }
    });
}
