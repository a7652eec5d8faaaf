//! What a forger meets: an export of which anything at all was changed, and a trail that was changed in the database.

use std::io::Cursor;

use peshub::platform::audit::entry::canonical;
use peshub::platform::audit::export::EntryLine;
use peshub::platform::audit::hash::chained;
use peshub::platform::audit::statement::SignedCheckpoint;
use peshub::platform::audit::verify::{self, Expectations, Failure, Problem};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::audit::{Bare, export, sealed, send, verified};
use crate::support::story;

/// A small export: 4 checkpoints over 2 to 8 rows each, and what each line is.
async fn small(bare: &Bare) -> Vec<u8> {
    let sealer = bare.sealer();
    let mut number = 0;
    for rows in [2, 7, 5, 8] {
        for _ in 0..rows {
            number += 1;
            bare.write(&format!("things/{number} \"quoted\" 上海")).await;
        }
        assert_eq!(sealer.seal_all().await.unwrap(), rows);
    }
    let export = bare.export().await;
    let report = verified(&export).unwrap();
    assert_eq!((report.last_seq, report.checkpoints), (22, 4));
    export
}

fn lines(export: &[u8]) -> Vec<Vec<u8>> {
    export.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// The place of a line in the chain, if it is an entry.
fn seq_of(line: &[u8]) -> Option<i64> {
    let value: serde_json::Value = serde_json::from_slice(line).unwrap();
    value.pointer("/entry/seq")?.as_i64()
}

fn is_checkpoint(line: &[u8]) -> bool {
    line.starts_with(b"{\"checkpoint\":")
}

/// Returns where a forged export does not hold.
fn problem(forged: &[u8]) -> Problem {
    match verified(forged) {
        Err(Failure::Export(problem)) => problem,
        Err(other) => panic!("{other}"),
        Ok(report) => panic!("a forged export holds: {report:?}"),
    }
}

#[test]
fn every_byte_that_is_flipped_is_named_with_its_line_and_entry() {
    story(async |world| {
        let bare = Bare::new(world);
        let export = small(&bare).await;
        bare.db.close().await;
        let lines = lines(&export);
        let mut at = 0;
        for (index, line) in lines.iter().enumerate() {
            let seq = seq_of(line);
            for place in at..at + line.len() {
                // One bit after the other, and what makes an upper-case letter of a lower-case one.
                for mask in [1 << (place % 8), 0x20] {
                    let mut forged = export.clone();
                    forged[place] ^= mask;
                    let problem = problem(&forged);
                    let told =
                        format!("byte {place} ^ {mask:#x} in {}", String::from_utf8_lossy(line));
                    assert_eq!(problem.line, index as u64 + 1, "{problem}: {told}");
                    if seq.is_some() {
                        assert_eq!(problem.seq, seq, "{problem}: {told}");
                    }
                }
            }
            at += line.len();
        }
        assert_eq!(at, export.len());
    });
}

#[test]
fn every_line_that_is_dropped_doubled_or_swapped_is_named() {
    story(async |world| {
        let bare = Bare::new(world);
        let lines = lines(&small(&bare).await);
        bare.db.close().await;
        let count = lines.len();
        for index in 0..count {
            let mut dropped = lines.clone();
            dropped.remove(index);
            let problem_ = problem(&dropped.concat());
            // That a checkpoint in the middle is gone is told by the next one.
            let next = (index + 1..count).find(|it| is_checkpoint(&lines[*it]));
            let due = match next.filter(|_| is_checkpoint(&lines[index])) {
                Some(next) => next,
                None => index + 1,
            };
            assert_eq!(problem_.line, due as u64, "dropped {}: {problem_}", index + 1);
            if let Some(seq) = seq_of(&lines[index]) {
                let next_is_entry = lines.get(index + 1).is_some_and(|it| seq_of(it).is_some());
                let named = problem_.seq.or_else(|| {
                    problem_.what.contains(&format!("up to {}", seq - 1)).then_some(seq)
                });
                assert_eq!(named, Some(seq), "{problem_} {next_is_entry}");
            }
            let mut doubled = lines.clone();
            doubled.insert(index, lines[index].clone());
            let problem_ = problem(&doubled.concat());
            assert_eq!(problem_.line, index as u64 + 2, "doubled {}: {problem_}", index + 1);
            if index + 1 < count {
                let mut swapped = lines.clone();
                swapped.swap(index, index + 1);
                let problem_ = problem(&swapped.concat());
                // An entry that comes before its checkpoint's end is told by the checkpoint.
                let late = is_checkpoint(&lines[index]) && seq_of(&lines[index + 1]).is_some();
                let due = index as u64 + 1 + u64::from(late);
                assert_eq!(problem_.line, due, "swapped {}: {problem_}", index + 1);
            }
        }
    });
}

#[test]
fn an_export_that_is_cut_off_anywhere_does_not_hold() {
    story(async |world| {
        let bare = Bare::new(world);
        let export = small(&bare).await;
        bare.db.close().await;
        let lines = lines(&export);
        for count in 0..lines.len() {
            let problem = problem(&lines[..count].concat());
            assert_eq!(problem.line, count as u64 + 1, "{problem}");
        }
        let mut random = StdRng::seed_from_u64(3);
        for _ in 0..500 {
            let length = random.random_range(0..export.len());
            let line = export[..length].split(|byte| *byte == b'\n').count() as u64;
            assert_eq!(problem(&export[..length]).line, line);
        }
        // Nor does one to which something was added.
        for more in ["\n", " ", "x", "{}\n"] {
            let problem = problem(&[&export, more.as_bytes()].concat());
            assert_eq!(problem.line, lines.len() as u64 + 1, "{problem}");
        }
    });
}

/// Writes the chain anew from the first entry on, as somebody who changed one would.
fn rechained(lines: &mut [Vec<u8>]) {
    let mut chain = peshub::platform::audit::hash::Hash::ZERO;
    for line in lines.iter_mut().filter(|line| line.starts_with(b"{\"entry\":")) {
        let text = line.strip_suffix(b"\n").unwrap();
        let mut entry: EntryLine = serde_json::from_slice(text).unwrap();
        chain = chained(chain, entry.entry.leaf());
        entry.chain = chain;
        *line = format!("{}\n", canonical(&entry)).into_bytes();
    }
}

fn edited(line: &mut Vec<u8>, edit: impl FnOnce(&mut EntryLine)) {
    let mut entry: EntryLine = serde_json::from_slice(line.strip_suffix(b"\n").unwrap()).unwrap();
    edit(&mut entry);
    *line = format!("{}\n", canonical(&entry)).into_bytes();
}

#[test]
fn a_chain_that_was_made_anew_over_a_change_is_given_away_by_the_checkpoint() {
    story(async |world| {
        let bare = Bare::new(world);
        let lines = lines(&small(&bare).await);
        bare.db.close().await;
        for index in 0..lines.len() {
            if seq_of(&lines[index]).is_none() {
                continue;
            }
            let checkpoint = (index..lines.len()).find(|it| is_checkpoint(&lines[*it])).unwrap();
            // Another subject.
            let mut forged = lines.clone();
            edited(&mut forged[index], |line| line.entry.subject.push('!'));
            rechained(&mut forged);
            let problem_ = problem(&forged.concat());
            assert_eq!(problem_.line, checkpoint as u64 + 1, "{problem_}");
            assert!(problem_.what.contains("other rows"), "{problem_}");
            // An entry put in, all later ones numbered anew.
            let mut forged = lines.clone();
            forged.insert(index, lines[index].clone());
            for line in forged.iter_mut().skip(index + 1) {
                if line.starts_with(b"{\"entry\":") {
                    edited(line, |line| line.entry.seq += 1);
                }
            }
            rechained(&mut forged);
            let problem_ = problem(&forged.concat());
            assert!(problem_.line <= checkpoint as u64 + 2, "{problem_}");
        }
        // With a checkpoint to match, whose signature cannot be made.
        let mut forged = lines.clone();
        edited(&mut forged[1], |line| line.entry.subject.push('!'));
        rechained(&mut forged);
        let checkpoint = (0..lines.len()).find(|it| is_checkpoint(&lines[*it])).unwrap();
        let text = forged[checkpoint].strip_suffix(b"\n").unwrap();
        let mut signed: SignedCheckpoint = serde_json::from_slice(text).unwrap();
        signed.checkpoint.at.replace_range(..4, "2020");
        forged[checkpoint] = format!("{}\n", canonical(&signed)).into_bytes();
        let problem = problem(&forged.concat());
        assert_eq!(problem.line, checkpoint as u64 + 1);
        assert!(problem.what.contains("signature"), "{problem}");
    });
}

#[test]
fn a_whole_trail_made_with_another_key_is_refused_when_the_key_is_pinned() {
    story(async |world| {
        let (genuine, forger) = (Bare::new(world), Bare::new(world));
        genuine.write("things/1").await;
        forger.sealer().seal_all().await.unwrap();
        let export = forger.export().await;
        // It is sound in itself; only who knows the hub's key can tell.
        verified(&export).unwrap();
        let key = |bare: &Bare| {
            let digits = peshub::platform::audit::hash::to_hex(bare.keys.signer.public_key());
            peshub::platform::audit::keyring::read_key(&digits).unwrap()
        };
        let held = |pins| {
            let expectations = Expectations { pins, ..Expectations::default() };
            verify::verify(Cursor::new(&export), &expectations)
        };
        held(vec![key(&forger)]).unwrap();
        let failure = held(vec![key(&genuine)]).unwrap_err();
        assert!(failure.to_string().contains("not a pinned one"), "{failure}");
        genuine.db.close().await;
        forger.db.close().await;
    });
}

#[test]
fn what_is_changed_in_the_database_is_named_by_the_next_export() {
    story(async |world| {
        let hub = world.hub().await;
        for number in 0..6 {
            send(&hub, "a", &format!("r-{number}")).await;
        }
        sealed(&world.pool).await;
        verified(&export(&hub).await).unwrap();
        // The policies stop the hub; whoever owns the tables can lift them.
        crate::audit::lift_the_wall(&world.pool).await;
        let run = async |statement: &'static str, bind: i64| {
            sqlx::query(statement).bind(bind).execute(&world.pool).await.unwrap();
        };
        let named = async |seq: i64| {
            let problem = problem(&export(&hub).await);
            assert_eq!((problem.line > 1, problem.seq), (true, Some(seq)), "{problem}");
        };
        let (seq, subject): (i64, String) = sqlx::query_as(
            "SELECT l.seq, a.subject FROM audit a JOIN audit_link l USING (audit_id)
             WHERE a.event = 'postings.synced' ORDER BY l.seq OFFSET 2 LIMIT 1",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        // A row says something else.
        run("UPDATE audit SET subject = 'sources/nobody' WHERE audit_id = (SELECT audit_id FROM audit_link WHERE seq = $1)", seq).await;
        named(seq).await;
        // A proof of it is not given out either, nor of its neighbours under the same checkpoint.
        let entry_id: uuid::Uuid = sqlx::query_scalar(
            "SELECT a.entry_id FROM audit a JOIN audit_link l USING (audit_id) WHERE l.seq = $1",
        )
        .bind(seq)
        .fetch_one(&world.pool)
        .await
        .unwrap();
        let request = peshub::pb::peshub::audit::v1::GetInclusionProofRequest {
            entry_id: entry_id.to_string(),
        };
        let proof = hub.connect("auditor").await.audit().get_inclusion_proof(request).await;
        let refusal = peshub::client::error::Refusal::of(&proof.unwrap_err());
        assert_eq!(refusal.reason, "INTERNAL");
        sqlx::query("UPDATE audit SET subject = $2 WHERE audit_id = (SELECT audit_id FROM audit_link WHERE seq = $1)")
            .bind(seq)
            .bind(&subject)
            .execute(&world.pool)
            .await
            .unwrap();
        verified(&export(&hub).await).unwrap();
        // A row is somebody else's.
        run("UPDATE audit SET participant = 'platform-south' WHERE audit_id = (SELECT audit_id FROM audit_link WHERE seq = $1)", seq).await;
        named(seq).await;
        run("UPDATE audit SET participant = 'platform-north' WHERE audit_id = (SELECT audit_id FROM audit_link WHERE seq = $1)", seq).await;
        // The chain says something else.
        run("UPDATE audit_link SET chain = sha256(chain) WHERE seq = $1", seq).await;
        named(seq).await;
        // A row is gone.
        run("DELETE FROM audit_link WHERE seq = $1", seq).await;
        let problem = problem(&export(&hub).await);
        assert!(
            problem.seq == Some(seq) || problem.what.contains(&format!("up to {}", seq - 1)),
            "{problem}"
        );
    });
}

#[test]
fn a_trail_whose_first_checkpoints_were_taken_away_does_not_pass_for_an_empty_one() {
    story(async |world| {
        let hub = world.hub().await;
        for number in 0..3 {
            send(&hub, "a", &format!("r-{number}")).await;
            sealed(&world.pool).await;
        }
        for (number, line) in [(2, None), (1, Some(1))] {
            sqlx::query("DELETE FROM audit_checkpoint WHERE number = $1")
                .bind(number)
                .execute(&world.pool)
                .await
                .unwrap();
            let problem = problem(&export(&hub).await);
            assert!(line.is_none_or(|line| problem.line == line), "{problem}");
        }
    });
}
