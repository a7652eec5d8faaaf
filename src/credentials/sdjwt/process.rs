//! Disclosures put where they belong (RFC 9901, section 7.1 (3) to (5)).

use std::fmt;

use crate::credentials::domain::{ClaimPath, Segment};
use crate::credentials::sdjwt::Profile;
use crate::credentials::sdjwt::bounds::{DIGESTS_MAX, NESTING_MAX};
use crate::credentials::sdjwt::claims::{self, Confirmation, StatusReference, Times};
use crate::credentials::sdjwt::defect::{
    DISCLOSURES_COUNT, DISCLOSURES_DIGEST_REPEATED, DISCLOSURES_EXISTING, DISCLOSURES_KIND,
    DISCLOSURES_NAME, DISCLOSURES_PLACEMENT, DISCLOSURES_REGISTERED, DISCLOSURES_REPEATED,
    DISCLOSURES_UNREFERENCED, Defect, FORMAT_NESTING,
};
use crate::credentials::sdjwt::disclosure::{
    DIGESTS, Digests, Disclosure, ELEMENT, HASH, HashFunction,
};
use crate::credentials::sdjwt::json::{Object, View};
use crate::credentials::sdjwt::read::Parts;
use crate::credentials::sdjwt::said::Said;

/// Claims that are never hidden, nor anything in them: a verifier decides by them (SD-JWT VC, section 2.2.2.3).
pub const NEVER_HIDDEN: [&str; 8] =
    ["iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "aka_vcts", "status"];

/// What a token says, with everything that was disclosed and nothing else.
pub struct Disclosed<C = Object> {
    /// The claims; no digest is left in them.
    pub claims: C,
    /// Where what came by disclosures stands in them, in the order in which it stands there; nothing when nobody asked for it.
    pub disclosed: Vec<ClaimPath>,
    /// To whom it was issued: `cnf`.
    pub confirmation: Confirmation,
    /// When it was made, and from when to when it counts.
    pub times: Times,
    /// Where its status stands.
    pub status: Option<StatusReference>,
    /// Whether it has a status of which nothing is known here: it cannot be found out whether it stands.
    pub has_unknown_status: bool,
    /// `sub`.
    pub subject: Option<String>,
    /// The disclosure of each path of `disclosed`, counted from 0 in the order in which they came.
    pub(crate) sources: Vec<usize>,
}

impl Disclosed<Said<'_>> {
    /// Returns a copy that needs neither the token nor its disclosures.
    pub(crate) fn into_owned(self) -> Disclosed {
        Disclosed {
            claims: self.claims.to_object(),
            disclosed: self.disclosed,
            confirmation: self.confirmation,
            times: self.times,
            status: self.status,
            has_unknown_status: self.has_unknown_status,
            subject: self.subject,
            sources: self.sources,
        }
    }
}

impl<C> fmt::Debug for Disclosed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disclosed").finish_non_exhaustive()
    }
}

/// Disclosures that came with a token, taken apart.
pub(crate) struct Opened {
    disclosures: Vec<Disclosure>,
    digests: Digests,
}

impl Opened {
    /// Takes disclosures apart.
    pub(crate) fn read(parts: &Parts<'_>, hash: HashFunction) -> Result<Self, Defect> {
        let disclosures: Result<_, _> = parts.disclosures().map(Disclosure::read).collect();
        Ok(Self { disclosures: disclosures?, digests: hash.digests(parts.disclosures()) })
    }
}

/// Puts what is disclosed where it belongs.
pub(crate) fn disclose<'a>(
    payload: View<'a>,
    opened: &'a Opened,
    profile: Profile<'_>,
    keeps_paths: bool,
) -> Result<Disclosed<Said<'a>>, Defect> {
    let disclosures = opened.disclosures.as_slice();
    let digests = opened.digests.iter().enumerate();
    let mut by_digest: Vec<_> = digests.map(|(number, it)| (Sorted::new(it), number)).collect();
    by_digest.sort_unstable();
    if by_digest.array_windows().any(|[(one, _), (other, _)]| one == other) {
        return Err(DISCLOSURES_REPEATED.failed("a disclosure comes twice"));
    }
    let mut walk = Walk {
        disclosures,
        by_digest: &by_digest,
        met: Vec::with_capacity(16),
        at: Vec::new(),
        keeps_paths,
        disclosed: Vec::new(),
        sources: Vec::with_capacity(disclosures.len()),
        is_credential: profile == Profile::SdJwtVc,
        is_within_never_hidden: false,
    };
    let claims = walk.object(payload)?;
    walk.met.sort_unstable();
    if walk.met.array_windows().any(|[one, other]| one == other) {
        return Err(DISCLOSURES_DIGEST_REPEATED.failed("a digest comes twice"));
    }
    if walk.sources.len() != disclosures.len() {
        return Err(DISCLOSURES_UNREFERENCED.failed("a disclosure has no digest"));
    }
    let (disclosed, sources) = (walk.disclosed, walk.sources);
    let (status, has_unknown_status) = claims::status(&claims)?;
    Ok(Disclosed {
        confirmation: claims::confirmation(&claims)?,
        times: claims::times(&claims)?,
        status,
        has_unknown_status,
        subject: claims::text(&claims, "sub")?.map(ToOwned::to_owned),
        claims,
        disclosed,
        sources,
    })
}

/// A digest that is compared by its first letters first, as a number: nearly always they tell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sorted<'a> {
    first: u64,
    text: &'a str,
}

impl<'a> Sorted<'a> {
    fn new(text: &'a str) -> Self {
        let first = text.as_bytes().first_chunk().copied().unwrap_or_default();
        Self { first: u64::from_be_bytes(first), text }
    }
}

/// Where one is in the result.
#[derive(Clone, Copy)]
enum At<'a> {
    Name(&'a str),
    Element(usize),
}

/// A member of an object: its name, and what it says.
type Member<'a> = (&'a str, Said<'a>);

struct Walk<'a, 'd> {
    disclosures: &'a [Disclosure],
    /// The digests of disclosures, sorted.
    by_digest: &'d [(Sorted<'a>, usize)],
    /// Every digest that was met, as it came.
    met: Vec<Sorted<'a>>,
    at: Vec<At<'a>>,
    keeps_paths: bool,
    disclosed: Vec<ClaimPath>,
    sources: Vec<usize>,
    is_credential: bool,
    is_within_never_hidden: bool,
}

impl<'a> Walk<'a, '_> {
    fn value(&mut self, value: View<'a>) -> Result<Said<'a>, Defect> {
        if value.is_object() {
            self.object(value)
        } else if let Some(items) = value.items() {
            self.list(items).map(Said::List)
        } else {
            Ok(Said::Plain(value))
        }
    }

    /// Processes what stands at a place below this one.
    fn below(&mut self, place: At<'a>, value: View<'a>) -> Result<Said<'a>, Defect> {
        self.at.push(place);
        if self.at.len() > NESTING_MAX {
            return Err(FORMAT_NESTING.failed("with its disclosures it is nested too deep"));
        }
        let value = self.value(value);
        self.at.pop();
        value
    }

    fn object(&mut self, object: View<'a>) -> Result<Said<'a>, Defect> {
        let is_top = self.at.is_empty();
        let members = object.members().into_iter().flatten();
        // Most of what is hidden is hidden at the top.
        let hidden = if is_top { self.disclosures.len() } else { 0 };
        let (own, _) = members.size_hint();
        let mut result = Vec::with_capacity(own.saturating_add(hidden));
        let mut digests = None;
        for (name, value) in members {
            match name {
                DIGESTS => {
                    digests = Some(value);
                    continue;
                }
                HASH if is_top => continue,
                HASH => {
                    return Err(DISCLOSURES_PLACEMENT.failed("_sd_alg stands below the top"));
                }
                ELEMENT => {
                    let what = "... stands elsewhere than alone in an element of a list";
                    return Err(DISCLOSURES_PLACEMENT.failed(what));
                }
                _ => {}
            }
            if is_top {
                self.is_within_never_hidden = self.is_credential && NEVER_HIDDEN.contains(&name);
            }
            result.push((name, self.below(At::Name(name), value)?));
        }
        if is_top {
            self.is_within_never_hidden = false;
        }
        if let Some(digests) = digests {
            let wrong = || DISCLOSURES_PLACEMENT.failed("_sd is no list of texts");
            for digest in digests.items().ok_or_else(wrong)? {
                let digest = digest.as_text().ok_or_else(wrong)?;
                if let Some(number) = self.meet(digest)? {
                    let member = self.member(&result, number)?;
                    result.push(member);
                }
            }
        }
        result.sort_unstable_by_key(|(name, _)| *name);
        // No name stands twice in what was signed, so one of the two came by a disclosure.
        if result.array_windows().any(|[(one, _), (other, _)]| one == other) {
            return Err(existing());
        }
        Ok(Said::Object(result))
    }

    /// Returns the member that a disclosure is, of an object that has some already.
    fn member(&mut self, own: &[Member<'a>], number: usize) -> Result<Member<'a>, Defect> {
        let disclosures = self.disclosures;
        let Some((name, value)) = disclosures.get(number).and_then(Disclosure::member) else {
            return Err(DISCLOSURES_KIND.failed("an element's disclosure stands for a member"));
        };
        if [DIGESTS, ELEMENT, HASH].contains(&name) {
            return Err(DISCLOSURES_NAME.failed("a disclosure has a name that the format keeps"));
        }
        if self.is_credential && self.at.is_empty() && NEVER_HIDDEN.contains(&name) {
            if own.iter().any(|(it, _)| *it == name) {
                return Err(existing());
            }
            let what = "a disclosure has the name of a claim that is never hidden";
            return Err(DISCLOSURES_REGISTERED.failed(what));
        }
        self.note(number, At::Name(name));
        Ok((name, self.below(At::Name(name), value)?))
    }

    fn list(
        &mut self,
        items: impl ExactSizeIterator<Item = View<'a>>,
    ) -> Result<Vec<Said<'a>>, Defect> {
        let mut result = Vec::with_capacity(items.len());
        for value in items {
            let place = At::Element(result.len());
            let Some(digest) = value.get(ELEMENT) else {
                result.push(self.below(place, value)?);
                continue;
            };
            let is_alone = value.members().is_some_and(|it| it.len() == 1);
            let Some(digest) = digest.as_text().filter(|_| is_alone) else {
                let what = "... is no text, or does not stand alone";
                return Err(DISCLOSURES_PLACEMENT.failed(what));
            };
            if let Some(number) = self.meet(digest)? {
                let disclosures = self.disclosures;
                let Some(value) = disclosures.get(number).and_then(Disclosure::element) else {
                    let what = "a member's disclosure stands for an element";
                    return Err(DISCLOSURES_KIND.failed(what));
                };
                self.note(number, place);
                result.push(self.below(place, value)?);
            }
        }
        Ok(result)
    }

    /// Meets a digest, and returns which disclosure it stands for, if that came.
    fn meet(&mut self, digest: &'a str) -> Result<Option<usize>, Defect> {
        if self.is_within_never_hidden {
            let what = "something is hidden in a claim that is never hidden";
            return Err(DISCLOSURES_REGISTERED.failed(what));
        }
        if self.met.len() == DIGESTS_MAX {
            return Err(DISCLOSURES_COUNT.failed("there are more digests than are taken"));
        }
        let digest = Sorted::new(digest);
        self.met.push(digest);
        let place = self.by_digest.binary_search_by(|(own, _)| own.cmp(&digest));
        let number = place.ok().and_then(|place| self.by_digest.get(place)).map(|(_, it)| *it);
        if number.is_some_and(|number| self.sources.contains(&number)) {
            return Err(DISCLOSURES_DIGEST_REPEATED.failed("a digest comes twice"));
        }
        Ok(number)
    }

    /// Notes that a disclosure stands at a place below this one.
    fn note(&mut self, number: usize, place: At<'a>) {
        self.sources.push(number);
        if !self.keeps_paths {
            return;
        }
        let segments = self.at.iter().chain([&place]).map(|at| match at {
            At::Name(name) => Segment::Name((*name).to_owned()),
            At::Element(index) => Segment::Element(*index),
        });
        self.disclosed.extend(ClaimPath::new(segments.collect()));
    }
}

fn existing() -> Defect {
    DISCLOSURES_EXISTING.failed("a disclosure says what is said already")
}
