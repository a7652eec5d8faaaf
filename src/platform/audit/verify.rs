//! The verifier: reads an export from beginning to end, keeps no more of it than one checkpoint's hashes, and names the first
//! place at which it does not hold. It needs no hub and no database.

pub mod lines;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io::{self, BufRead};

use crate::platform::audit::entry::read_canonical;
use crate::platform::audit::export::{EntryLine, HeaderLine, TrailerLine};
use crate::platform::audit::hash::{Hash, chained, root};
use crate::platform::audit::keyring::Keyring;
use crate::platform::audit::proof::Proof;
use crate::platform::audit::receipt::{Receipt, Statement};
use crate::platform::audit::statement::{
    CHECKPOINT, CHECKPOINT_ROWS_MAX, EXPORT, EXPORT_END, Header, PublicKey, SignedCheckpoint, not,
};
use crate::platform::audit::verify::lines::{Kind, Lines};

/// What an export is held against.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// The only keys that are believed; those that the export names itself if there is none.
    pub pins: Vec<PublicKey>,
    /// Receipts whose entries must be in the export.
    pub receipts: Vec<Receipt>,
    /// Proofs whose checkpoints must be those of the export, where it has them.
    pub proofs: Vec<Proof>,
    /// The checkpoint that the export must go on from.
    pub follows: Option<SignedCheckpoint>,
}

/// Where an export does not hold, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Number of the line, from 1.
    pub line: u64,
    /// Place in the chain, where the line is an entry or should be one.
    pub seq: Option<i64>,
    /// What is wrong, as the end of a sentence that begins with the line.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seq {
            Some(seq) => write!(f, "line {} (seq {seq}) {}", self.line, self.what),
            None => write!(f, "line {} {}", self.line, self.what),
        }
    }
}

/// Why verification fails.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The export cannot be read.
    #[error("the export cannot be read")]
    Read(#[from] io::Error),
    /// The export does not hold.
    #[error("{0}")]
    Export(Problem),
    /// A receipt does not hold.
    #[error("the receipt for entry {entry_id} {what}")]
    Receipt {
        /// Which.
        entry_id: String,
        /// What is wrong.
        what: String,
    },
    /// A proof does not hold.
    #[error("the proof of entry {entry_id} {what}")]
    Proof {
        /// Which.
        entry_id: String,
        /// What is wrong.
        what: String,
    },
}

/// What was found sound.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which hub.
    pub hub: String,
    /// First row.
    pub first_seq: i64,
    /// Last row; one less than the first when there is none.
    pub last_seq: i64,
    /// How many checkpoints.
    pub checkpoints: u64,
    /// The last of them.
    pub last_checkpoint: Option<SignedCheckpoint>,
    /// The keys that the export names.
    pub keys: Vec<PublicKey>,
    /// When it was made.
    pub at: String,
    /// Entries of receipts that are not in it.
    pub missing: BTreeSet<String>,
}

/// Verifies an export that must have the entry of every receipt.
///
/// # Errors
///
/// It does not hold, or something that was to be found in it does not.
pub fn verify(reader: impl BufRead, expectations: &Expectations) -> Result<Report, Failure> {
    let report = verify_part(reader, expectations)?;
    match report.missing.first() {
        None => Ok(report),
        Some(entry_id) => {
            let what = "is for an entry that is not in the export".to_owned();
            Err(Failure::Receipt { entry_id: entry_id.clone(), what })
        }
    }
}

/// Verifies an export that is one of several: entries of receipts may be missing.
///
/// # Errors
///
/// As [`verify`].
pub fn verify_part(reader: impl BufRead, expectations: &Expectations) -> Result<Report, Failure> {
    let mut lines = Lines::new(reader);
    let mut state = State::begin(&mut lines, expectations)?;
    loop {
        let Some(kind) = lines.advance()? else {
            let sound = match &state.last {
                Some(last) => format!("up to seq {} it holds", last.checkpoint.last_seq),
                None => "no checkpoint came before".to_owned(),
            };
            let what = format!("is missing: the export is cut off; {sound}");
            return Err(state.problem(lines.number() + 1, what));
        };
        let number = lines.number();
        match kind {
            Kind::Entry => state.entry(number, lines.text())?,
            Kind::Checkpoint => state.checkpoint(number, lines.text())?,
            Kind::Trailer => {
                state.trailer(&lines)?;
                break;
            }
            other => return Err(state.problem(number, stray(other).to_owned())),
        }
        lines.accept();
    }
    if lines.advance()?.is_some() {
        return Err(place(lines.number(), None, "follows the end of the export".to_owned()));
    }
    Ok(state.report())
}

/// Holds receipts and proofs against keys, without an export.
///
/// # Errors
///
/// One does not hold.
pub fn verify_alone(expectations: &Expectations) -> Result<(), Failure> {
    let keyring = Keyring::pinned(expectations.pins.clone());
    statements(expectations, &keyring)?;
    Ok(())
}

/// Returns what the receipts say, by their entries; and sees that proofs hold.
fn statements(
    expectations: &Expectations,
    keyring: &Keyring,
) -> Result<HashMap<String, Statement>, Failure> {
    for proof in &expectations.proofs {
        let entry_id = || proof.entry.entry_id.clone();
        proof.check(keyring).map_err(|what| Failure::Proof { entry_id: entry_id(), what })?;
    }
    let checked = expectations.receipts.iter().map(|receipt| {
        let entry_id = receipt.entry_id.clone();
        match receipt.check(keyring) {
            Ok(statement) => Ok((entry_id, statement)),
            Err(what) => Err(Failure::Receipt { entry_id, what }),
        }
    });
    checked.collect()
}

/// Returns what is wrong with a line that has no business where it is.
const fn stray(kind: Kind) -> &'static str {
    match kind {
        Kind::Unended => "is cut off: it has no end",
        Kind::Header => "is a second head",
        Kind::Entry | Kind::Checkpoint | Kind::Trailer | Kind::Other => {
            "is neither an entry nor a checkpoint nor the end"
        }
    }
}

fn place(line: u64, seq: Option<i64>, what: String) -> Failure {
    Failure::Export(Problem { line, seq, what })
}

/// How far the export was found sound.
struct State<'a> {
    expectations: &'a Expectations,
    keyring: Keyring,
    header: Header,
    /// Receipts whose entries have not come yet.
    wanted: HashMap<String, Statement>,
    next_seq: i64,
    chain: Hash,
    /// Leaves of the rows since the last checkpoint.
    leaves: Vec<Hash>,
    last: Option<SignedCheckpoint>,
    checkpoints: u64,
}

impl<'a> State<'a> {
    fn begin(
        lines: &mut Lines<impl BufRead>,
        expectations: &'a Expectations,
    ) -> Result<Self, Failure> {
        let first = |what: String| place(1, None, what);
        match lines.advance()? {
            Some(Kind::Header) => {}
            Some(Kind::Unended) => return Err(first(stray(Kind::Unended).to_owned())),
            Some(_) => return Err(first("is not the head of an export".to_owned())),
            None => return Err(first("is missing: the file is empty".to_owned())),
        }
        let line = read_canonical(lines.text()).map_err(first)?;
        let HeaderLine { header, signature } = line;
        let mut keyring = Keyring::pinned(expectations.pins.clone());
        keyring.learn(&header.keys).map_err(first)?;
        let by = (header.algorithm.as_str(), header.key_id.as_str());
        keyring.check(by, &lines::signed(&header), &signature.0).map_err(first)?;
        check_header(&header, &keyring, expectations).map_err(first)?;
        lines.accept();
        let wanted = statements(expectations, &keyring)?;
        check_hub(&header.hub, &wanted, expectations)?;
        Ok(Self {
            expectations,
            keyring,
            wanted,
            next_seq: header.first_seq,
            chain: header.chain,
            leaves: Vec::new(),
            last: header.previous.clone(),
            checkpoints: 0,
            header,
        })
    }

    /// Returns a problem at a line that should be the next entry, unless all have come.
    fn problem(&self, line: u64, what: String) -> Failure {
        let seq = Some(self.next_seq).filter(|seq| *seq <= self.header.last_seq);
        place(line, seq, what)
    }

    fn entry(&mut self, number: u64, text: &[u8]) -> Result<(), Failure> {
        let line: EntryLine =
            read_canonical(text).map_err(|what| place(number, Some(self.next_seq), what))?;
        let EntryLine { entry, chain } = line;
        let leaf = entry.leaf();
        let (found, due) = (entry.seq, self.next_seq);
        let wrong = |what: String| place(number, Some(due), what);
        if found != due {
            // The text of another row would not fit here either; its number says which one it is.
            return Err(wrong(format!("is missing here: the line has seq {found}")));
        }
        if due > self.header.last_seq || self.leaves.len() >= CHECKPOINT_ROWS_MAX {
            return Err(wrong("is one entry more than there should be".to_owned()));
        }
        self.chain = chained(self.chain, leaf);
        if self.chain != chain {
            return Err(wrong(
                "does not fit the chain: the entry was changed or put in".to_owned(),
            ));
        }
        self.leaves.push(leaf);
        self.next_seq = due.saturating_add(1);
        if let Some(statement) = self.wanted.remove(&entry.entry_id) {
            let entry_id = entry.entry_id.clone();
            return statement.matches(&entry).map_err(|what| Failure::Receipt { entry_id, what });
        }
        Ok(())
    }

    fn checkpoint(&mut self, number: u64, text: &[u8]) -> Result<(), Failure> {
        let wrong = |what: String| place(number, None, what);
        let signed: SignedCheckpoint = read_canonical(text).map_err(wrong)?;
        let expected = Expected {
            hub: &self.header.hub,
            previous: self.last.as_ref(),
            rows: (self.next_seq, self.leaves.len()),
            root: root(&self.leaves),
            chain: self.chain,
        };
        check_signed(&signed, &self.keyring).map_err(wrong)?;
        expected.check(&signed).map_err(wrong)?;
        let number = signed.checkpoint.number;
        for proof in self.expectations.proofs.iter().filter(|it| it.checkpoint.number == number) {
            if proof.checkpoint != signed.checkpoint {
                let entry_id = proof.entry.entry_id.clone();
                let what = format!("is for another checkpoint {number} than the export has");
                return Err(Failure::Proof { entry_id, what });
            }
        }
        self.leaves.clear();
        self.last = Some(signed);
        self.checkpoints += 1;
        Ok(())
    }

    fn trailer(&self, lines: &Lines<impl BufRead>) -> Result<(), Failure> {
        let wrong = |what: String| place(lines.number(), None, what);
        let TrailerLine { trailer, signature } = read_canonical(lines.text()).map_err(wrong)?;
        let by = (trailer.algorithm.as_str(), trailer.key_id.as_str());
        self.keyring.check(by, &lines::signed(&trailer), &signature.0).map_err(wrong)?;
        if trailer.kind != EXPORT_END || trailer.hub != self.header.hub {
            return Err(wrong(not(EXPORT_END)));
        }
        if !self.leaves.is_empty() {
            let what = "comes too early: the rows before it are under no checkpoint";
            return Err(self.problem(lines.number(), what.to_owned()));
        }
        let came = self.next_seq.saturating_sub(1);
        let said = (trailer.first_seq, trailer.last_seq, trailer.entries);
        let count = came.saturating_sub(self.header.first_seq).saturating_add(1);
        if said != (self.header.first_seq, came, count) || came != self.header.last_seq {
            let what = format!("says the export ends with seq {}, and it ends with {came}", said.1);
            return Err(self.problem(lines.number(), what));
        }
        let last = self.last.as_ref().map_or(0, |last| last.checkpoint.number);
        if trailer.last_checkpoint != last || trailer.sha256 != lines.sha256() {
            return Err(wrong("was made for an export of other bytes".to_owned()));
        }
        Ok(())
    }

    fn report(self) -> Report {
        Report {
            hub: self.header.hub,
            first_seq: self.header.first_seq,
            last_seq: self.header.last_seq,
            checkpoints: self.checkpoints,
            last_checkpoint: self.last,
            keys: self.header.keys,
            at: self.header.at,
            missing: self.wanted.into_keys().collect(),
        }
    }
}

/// Holds receipts and proofs against the hub that an export is of: one key may be used by two.
fn check_hub(
    hub: &str,
    receipts: &HashMap<String, Statement>,
    expectations: &Expectations,
) -> Result<(), Failure> {
    let what = || format!("is of another hub than the export, which is of {hub}");
    if let Some((entry_id, _)) = receipts.iter().find(|(_, statement)| statement.hub != hub) {
        return Err(Failure::Receipt { entry_id: entry_id.clone(), what: what() });
    }
    match expectations.proofs.iter().find(|proof| proof.checkpoint.hub != hub) {
        None => Ok(()),
        Some(proof) => {
            let entry_id = proof.entry.entry_id.clone();
            Err(Failure::Proof { entry_id, what: what() })
        }
    }
}

fn check_signed(signed: &SignedCheckpoint, keyring: &Keyring) -> Result<(), String> {
    let it = &signed.checkpoint;
    let by = (it.algorithm.as_str(), it.key_id.as_str());
    keyring.check(by, it.text().as_bytes(), &signed.signature.0)
}

fn check_header(
    header: &Header,
    keyring: &Keyring,
    expectations: &Expectations,
) -> Result<(), String> {
    if header.kind != EXPORT {
        return Err(not(EXPORT));
    }
    if let Some(follows) = &expectations.follows
        && header.previous.as_ref() != Some(follows)
    {
        return Err("does not go on where the export before it ends".to_owned());
    }
    let begins = match &header.previous {
        None => header.first_seq == 1 && header.chain == Hash::ZERO,
        Some(previous) => {
            check_signed(previous, keyring)?;
            let it = &previous.checkpoint;
            it.hub == header.hub
                && it.last_seq.checked_add(1) == Some(header.first_seq)
                && it.chain == header.chain
        }
    };
    if begins && header.last_seq >= header.first_seq.saturating_sub(1) {
        return Ok(());
    }
    Err("does not go on where the checkpoint that it names ends".to_owned())
}

/// What the next checkpoint must say.
struct Expected<'a> {
    hub: &'a str,
    previous: Option<&'a SignedCheckpoint>,
    /// The place after the last row, and how many rows came since the last checkpoint.
    rows: (i64, usize),
    root: Hash,
    chain: Hash,
}

impl Expected<'_> {
    fn check(&self, signed: &SignedCheckpoint) -> Result<(), String> {
        let it = &signed.checkpoint;
        if it.kind != CHECKPOINT || it.hub != self.hub {
            return Err("is of another hub, or no checkpoint".to_owned());
        }
        let number = self.previous.map_or(0, |it| it.checkpoint.number).saturating_add(1);
        let previous = self.previous.map(|it| Hash::of(it.checkpoint.text().as_bytes()));
        if it.number != number {
            let (found, first) = (it.number, it.first_seq);
            let what = format!("is checkpoint {found}, and {number} is missing before seq {first}");
            return Err(what);
        }
        if it.previous != previous {
            return Err("does not follow the checkpoint before it".to_owned());
        }
        let (next, rows) = self.rows;
        let came = next.saturating_sub(1);
        if it.rows() != Some(rows) || it.last_seq != came {
            let (first, last) = (it.first_seq, it.last_seq);
            return Err(format!(
                "stands over seq {first} to {last}, and {rows} rows up to {came} came before it"
            ));
        }
        if it.root != self.root || it.chain != self.chain {
            let (first, last) = (it.first_seq, it.last_seq);
            return Err(format!(
                "was signed over other rows: of seq {first} to {last} some were changed"
            ));
        }
        Ok(())
    }
}
